"""Generates the reference pages under `docs/` from the code that they describe: `python -m riskray.reference docs`.

A test compares the files with the output of this module, so that a page cannot drift from the code.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pricers.market.conventions import FX_CONVENTIONS, RATE_FUTURE_CONVENTIONS, SWAP_CONVENTIONS, LegConvention
from pricers.market.factors import FactorKind
from pricers.market.indices import STANDARD_INDICES, Index, IndexKind
from pricers.measures import MEASURES, Measure
from pricers.status import RowStatus
from riskray import errors
from riskray.config import Settings
from riskray.metrics import EXPORTED_PREFIX, METRICS
from riskray.portfolio.schema import products_markdown

_GENERATED = "<!-- Written by `make docs`; edit the source, not this page. -->"


def measures_page() -> str:
    """`docs/measures.md` from the measure dictionary."""
    lines = [
        "# Measures",
        "",
        _GENERATED,
        "",
        "Amounts are signed: we receive positive ones. Rates are decimals. Zero rates are continuously compounded on ACT/365F from the",
        "valuation date; 1 bp is 0.0001. The native currency is the position's own, the base currency the run's.",
        "Source: `pricers/measures.py`.",
        "",
        *_table(
            ("column", "title", "unit", "currency", "additive", "shape"),
            (
                (f"[`{m}`](#{m})", entry.title, entry.unit, entry.currency, "yes" if entry.additive else "no", entry.shape)
                for m, entry in MEASURES.items()
            ),
        ),
    ]
    for entry in MEASURES.values():
        lines += ["", f"## {entry.measure}", "", entry.definition, "", f"* Bump: {entry.bump}.", f"* Sign: {entry.sign}."]
    lines += ["", *_factors()]
    return "\n".join(lines) + "\n"


def _factors() -> list[str]:
    return [
        "## Sensitivities by factor",
        "",
        "Bucketed risk is a list by factor. A factor is a curve, a foreign currency or a price of the run;",
        "`GET /api/v1/results/{run_id}/factors` lists the run's factors by number, with kind, unit, bump and buckets.",
        "A sensitivity is the base-currency PV after the bump of one bucket less the PV before it.",
        "",
        "* `factor_nos` of a position: the numbers of its factors, increasing.",
        "* `sensitivities` of a position: one number for each bucket of each of these factors, one factor after another. For a factor",
        "  that is sparse: the count of its pairs, then each pair (bucket number from 0, value).",
        "",
        *_table(
            ("kind", "factor", "buckets", "requested by"),
            (
                (f"`{FactorKind.RATE}`", "a discount curve", "its pillars", f"`{Measure.KEY_RATE_DV01}`"),
                (f"`{FactorKind.SPREAD}`", "a spread curve", "its pillars", f"`{Measure.KEY_RATE_DV01}`"),
                (f"`{FactorKind.HAZARD}`", "a hazard curve", "its pillars", f"`{Measure.KEY_RATE_DV01}`"),
                (f"`{FactorKind.INFLATION}`", "an inflation curve", "its pillars", f"`{Measure.KEY_RATE_DV01}`"),
                (f"`{FactorKind.CURRENCY}`", "a foreign currency", "the currency itself", f"`{Measure.FX_DELTA}`"),
                (f"`{FactorKind.PRICE}`", "a price of a security or an index", "the price itself", f"`{Measure.KEY_RATE_DV01}`"),
            ),
        ),
        "",
        "Sums by book and product: `GET /api/v1/results/{run_id}/sensitivities`, and in SQL the view `sensitivity`.",
    ]


def failures_page() -> str:
    """`docs/errors.md`: why a row has no values, and the error codes of the API."""
    lines = [
        "# Errors",
        "",
        _GENERATED,
        "",
        "## Failed positions",
        "",
        "A position that cannot be priced has no result row. It has a row in `position_failure` with one of these codes; other positions",
        "are not affected. Totals exclude failed positions and state their number. Source: `pricers/status.py`.",
        "",
        *_table(("code", "what", "remedy"), ((f"`{s.name}`", s.message, s.remedy) for s in RowStatus if s is not RowStatus.OK)),
        "",
        "## Error codes",
        "",
        "These are the values of `error` in every error body, and in the errors that commands print with `--json`. Source:",
        "`riskray/errors.py`.",
        "",
        *_table(("code", "meaning"), ((f"`{cls.code}`", _first_line(cls)) for cls in _error_classes(errors.RiskrayError))),
        "",
        "The services also return `bad_request`, `forbidden`, `method_not_allowed`, `not_acceptable`, `payload_too_large` or `unavailable`",
        "for a request that they do not accept or cannot serve at the moment, and `internal_error` for a defect of their own. The client",
        "adds `unreachable`, `truncated_download` and `run_timeout` for failures between it and the services.",
    ]
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    """`docs/metrics.md` from the list of metrics."""
    lines = [
        "# Metrics",
        "",
        _GENERATED,
        "",
        f"Every Ray node exports these metrics for Prometheus, with the prefix `{EXPORTED_PREFIX}`. Tags have few values by design: no tag",
        "names a run, position or request. Dashboards and alerts: [operations.md](operations.md). Source: `riskray/metrics.py`.",
        "",
        *_table(
            ("metric", "kind", "tags", "meaning"),
            ((f"`{m.exported_name}`", m.kind.value, ", ".join(f"`{tag}`" for tag in m.tags), m.meaning) for m in METRICS),
        ),
    ]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """`docs/settings.md` from the settings class."""
    lines = [
        "# Settings",
        "",
        _GENERATED,
        "",
        "`riskray/config.py` alone reads these variables from the environment.",
        "",
        *_table(
            ("variable", "default", "meaning"),
            (
                (f"`RISKRAY_{name.upper()}`", _default(name, field.default), field.description or "")
                for name, field in Settings.model_fields.items()
            ),
        ),
    ]
    return "\n".join(lines) + "\n"


def conventions_page() -> str:
    """`docs/conventions.md`: quoted instruments, and the conventions that they name."""
    lines = [
        "# Curves from quotes",
        "",
        _GENERATED,
        "",
        "A market document may give `quotes` of instruments instead of zero rates. A curve lists its `instruments`, one pillar each,",
        "on the last day on which the instrument depends on the curve. Curves are solved in the order in which they read each other;",
        "those of one `solve_group` together. `riskray market build quotes.json` shows how well each quote is met. What is stored has",
        "the points too.",
        "",
        "A curve forecasts its `index` (default: the indices whose `forecast_curve` it is) and discounts flows of its `currency` under",
        "collateral in `collateral_currency` (default: its own currency for the curve of an overnight index). `depends_on` chooses",
        "between curves that do one thing. `interpolation` is LOG_LINEAR_DISCOUNT, LINEAR_ZERO or MONOTONE_CUBIC, a spline of the",
        "logarithm of the discount factor that is sampled by day to 2 years, by week to 10 years and by 30 days beyond; its risk is",
        "best read by quote.",
        "",
        *_table(
            ("instrument", "value", "names", "tenor"),
            (
                ("`DEPOSIT`", "simple rate, decimal", "`index`", "ON, TN, or from spot (default: the index's); or two dates"),
                ("`FRA`", "forward rate, decimal", "`index`", "3X9: months to its start and end"),
                ("`RATE_FUTURE`", "100 less the rate in per cent; `convexity_adjustment` decimal", "`convention`", "month: DEC26"),
                ("`OIS`, `IRS`", "fixed rate, decimal", "`convention`", "from spot: 5Y; or two dates"),
                ("`TENOR_BASIS`", "spread on the first leg, decimal", "`convention`", "from spot, or two dates"),
                ("`FX_SWAP`", "far less near rate, in the unit of the rate", "`convention` (the pair)", "ON, TN, SN, or from spot"),
                ("`XCCY_BASIS`", "spread on the first leg, decimal", "`convention`", "from spot, or two dates"),
                ("`CDS`", "premium, decimal", "nothing", "to the standard maturity: 5Y"),
            ),
        ),
        "",
        "A curve of `credit_curves` lists quotes of CDS, its `discount_curve` (LOG_LINEAR_DISCOUNT), `currency` and `recovery_rate`; the",
        "swaps are contracts of CREDIT_DEFAULT_SWAP that are traded on the valuation date.",
        "",
        "Scenario sets move quotes by `quote/<quote>`; stress definitions by shocks of type `quote`, or by a `quote_ladder`, which has one",
        "scenario of a basis point for each quote: par DV01. Curves are built again; a credit curve follows its own quotes alone.",
        "",
        "## Conventions of swaps",
        "",
        "The quote is on the first leg. Source: `pricers/market/conventions.json`.",
        "",
        *_table(
            ("convention", "spot lag", "first leg", "second leg"),
            (
                (f"`{name}`", str(swap.spot_lag), _leg(swap.legs[0]), _leg(swap.legs[1]) + ", resets" * swap.is_resetting)
                for name, swap in SWAP_CONVENTIONS.items()
            ),
        ),
        "",
        "## Conventions of currency pairs",
        "",
        *_table(("pair", "spot lag", "calendar"), ((f"`{n}`", str(pair.spot_lag), pair.calendar) for n, pair in FX_CONVENTIONS.items())),
        "",
        "## Conventions of interest-rate futures",
        "",
        *_table(
            ("future", "index", "months between third Wednesdays"),
            ((f"`{name}`", f"`{future.index}`", str(future.months)) for name, future in RATE_FUTURE_CONVENTIONS.items()),
        ),
    ]
    return "\n".join(lines) + "\n"


def _leg(leg: LegConvention) -> str:
    paid = f", paid {leg.payment_lag} days later" if leg.payment_lag else ""
    return f"{leg.index or f'{leg.currency} fixed'}, {leg.frequency}, {leg.day_count}, {leg.calendar}{paid}"


_INDEX_SOURCES: dict[str, tuple[str, str]] = {
    "USD-SOFR": ("Federal Reserve Bank of New York", "Secured Overnight Financing Rate data"),
    "USD-FED-FUNDS": ("Federal Reserve Bank of New York", "Effective Federal Funds Rate"),
    "USD-TERM-SOFR": ("CME Group Benchmark Administration", "CME Term SOFR reference rates, benchmark methodology"),
    "EUR-ESTR": ("European Central Bank", "Euro short-term rate, methodology and policies"),
    "EUR-EURIBOR": ("European Money Markets Institute", "Benchmark determination methodology for EURIBOR"),
    "GBP-SONIA": ("Bank of England", "SONIA key features and policies"),
    "CHF-SARON": ("SIX", "Swiss reference rates, rulebook"),
    "JPY-TONA": ("Bank of Japan", "Uncollateralized overnight call rate"),
    "CAD-CORRA": ("Bank of Canada", "Methodology for calculating CORRA"),
    "AUD-AONIA": ("Reserve Bank of Australia", "Interbank overnight cash rate, methodology"),
    "US-CPI-U": ("Bureau of Labor Statistics", "CPI-U, U.S. city average, all items, not seasonally adjusted"),
    "EU-HICPXT": ("Eurostat", "HICP of the euro area, all items excluding tobacco"),
    "UK-RPI": ("Office for National Statistics", "RPI, all items"),
    "EUR-USD-ECB": ("European Central Bank", "Euro foreign exchange reference rates"),
    "EUR-GBP-ECB": ("European Central Bank", "Euro foreign exchange reference rates"),
    "EUR-CHF-ECB": ("European Central Bank", "Euro foreign exchange reference rates"),
    "EUR-JPY-ECB": ("European Central Bank", "Euro foreign exchange reference rates"),
    "GBP-USD-WMR": ("FTSE Russell (LSEG)", "WMR FX benchmarks, methodology"),
    "USD-JPY-WMR": ("FTSE Russell (LSEG)", "WMR FX benchmarks, methodology"),
    "USD-BRL-PTAX": ("Banco Central do Brasil", "ISDA 1998 FX and Currency Option Definitions, Annex A, BRL PTAX"),
    "USD-CNY-CFETS": ("China Foreign Exchange Trade System", "ISDA 1998 FX and Currency Option Definitions, Annex A, CNY SAEC"),
    "USD-INR-FBIL": ("Financial Benchmarks India", "FBIL reference rate of the rupee, methodology"),
    "USD-KRW-KFTC18": (
        "Korea Financial Telecommunications and Clearings",
        "ISDA 1998 FX and Currency Option Definitions, Annex A, KRW KFTC18",
    ),
}
"""Administrator and publication of each standard index, by its name or the start of it."""


def indices_page() -> str:
    """`docs/indices.md` from the standard indices."""
    lines = [
        "# Indices",
        "",
        _GENERATED,
        "",
        "Contracts name an index and take its conventions. Every market knows these indices; a market document defines others under",
        "`indices`, or changes these: what it does not give stays as it is here. `riskray market indices --market NAME` lists the indices",
        "of a market with its last fixings. Source: `pricers/market/indices.json`.",
        "",
        "A fixing is visible to markets from its publication: the fixing date (of a price index, the end of its month) and the lag in",
        "calendar days, unless the fixing table gives `published_at`.",
    ]
    for kind, title, columns in _INDEX_TABLES:
        of_kind = [index for index in STANDARD_INDICES.values() if index.kind is kind]
        rows = [
            (f"`{index.name}`", *(_index_cell(index, field) for field in columns.values()), *_index_source(index.name)) for index in of_kind
        ]
        lines += ["", f"## {title}", "", *_table(("index", *columns, "administrator", "publication"), rows)]
    return "\n".join(lines) + "\n"


_INDEX_TABLES: tuple[tuple[IndexKind, str, dict[str, str]], ...] = (
    (IndexKind.OVERNIGHT, "Overnight rates", {"currency": "currency", "day count": "day_count", "fixing calendar": "fixing_calendar",
                                              "publication lag": "publication_lag_days", "forecast curve": "forecast_curve"}),
    (IndexKind.TERM, "Term rates", {"currency": "currency", "tenor": "tenor", "day count": "day_count", "fixing lag": "fixing_lag",
                                    "fixing calendar": "fixing_calendar", "convention": "convention", "end of month": "end_of_month",
                                    "forecast curve": "forecast_curve"}),
    (IndexKind.INFLATION, "Price indices", {"currency": "currency", "publication lag": "publication_lag_days",
                                            "observation lag in months": "observation_lag_months", "within a month": "interpolation"}),
    (IndexKind.FX, "Exchange rates", {"bought": "currency", "paid": "quote_currency", "fixing lag": "fixing_lag",
                                      "fixing calendar": "fixing_calendar", "value calendar": "value_calendar"}),
)  # fmt: skip
"""Kind, title, and the columns of its table: heading -> field of the index."""


def _index_cell(index: Index, field: str) -> str:
    value = getattr(index, field)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _index_source(name: str) -> tuple[str, str]:
    return next(source for start, source in _INDEX_SOURCES.items() if name == start or name.startswith(f"{start}-"))


def _default(name: str, value: object) -> str:
    if name == "data_directory":
        return "`~/.local/share/riskray`"
    return "" if value is None else f"`{value}`"


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").split("\n")[0]


def _error_classes(cls: type[errors.RiskrayError]) -> Iterator[type[errors.RiskrayError]]:
    yield cls
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:  # subclasses in other modules are not part of the page
            yield from _error_classes(child)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [header, tuple("---" for _ in header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


PAGES: dict[str, Callable[[], str]] = {
    "errors.md": failures_page,
    "indices.md": indices_page,
    "conventions.md": conventions_page,
    "measures.md": measures_page,
    "metrics.md": metrics_page,
    "products.md": products_markdown,
    "settings.md": settings_page,
}


def main(directory: Path) -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (directory / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
