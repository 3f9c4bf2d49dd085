"""What fields and parameters of the API mean: a name that means the same everywhere is described once, here.

A field or parameter with a description of its own keeps it; measures are described by the measure dictionary.
"""

from typing import Any

from pricers.measures import MEASURES

FIELDS: dict[str, tuple[str, Any]] = {
    # what things are called
    "run_id": ("Id of the run.", "run-01972f3e5a7c7d10b7c3a1d2e3f40516"),
    "other_run_id": ("Id of the later run.", "run-01972f3e5a7c7d10b7c3a1d2e3f40517"),
    "run_id_before": ("Id of the earlier run.", "run-01972f3e5a7c7d10b7c3a1d2e3f40516"),
    "run_id_after": ("Id of the later run.", "run-01972f3e5a7c7d10b7c3a1d2e3f40517"),
    "run_id_t0": ("Id of the earlier run.", "run-01972f3e5a7c7d10b7c3a1d2e3f40516"),
    "run_id_t1": ("Id of the later run.", "run-01972f3e5a7c7d10b7c3a1d2e3f40517"),
    "market": ("Market id, or a name for its last upload.", "demo"),
    "market_id": ("Id of the market.", "mkt-90b1c2d3e4f5a6b7"),
    "portfolio": ("Portfolio id, or a name for its last upload.", "demo"),
    "portfolio_id": ("Id of the portfolio.", "pf-3f2a9c0d1e4b5a67"),
    "scenario_set": ("Scenario set id, or a name for its last upload.", "standard stress"),
    "scenario_set_id": ("Id of the scenario set.", "scen-5b0c7c1de2a9f344"),
    "history": ("Market history id, or a name for its last upload.", "demo-history"),
    "hierarchy": ("Hierarchy id, or a name for its last upload.", "legal entities"),
    "name": ("Name, by which people find it.", "demo"),
    "version": ("Counts the uploads under this name, from 1.", 1),
    "content_hash": ("SHA-256 of the canonical content, in hex.", "90b1c2d3e4f5a6b7" * 4),
    "created_at": ("When it was stored, UTC; of a snapshot, when this version of the name was uploaded.", "2024-03-28T17:30:00Z"),
    # a position
    "position_id": ("Id of the position, unique within its portfolio.", "P-000001"),
    "position_no": ("Number of the position within its portfolio, from 0; the order of pages and downloads.", 0),
    "product": ("Product of the position, or products to keep where it filters; may be repeated.", "FIXED_BOND"),
    "book": ("Book of the position, or books to keep where it filters; may be repeated.", "BOOK-07"),
    "counterparty": ("Other party, or the issuer of a security; parties to keep where it filters; may be repeated.", "CP-001"),
    "currency": ("Native currency, or currencies to keep where it filters; may be repeated.", "EUR"),
    "notional": ("Signed notional in native currency; positive is an asset.", 1_000_000.0),
    "position_count": ("How many positions.", 10_000),
    "ok_count": ("Priced positions.", 9_950),
    "failed_count": ("Positions without value; in no sum.", 50),
    "cancelled_count": ("Positions left undone by a cancellation.", 0),
    "dropped_position_count": ("Positions that are in no vector: failed, or failed in a scenario.", 50),
    "books": ("Books to keep; all where none is named.", ["BOOK-07"]),
    "products": ("Products to keep; all where none is named.", ["FIXED_BOND"]),
    "currencies": ("Currencies, or patterns of them; for a filter all where none is named.", ["EUR"]),
    "counterparties": ("Counterparties to keep; all where none is named.", ["CP-001"]),
    # a run
    "state": ("How far the run is; SUCCEEDED, PARTIAL, FAILED and CANCELLED are final.", "PARTIAL"),
    "executor": ("Who drives the run: the warm pool, or a process of `riskray run execute`.", "pool"),
    "as_of": ("Valuation date.", "2024-03-28"),
    "as_of_t0": ("Valuation date of the earlier run.", "2024-03-28"),
    "as_of_t1": ("Valuation date of the later run.", "2024-03-29"),
    "base_currency": ("Currency of base-currency measures, ISO 4217.", "USD"),
    "measures": ("Measures computed; the others are null.", ["pv", "pv_base", "dv01"]),
    "measure": ("The measure compared.", "pv_base"),
    "progress": ("Counts of positions and shards done so far.", None),
    "preflight": ("What the market lacks for the portfolio, found before the run.", None),
    "started_at": ("When a coordinator first took the run, UTC; null before.", "2024-03-28T17:30:01Z"),
    "finished_at": ("When the run became final, UTC; null before.", "2024-03-28T17:30:04Z"),
    "cancel_requested_at": ("When its cancellation was asked for, UTC; null where nobody did.", None),
    "lease_until": ("Until when the coordinator that took the run holds it, UTC, renewed while it works; null before and after.", None),
    "driven_since": ("When the claim that holds the run now began, UTC; null where no coordinator or job drives it.", None),
    "error_code": ("Why the run FAILED; null otherwise.", None),
    "error_detail": ("The failure in words; null otherwise.", None),
    "shard_count": ("Shards the run is cut into.", 4),
    "shards_done": ("Shards committed.", 4),
    "gaps": ("Each thing that is missing, the largest first.", None),
    # why a position has no value
    "code": ("Stable code of the reason; `docs/errors.md` lists them.", "MISSING_CURVE"),
    "message": ("What is wrong.", "the market has no discount curve of this name: EUR-X"),
    "remedy": ("What to do about it.", "add the curve to the market snapshot or correct the position's curve name"),
    "example_position_id": ("One of the positions.", "P-000017"),
    "failures": ("Positions without value, with the reason.", None),
    # sums and ladders
    "group": ("Values of the dimensions grouped by; empty for one sum.", {"book": "BOOK-07"}),
    "groups": ("One entry a group.", None),
    "curve": ("Name of the discount curve.", "EUR-GOVT-AAA"),
    "pillar": ("Label of the curve's point: a tenor or a date.", "10Y"),
    "pillar_days": ("Days from the valuation date to the pillar.", 3652),
    "values": ("The measures asked for by name; null where one does not apply to the product.", {"pv": 1_024_530.25, "dv01": -640.5}),
    "results": ("Positions with a value.", None),
    # one value, flow by flow
    "flows": ("Cash flows in order of payment.", None),
    "pay_date": ("Day of payment.", "2031-03-15"),
    "leg": ("Leg of the contract, from 0.", 0),
    "interest": ("Interest paid, in the leg's currency; positive is received.", 30_000.0),
    "principal": ("Principal paid, in the leg's currency; positive is received.", 0.0),
    "amount": ("Interest and principal, in the leg's currency.", 30_000.0),
    "discount_factor": ("Value today of 1 paid then, on the leg's discount curve.", 0.8421),
    "spread_factor": ("Further factor for the credit spread; 1 without.", 0.9913),
    # two runs side by side
    "kind": ("Kind, one of the values listed.", None),
    "kinds": ("One entry a kind of difference.", None),
    "before": ("In the earlier run; null, or 0 in a sum, where it has none.", 1_000_000.0),
    "after": ("In the later run; null, or 0 in a sum, where it has none.", 1_002_500.0),
    "difference": ("After less before.", 2_500.0),
    "absolute_tolerance": ("Differences up to this are none.", 0.0),
    "relative_tolerance": ("And this times the larger of the two values.", 0.0),
    "pv_t0": ("Value in the earlier run, base currency.", 1_000_000.0),
    "pv_t1": ("Value in the later run, base currency.", 1_002_500.0),
    "cash_received": ("Paid to us, or gone ex-coupon, after the earlier date up to the later one, base currency.", 0.0),
    "pnl": ("Later value and cash received less earlier value: the sum of carry to residual.", 2_500.0),
    "carry": ("Time passes, curves stay; cash paid meanwhile included.", 150.0),
    "rates": ("From the moves of discount curves.", 2_100.0),
    "credit": ("From the moves of spread curves.", 50.0),
    "fx": ("From the moves of exchange rates.", 200.0),
    "new": ("Value of what only the later run has.", 0.0),
    "dead": ("Minus the value of what only the earlier run had.", 0.0),
    "residual": ("What no other part explains.", 0.0),
    "total": ("All positions.", None),
    # tail risk and stress
    "base_pv": ("Value today, base currency.", 1_024_530.25),
    "confidence": ("Confidence level between 0 and 1: 0.99 is 99 %; may be repeated where it asks.", 0.99),
    "confidences": ("Confidence levels between 0 and 1.", [0.95, 0.99]),
    "method": ("From scenario vectors, or normal from sensitivities.", "full_revaluation"),
    "convention": ("How VaR is read off the ordered losses.", "higher"),
    "allocation": ("How VaR is shared among its components.", "tail_average"),
    "tail_scenario_count": ("How many of the worst scenarios to name.", 10),
    "filters": ("Positions to keep.", None),
    "figures": ("VaR and ES, one entry a confidence.", None),
    "contributions": ("What each part of the node adds, one entry a part and confidence.", None),
    "var": ("Value at risk, base currency; positive is a loss.", 35_210.0),
    "expected_shortfall": ("Mean loss beyond VaR, base currency; positive is a loss.", 41_870.0),
    "component_var": ("The part's share of the node's VaR; shares add up to it.", 12_400.0),
    "component_expected_shortfall": ("The part's share of the node's ES; shares add up to it.", 14_900.0),
    "incremental_expected_shortfall": ("ES of the node less ES of the node without the part.", 9_800.0),
    "scenario": ("Name of the scenario.", "parallel +100"),
    "scenarios": ("The scenarios, in order.", None),
    "scenario_count": ("How many scenarios.", 500),
    "dropped_scenario_count": ("Scenarios that count in no figure, under drop_scenario.", 0),
    "nodes": ("One entry a part of the node.", None),
    # scenario sets, histories and hierarchies
    "definition": ("How the scenarios are made.", None),
    "factor_count": ("How many factors of the market move.", 60),
    "factors": ("Names of the factors: curves' pillars, currencies, credit.", ["zero/EUR-GOVT-AAA/10Y"]),
    "type": ("Kind of the shock.", None),
    "shift": ("Size of the move.", None),
    "short": ("Move up to the short tenor.", None),
    "long": ("Move from the long tenor on.", None),
    "size": ("Size of the turn.", None),
    "short_tenor": ("Where the short end begins.", "2Y"),
    "long_tenor": ("Where the long end begins.", "10Y"),
    "pivot_tenor": ("Tenor that stays still.", "5Y"),
    "shifts": ("Moves by pillar.", None),
    "bp": ("Basis points.", 50.0),
    "shocks": ("Added up to the scenario.", None),
    "of": ("Names of the scenarios that it adds up.", ["parallel +100", "EUR -10 %"]),
    "combinations": ("Scenarios that add up others of the set.", None),
    "seed": ("Of the random numbers; the same seed gives the same scenarios.", 1),
    "count": ("How many scenarios to draw.", 1_000),
    "distribution": ("Of the random moves.", "normal"),
    "volatility": ("How volatilities are estimated: equal weights, or exponentially falling ones.", "sample"),
    "description": ("Anything worth saying.", ""),
    "first_date": ("First date of the history.", "2019-01-02"),
    "last_date": ("Last date of the history.", "2024-03-28"),
    "row_count": ("How many dates.", 1_340),
    "longest_gap_ends": ("The later of these two dates.", "2024-01-02"),
    "summary": ("What it holds and lacks.", None),
    "dimension": ("What the hierarchy is over.", "book"),
    "root": ("Node that everything lies below.", "BANK"),
    # pages
    "data": ("The items.", None),
    "limit": ("Most items on a page.", 50),
    "has_more": ("Whether items follow.", False),
    "if-none-match": ("`ETag` of the answer that you have; 304 where it still holds.", '"3f2a9c0d1e4b5a67"'),
}
"""Description, and an example where there is a telling one."""

