"""Descriptions of the API's fields and parameters: a name with one meaning throughout the API is described once, here.

A description in a model takes precedence; the measure dictionary describes measures.
"""

from typing import Any

from pricers.measures import MEASURES

FIELDS: dict[str, tuple[str, Any]] = {
    # identifiers
    "run_id": ("Id of the run.", "run-01972f3e5a7c7d10b7c3a1d2e3f40516"),
    "other_run_id": ("Id of the later run.", "run-01972f3e5a7c7d10b7c3a1d2e3f40517"),
    "run_id_before": ("Id of the earlier run.", "run-01972f3e5a7c7d10b7c3a1d2e3f40516"),
    "run_id_after": ("Id of the later run.", "run-01972f3e5a7c7d10b7c3a1d2e3f40517"),
    "run_id_t0": ("Id of the earlier run.", "run-01972f3e5a7c7d10b7c3a1d2e3f40516"),
    "run_id_t1": ("Id of the later run.", "run-01972f3e5a7c7d10b7c3a1d2e3f40517"),
    "market": ("Market id, or a name, which stands for its last upload.", "demo"),
    "market_id": ("Id of the market.", "mkt-90b1c2d3e4f5a6b7"),
    "portfolio": ("Portfolio id, or a name, which stands for its last upload.", "demo"),
    "portfolio_id": ("Id of the portfolio.", "pf-3f2a9c0d1e4b5a67"),
    "scenario_set": ("Scenario set id, or a name, which stands for its last upload.", "standard stress"),
    "scenario_set_id": ("Id of the scenario set.", "scen-5b0c7c1de2a9f344"),
    "history": ("Market history id, or a name, which stands for its last upload.", "demo-history"),
    "fixings": ("Fixing table id, or a name, which stands for its last upload.", "eod"),
    "hierarchy": ("Hierarchy id, or a name, which stands for its last upload.", "legal entities"),
    "name": ("Name given by the user.", "demo"),
    "version": ("Number of this upload among those under the name, from 1.", 1),
    "content_hash": ("SHA-256 of the canonical content, in hex.", "90b1c2d3e4f5a6b7" * 4),
    "created_at": ("Time of storage, UTC; for a snapshot, time of the upload of this version of the name.", "2024-03-28T17:30:00Z"),
    # a position
    "position_id": ("Id of the position, unique within its portfolio.", "P-000001"),
    "position_no": ("Number of the position within its portfolio, from 0; the order of pages and downloads.", 0),
    "product": ("Product of the position; as a filter, a product to include, which may be repeated.", "FIXED_BOND"),
    "book": ("Book of the position; as a filter, a book to include, which may be repeated.", "BOOK-07"),
    "counterparty": ("Counterparty, or the issuer of a security; as a filter, one to include, which may be repeated.", "CP-001"),
    "currency": ("Native currency; as a filter, a currency to include, which may be repeated.", "EUR"),
    "notional": ("Signed notional in native currency; positive is an asset.", 1_000_000.0),
    "position_count": ("Number of positions.", 10_000),
    "ok_count": ("Number of priced positions.", 9_950),
    "failed_count": ("Number of positions without value, which no sum includes.", 50),
    "cancelled_count": ("Number of positions not valued because the run was cancelled.", 0),
    "dropped_position_count": ("Number of positions that no vector includes, because they failed, or failed in a scenario.", 50),
    "books": ("Books to include; all if empty.", ["BOOK-07"]),
    "products": ("Products to include; all if empty.", ["FIXED_BOND"]),
    "currencies": ("Currencies, or patterns of them; a filter without any includes all.", ["EUR"]),
    "counterparties": ("Counterparties to include; all if empty.", ["CP-001"]),
    # a run
    "state": ("State of the run; SUCCEEDED, PARTIAL, FAILED and CANCELLED are final.", "PARTIAL"),
    "executor": ("What drives the run: the warm pool, or a process of `riskray run execute`.", "pool"),
    "as_of": ("Valuation date.", "2024-03-28"),
    "as_of_t0": ("Valuation date of the earlier run.", "2024-03-28"),
    "as_of_t1": ("Valuation date of the later run.", "2024-03-29"),
    "base_currency": ("Currency of base-currency measures, ISO 4217.", "USD"),
    "measures": ("Measures computed; the others are null.", ["pv", "pv_base", "dv01"]),
    "measure": ("Measure that is compared.", "pv_base"),
    "progress": ("Numbers of positions and shards done so far.", None),
    "preflight": ("Market data that the portfolio needs and the market lacks, found before the run.", None),
    "started_at": ("Time at which a coordinator first claimed the run, UTC; null before.", "2024-03-28T17:30:01Z"),
    "finished_at": ("Time at which the run became final, UTC; null before.", "2024-03-28T17:30:04Z"),
    "cancel_requested_at": ("Time at which a cancellation was requested, UTC; null if none was.", None),
    "lease_until": ("Time until which a coordinator or job holds the run, UTC, extended while it works; null before and after.", None),
    "driven_since": ("Time at which the present claim of the run began, UTC; null if no coordinator or job drives it.", None),
    "error_code": ("Code of the error that made the run FAIL; null otherwise.", None),
    "error_detail": ("Text of the error that made the run FAIL; null otherwise.", None),
    "shard_count": ("Number of shards of the run.", 4),
    "shards_done": ("Number of committed shards.", 4),
    "gaps": ("Missing market data, the largest gap first.", None),
    # why a position has no value
    "code": ("Stable code of the reason; `docs/errors.md` lists them.", "MISSING_CURVE"),
    "message": ("What is wrong.", "the market has no discount curve of this name: EUR-X"),
    "remedy": ("How to correct it.", "add the curve to the market snapshot or correct the position's curve name"),
    "example_position_id": ("Id of one of the positions.", "P-000017"),
    "failures": ("Positions without value, with reasons.", None),
    # sums and ladders
    "group": ("Values of the grouping dimensions; empty for the sum over all.", {"book": "BOOK-07"}),
    "groups": ("One entry per group.", None),
    "curve": ("Name of the discount curve.", "EUR-GOVT-AAA"),
    "pillar": ("Label of the curve's point: a tenor or a date.", "10Y"),
    "factor": ("Name of the factor: of a curve or currency; factors to keep where it filters, may be repeated.", "EUR-GOVT-AAA"),
    "bucket": ("Part of the factor: a pillar of a curve; the currency itself for a currency.", "10Y"),
    "bucket_days": ("Days from the valuation date to the bucket; null if the bucket is no date.", 3652),
    "sensitivity": ("Base-currency PV after the bump of the bucket less PV before it.", -412.7),
    "unit": ("Of the sensitivities.", "base currency"),
    "bucket_labels": ("Buckets in order: pillars of a curve; the currency itself for a currency.", ["1Y", "10Y"]),
    "pillar_days": ("Days from the valuation date to the pillar.", 3652),
    "values": ("The requested measures by name; null if one does not apply to the product.", {"pv": 1_024_530.25, "dv01": -640.5}),
    "results": ("Positions with a value.", None),
    # one value, flow by flow
    "flows": ("Cash flows in order of payment.", None),
    "pay_date": ("Day of payment.", "2031-03-15"),
    "leg": ("Number of the contract's leg, from 0.", 0),
    "interest": ("Interest in the leg's currency; positive is received.", 30_000.0),
    "principal": ("Principal in the leg's currency; positive is received.", 0.0),
    "amount": ("Interest plus principal, in the leg's currency.", 30_000.0),
    "discount_factor": ("Present value of 1 paid on this day, on the leg's discount curve.", 0.8421),
    "spread_factor": ("Additional factor for the credit spread; 1 without a spread.", 0.9913),
    # comparisons of two runs
    "kind": ("Kind, one of the listed values.", None),
    "kinds": ("One entry per kind of difference.", None),
    "before": ("Value in the earlier run; if it has none, null, or 0 in a sum.", 1_000_000.0),
    "after": ("Value in the later run; if it has none, null, or 0 in a sum.", 1_002_500.0),
    "difference": ("`after` less `before`.", 2_500.0),
    "absolute_tolerance": (
        "Largest difference, plus `relative_tolerance` times the larger absolute value, up to which a position counts as unchanged.",
        0.0,
    ),
    "relative_tolerance": ("Factor of the larger absolute value in the tolerance; see `absolute_tolerance`.", 0.0),
    "pv_t0": ("Value in the earlier run, base currency.", 1_000_000.0),
    "pv_t1": ("Value in the later run, base currency.", 1_002_500.0),
    "cash_received": ("Flows paid to us, or gone ex-coupon, after the earlier date up to the later one, base currency.", 0.0),
    "pnl": ("Later value plus cash received less earlier value, which is the sum of `carry` to `residual`.", 2_500.0),
    "carry": ("P&L from the passage of time with unchanged curves, including cash paid in between.", 150.0),
    "rates": ("P&L from moves of discount curves.", 2_100.0),
    "credit": ("P&L from moves of spread curves.", 50.0),
    "fx": ("P&L from moves of exchange rates and of prices of securities.", 200.0),
    "opened": ("Value of positions that only the later run has.", 0.0),
    "closed": ("Minus the value of positions that only the earlier run has.", 0.0),
    "residual": ("P&L that no other part explains.", 0.0),
    "fixing": ("Of `carry`, what the rates, index levels and exchange rates fixed in between add to the earlier curves' forecasts.", 12.0),
    "total": ("Figures over all positions.", None),
    # tail risk and stress
    "pv_base": ("Present value without a scenario, base currency.", 1_024_530.25),
    "confidence": ("Confidence level between 0 and 1: 0.99 is 99 %; as a parameter it may be repeated.", 0.99),
    "confidences": ("Confidence levels between 0 and 1.", [0.95, 0.99]),
    "method": ("`full_revaluation` from the scenario vectors, or a normal distribution from sensitivities.", "full_revaluation"),
    "convention": ("How VaR is read from the ordered losses.", "higher"),
    "allocation": ("How VaR is allocated to the components.", "tail_average"),
    "tail_scenario_count": ("Number of worst scenarios to list.", 10),
    "filters": ("Positions to include.", None),
    "figures": ("VaR and ES, one entry per confidence.", None),
    "contributions": ("Contribution of each part of the node, one entry per part and confidence.", None),
    "var": ("Value at risk, base currency; positive is a loss.", 35_210.0),
    "expected_shortfall": ("Mean loss beyond VaR, base currency; positive is a loss.", 41_870.0),
    "component_var": ("The part's share of the node's VaR; the shares add up to it.", 12_400.0),
    "component_expected_shortfall": ("The part's share of the node's ES; the shares add up to it.", 14_900.0),
    "incremental_expected_shortfall": ("ES of the node less ES of the node without the part.", 9_800.0),
    "scenario": ("Name of the scenario.", "parallel +100"),
    "scenarios": ("The scenarios, in order.", None),
    "scenario_count": ("Number of scenarios.", 500),
    "dropped_scenario_count": ("Number of scenarios that drop_scenario has excluded from all figures.", 0),
    "nodes": ("One entry per part of the node.", None),
    # scenario sets, histories and hierarchies
    "definition": ("How the scenarios are generated.", None),
    "factor_count": ("Number of market factors that move.", 60),
    "factors": ("Names of the factors: curves' pillars, currencies, credit.", ["zero/EUR-GOVT-AAA/10Y"]),
    "type": ("Kind of the shock.", None),
    "shift": ("Size of the move.", None),
    "short": ("Move of pillars up to the short tenor.", None),
    "long": ("Move of pillars from the long tenor on.", None),
    "size": ("Size of the twist.", None),
    "short_tenor": ("Where the short end begins.", "2Y"),
    "long_tenor": ("Where the long end begins.", "10Y"),
    "pivot_tenor": ("Tenor that does not move.", "5Y"),
    "shifts": ("Moves by pillar.", None),
    "bp": ("Size in basis points.", 50.0),
    "shocks": ("Shocks that add up to the scenario.", None),
    "of": ("Names of the scenarios that the combination adds up.", ["parallel +100", "EUR -10 %"]),
    "combinations": ("Scenarios that are sums of other scenarios of the set.", None),
    "seed": ("Seed of the random numbers; equal seeds give equal scenarios.", 1),
    "count": ("Number of scenarios to draw.", 1_000),
    "distribution": ("Distribution of the random moves.", "normal"),
    "volatility": ("How volatilities are estimated: with equal or exponentially decreasing weights.", "sample"),
    "description": ("Free text.", ""),
    "first_date": ("First date of the history.", "2019-01-02"),
    "last_date": ("Last date of the history.", "2024-03-28"),
    "row_count": ("Number of dates.", 1_340),
    "longest_gap_ends": ("The date that ends the longest gap.", "2024-01-02"),
    "summary": ("Content and gaps of the history.", None),
    "dimension": ("Dimension whose values the hierarchy arranges.", "book"),
    "root": ("Node above all others.", "BANK"),
    # pages
    "data": ("The items.", None),
    "limit": ("Maximum number of items on a page.", 50),
    "has_more": ("Whether more items follow this page.", False),
    "if-none-match": ("`ETag` of the response that you have; the status is 304 if it is still current.", '"3f2a9c0d1e4b5a67"'),
}
"""Description, and an example if one is helpful."""


def meaning(name: str) -> tuple[str, Any] | None:
    """Description and example of a name; None if the name is not in the glossary."""
    for measure, definition in MEASURES.items():
        if measure == name:
            return f"{definition.title}: {definition.unit}; {definition.sign}.", definition.example
    return FIELDS.get(name)


def describe_fields(schema: dict[str, Any]) -> None:
    """Add description and example to every property without its own; for `json_schema_extra` of a model."""
    for name, field in schema.get("properties", {}).items():
        if (found := meaning(name)) is not None:
            is_own = "description" in field
            field.setdefault("description", found[0])
            if found[1] is not None and not is_own and "examples" not in field:
                field["examples"] = [found[1]]


def describe_parameters(document: dict[str, Any]) -> None:
    """Describe the parameters of an OpenAPI document. Only path parameters get examples: the docs page would send those of filters."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if (found := meaning(parameter["name"])) is not None:
                    parameter.setdefault("description", found[0])
                    if parameter["in"] == "path":
                        parameter["schema"].setdefault("examples", [found[1]])