# Of one bond of a million; they fit together.
_MEASURE_EXAMPLES: dict[str, float] = {
    "pv": 1_024_530.25, "pv_base": 1_107_619.65, "clean_price": 102.34, "dirty_price": 102.45, "accrued_interest": 0.11,
    "yield_to_maturity": 0.0263, "macaulay_duration": 6.43, "modified_duration": 6.27, "convexity": 46.1, "z_spread": 0.0021,
    "weighted_average_life": 6.96, "dv01": -694.2, "cs01": -694.2, "fx_delta": 11_076.2, "theta_1d": 79.8,
}  # fmt: skip


def meaning(name: str) -> tuple[str, Any] | None:
    """Description and example of a name, None for one that the glossary does not know."""
    for measure, definition in MEASURES.items():
        if measure == name:
            return f"{definition.title}: {definition.unit}; {definition.sign}.", _MEASURE_EXAMPLES.get(name)
    return FIELDS.get(name)


def describe_fields(schema: dict[str, Any]) -> None:
    """For `json_schema_extra` of a model: description and example for every property that has none of its own."""
    for name, field in schema.get("properties", {}).items():
        if (found := meaning(name)) is not None:
            is_own = "description" in field
            field.setdefault("description", found[0])
            if found[1] is not None and not is_own and "examples" not in field:
                field["examples"] = [found[1]]


def describe_parameters(document: dict[str, Any]) -> None:
    """Describe the parameters of an OpenAPI document. Examples in paths only: the docs page would send those of filters."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if (found := meaning(parameter["name"])) is not None:
                    parameter.setdefault("description", found[0])
                    if parameter["in"] == "path":
                        parameter["schema"].setdefault("examples", [found[1]])
