"""Contracts and a market as input files of the Open Source Risk Engine, and the same contracts as rows of riskray's products.

Bonds, forwards and both legs of swaps are written so that every date, day count and curve agrees; pillars are whole tenors after the
valuation date, because ORE's scenarios move its curves at tenors. ORE interpolates logarithms of discount factors linearly.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import numpy as np

from pricers import Curve, CurveKind, Market
from pricers.market.fixings import Fixings, FixingSeries
from pricers.market.indices import STANDARD_INDICES
from tests.oracles import quantlib_terms as terms

AS_OF: Final = np.datetime64("2026-03-16", "D")
DAY: Final = int(AS_OF.astype(np.int64))
TENORS: Final = {
    "1M": 1,
    "3M": 3,
    "6M": 6,
    "1Y": 12,
    "2Y": 24,
    "3Y": 36,
    "5Y": 60,
    "7Y": 84,
    "10Y": 120,
    "15Y": 180,
    "20Y": 240,
    "30Y": 360,
}
BASE: Final = "EUR"
FX: Final = 0.92
"""Euros for a dollar."""
CURVES: Final = {
    "EUR-ESTR": "EUR", "EUR-EURIBOR-6M": "EUR", "EUR-GOVT": "EUR", "USD-SOFR": "USD", "USD-IN-EUR": "USD", "USD-GOVT": "USD",
}  # fmt: skip
_DISCOUNT: Final = {"EUR": "EUR-ESTR", "USD": "USD-IN-EUR"}
_INDICES: Final = {"EUR-EURIBOR-6M": "EUR-EURIBOR-6M", "EUR-ESTER": "EUR-ESTR", "USD-SOFR": "USD-SOFR"}
"""ORE's name of each index, and riskray's name of the index and of its curve."""
_BOND_CURVES: Final = ("EUR-GOVT", "USD-GOVT")
_FIXING_DAYS: Final = 400
_CALENDAR: Final = {"TARGET": "TARGET", "US_GOVT": "US-GOV", "TARGET+US_SOFR": "TARGET,US-SOFR"}
_DAY_COUNT: Final = {"30E/360": "30E/360", "ACT/360": "A360"}
_TENOR: Final = {"ANNUAL": "1Y", "SEMIANNUAL": "6M", "QUARTERLY": "3M"}
_CONVENTION: Final = {"FOLLOWING": "F", "MODIFIED_FOLLOWING": "MF", "UNADJUSTED": "U"}
Row = dict[str, Any]


def random_market(rng: np.random.Generator) -> Market:
    """Curves of twelve pillars, and fixings of the last year."""
    months = AS_OF.astype("datetime64[M]") + np.array(list(TENORS.values()))
    days = (months.astype("datetime64[D]") + int((AS_OF - AS_OF.astype("datetime64[M]")).astype(int)) - AS_OF).astype(np.int32)
    curves = []
    for name, currency in CURVES.items():
        rates = rng.uniform(0.02, 0.035) + np.cumsum(rng.normal(0.0005, 0.0005, days.size))
        curves.append(Curve(name, CurveKind.RATE, currency, "LOG_LINEAR_DISCOUNT", tuple(TENORS), days, rates))
    series = {}
    for name in _INDICES.values():
        calendar = terms.CALENDARS[STANDARD_INDICES[name].fixing_calendar]
        open_days = [day for day in range(DAY - _FIXING_DAYS, DAY) if calendar.isBusinessDay(terms.date_of(day))]
        series[name] = FixingSeries(np.array(open_days, np.int32), np.round(0.025 + np.cumsum(rng.normal(0.0, 1e-4, len(open_days))), 6))
    return Market(DAY, BASE, tuple(curves), {"USD": FX}, Fixings(series, STANDARD_INDICES))


# ------------------------------------------------------------------------------------------------------------------------ contracts


def _life(rng: np.random.Generator, tenors: tuple[int, ...]) -> tuple[int, int]:
    """First day and maturity: a business day of the last months, and the same day of the month some years later."""
    start = np.busday_offset(AS_OF - int(rng.integers(1, 300)), 0, roll="backward")
    month = start.astype("datetime64[M]")
    day = min(int((start - month).astype(int)), 27)
    maturity = (month + 12 * int(rng.choice(tenors))).astype("datetime64[D]") + day
    return int(start.astype(int)), int(maturity.astype(int))


def _schedule(calendar: str, frequency: str, day_count: str, convention: str = "MODIFIED_FOLLOWING") -> Row:
    return {
        "frequency": frequency, "day_count": day_count, "roll_rule": "BACKWARD", "end_of_month": False, "calendar": calendar,
        "accrual_convention": convention, "payment_convention": "FOLLOWING", "payment_lag": 0,
    }  # fmt: skip


def random_bond(rng: np.random.Generator) -> Row:
    currency = str(rng.choice(["EUR", "USD"]))
    start, maturity = _life(rng, (2, 5, 10, 20))
    calendar, frequency = ("TARGET", "ANNUAL") if currency == "EUR" else ("US_GOVT", "SEMIANNUAL")
    return {
        "currency": currency, "notional": float(rng.integers(10, 1000) * 10_000), "coupon_rate": round(float(rng.uniform(0.01, 0.05)), 5),
        "issue_date": start, "maturity_date": maturity, "discount_curve": f"{currency}-GOVT", "settlement_lag": 2,
        "coupon_amount": "BY_DAY_COUNT", **_schedule(calendar, frequency, "30E/360", "UNADJUSTED"),
    }  # fmt: skip


def random_swap(rng: np.random.Generator) -> Row:
    start, maturity = _life(rng, (2, 5, 10, 20))
    legs = {
        "receive_leg_": {"rate": round(float(rng.uniform(0.02, 0.04)), 5), **_schedule("TARGET", "ANNUAL", "30E/360")},
        "pay_leg_": {"index": "EUR-EURIBOR-6M", **_schedule("TARGET", "SEMIANNUAL", "ACT/360")},
    }
    return {
        "currency": "EUR", "notional": float(rng.choice([-1, 1]) * rng.integers(10, 1000) * 100_000), "start_date": start,
        "maturity_date": maturity, "discount_curve": "EUR-ESTR", **_prefixed(legs),
    }  # fmt: skip


def random_cross_currency_swap(rng: np.random.Generator) -> Row:
    start, maturity = _life(rng, (2, 5, 10))
    notional = float(rng.integers(10, 1000) * 100_000)
    leg = _schedule("TARGET+US_SOFR", "QUARTERLY", "ACT/360")
    legs = {
        "receive_leg_": {"index": "EUR-ESTR", "spread": round(float(rng.uniform(-0.003, 0.0)), 5), "currency": "EUR", **leg},
        "pay_leg_": {"index": "USD-SOFR", "currency": "USD", "notional": notional / FX, **leg},
    }
    return {
        "notional": notional, "start_date": start, "maturity_date": maturity, "resetting_leg": "NONE",
        "receive_leg_discount_curve": "EUR-ESTR", "pay_leg_discount_curve": "USD-IN-EUR", **_prefixed(legs),
    }  # fmt: skip


def random_forward(rng: np.random.Generator) -> Row:
    return {
        "base_currency": "EUR", "quote_currency": "USD", "notional": float(rng.choice([-1, 1]) * rng.integers(10, 1000) * 10_000),
        "contract_rate": round(float(rng.uniform(1.05, 1.15)), 5), "delivery_date": DAY + int(rng.integers(10, 1_500)),
        "base_discount_curve": "EUR-ESTR", "quote_discount_curve": "USD-IN-EUR",
    }  # fmt: skip


def _prefixed(legs: Mapping[str, Row]) -> Row:
    return {prefix + name: value for prefix, leg in legs.items() for name, value in leg.items()}


# ------------------------------------------------------------------------------------------------------------------------ trades


def _tag(element: str, content: Any, /, **attributes: str) -> str:
    given = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{element}{given}>{content}</{element}>"


def _tags(**contents: Any) -> str:
    return "".join(_tag(name, content) for name, content in contents.items())


def _date(day: int) -> str:
    return str(np.datetime64(day, "D"))


def _leg(leg: Row, *, start: int, end: int, currency: str, notional: float, pays: bool, exchanges: bool = False) -> str:
    rules = _tags(
        StartDate=_date(start), EndDate=_date(end), Tenor=_TENOR[leg["frequency"]], Calendar=_CALENDAR[leg["calendar"]],
        Convention=_CONVENTION[leg["accrual_convention"]], TermConvention=_CONVENTION[leg["accrual_convention"]], Rule="Backward",
    )  # fmt: skip
    exchanged = _tag("Exchanges", _tags(NotionalInitialExchange="true", NotionalFinalExchange="true")) if exchanges else ""
    if "rate" in leg:
        kind, of_kind = "Fixed", _tag("FixedLegData", _tag("Rates", _tag("Rate", leg["rate"])))
    else:
        index = next(theirs for theirs, ours in _INDICES.items() if ours == leg["index"])
        data = _tag("Index", index) + _tag("Spreads", _tag("Spread", leg.get("spread", 0.0)))
        kind, of_kind = "Floating", _tag("FloatingLegData", data + _tag("FixingDays", STANDARD_INDICES[leg["index"]].fixing_lag))
    return _tag(
        "LegData",
        _tags(LegType=kind, Payer=str(pays).lower(), Currency=currency, Notionals=_tag("Notional", f"{notional!r}") + exchanged,
              DayCounter=_DAY_COUNT[leg["day_count"]], PaymentConvention=_CONVENTION[leg["payment_convention"]])
        + of_kind + _tag("ScheduleData", _tag("Rules", rules)),
    )  # fmt: skip


def _bond(row: Row) -> tuple[str, str]:
    leg = {**row, "rate": row["coupon_rate"]}
    data = _tags(
        IssuerId="ISSUER", SecurityId="SECURITY", ReferenceCurveId=row["discount_curve"], SettlementDays=row["settlement_lag"],
        Calendar=_CALENDAR[row["calendar"]], IssueDate=_date(row["issue_date"]),
    )  # fmt: skip
    bounds = {"start": row["issue_date"], "end": row["maturity_date"], "currency": row["currency"], "notional": row["notional"]}
    return "Bond", _tag("BondData", data + _leg(leg, **bounds, pays=False))


def _swap(row: Row) -> tuple[str, str]:
    legs = []
    is_cross = "receive_leg_currency" in row
    for prefix, pays in (("receive_leg_", row["notional"] < 0.0), ("pay_leg_", row["notional"] > 0.0)):
        leg = {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
        legs.append(
            _leg(leg, start=row["start_date"], end=row["maturity_date"], currency=leg.get("currency") or row["currency"],
                 notional=leg.get("notional", abs(row["notional"])), pays=pays, exchanges=is_cross)
        )  # fmt: skip
    return "Swap", _tag("SwapData", "".join(legs))


def _forward(row: Row) -> tuple[str, str]:
    base, quote = (row["base_currency"], abs(row["notional"])), (row["quote_currency"], abs(row["notional"]) * row["contract_rate"])
    bought, sold = (base, quote) if row["notional"] > 0.0 else (quote, base)
    return "FxForward", _tag(
        "FxForwardData",
        _tags(ValueDate=_date(row["delivery_date"]), BoughtCurrency=bought[0], BoughtAmount=f"{bought[1]!r}", SoldCurrency=sold[0],
              SoldAmount=f"{sold[1]!r}", Settlement="Cash"),
    )  # fmt: skip


@dataclass(frozen=True)
class PeerProduct:
    """How to draw contracts of a product, to write them for ORE, and which of ORE's curves move them."""

    draw: Callable[[np.random.Generator], Row]
    trade: Callable[[Row], tuple[str, str]]
    discount: tuple[str, ...] = ()
    index: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    has_fx: bool = True


PRODUCTS: Final = {
    "FIXED_BOND": PeerProduct(random_bond, _bond, named=_BOND_CURVES),
    "INTEREST_RATE_SWAP": PeerProduct(random_swap, _swap, discount=("EUR",), index=("EUR-EURIBOR-6M",), has_fx=False),
    "FX_FWD": PeerProduct(random_forward, _forward, discount=("EUR", "USD")),
    "CROSS_CURRENCY_SWAP": PeerProduct(random_cross_currency_swap, _swap, discount=("EUR", "USD"), index=("EUR-ESTER", "USD-SOFR")),
}


def portfolio(product: str, rows: list[Row]) -> str:
    """The trades of an ORE portfolio file."""
    trades = []
    for number, row in enumerate(rows):
        kind, data = PRODUCTS[product].trade(row)
        envelope = _tag("Envelope", _tags(CounterParty="CPTY", NettingSetId="CPTY", AdditionalFields=""))
        trades.append(_tag("Trade", _tag("TradeType", kind) + envelope + data, id=f"T{number:06d}"))
    return _tag("Portfolio", "\n".join(trades))


# ------------------------------------------------------------------------------------------------------------------------ market


def write_market(folder: Path, market: Market, *, product: str, scenarios: int, rng: np.random.Generator) -> None:
    """Every file but the portfolio and the list of analytics."""
    quotes = [f"{AS_OF} FX/RATE/USD/EUR {FX!r}"]
    configurations = []
    for curve in market.curves:
        names = [f"DISCOUNT/RATE/{curve.currency}/{curve.name}/{_date(DAY + int(day))}" for day in curve.pillar_days]
        factors = np.exp(-curve.zero_rates * curve.pillar_days / 365.0)
        quotes += [f"{AS_OF} {name} {factor!r}" for name, factor in zip(names, factors.tolist(), strict=True)]
        segment = _tags(Type="Discount", Quotes="".join(_tag("Quote", name) for name in names), Conventions="ZERO")
        configurations.append(_tag("YieldCurve", _tags(
            CurveId=curve.name, CurveDescription=curve.name, Currency=curve.currency, DiscountCurve="",
            Segments=_tag("Direct", segment), InterpolationVariable="Discount", InterpolationMethod="LogLinear",
            YieldCurveDayCounter="A365", Extrapolation="true",
        )))  # fmt: skip
    fixings = [
        f"{_date(day)} {theirs} {value!r}"
        for theirs, ours in _INDICES.items()
        for day, value in zip(market.fixings.series[ours].days.tolist(), market.fixings.series[ours].values.tolist(), strict=True)
    ]
    zero = _tag("Zero", _tags(Id="ZERO", TenorBased="false", DayCounter="A365", CompoundingFrequency="Annual", Compounding="Continuous"))
    spot = _tag("FX", _tags(  # ORE takes an exchange rate as one of the spot date; without a lag it is today's, as here
        Id="USD-EUR-FX", SpotDays=0, SourceCurrency="USD", TargetCurrency="EUR", PointsFactor=10000, AdvanceCalendar="TARGET,US-FED",
    ))  # fmt: skip
    files = {
        "market.txt": "\n".join(quotes),
        "fixings.txt": "\n".join(fixings),
        "curveconfig.xml": _tag("CurveConfiguration", _tag("YieldCurves", "".join(configurations))),
        "conventions.xml": _tag("Conventions", zero + spot),
        "todaysmarket.xml": _todays_market(market),
        "pricingengine.xml": _engines(),
        "simulation.xml": _simulation(),
        "sensitivity.xml": _sensitivity(PRODUCTS[product]),
        "delta.xml": _sensitivity(PRODUCTS[product], more=_tag("ComputeGamma", "false")),
        "scenarios.csv": _history(market, scenarios, rng),
    }
    for name, content in files.items():
        (folder / name).write_text(content)


def market_document(market: Market) -> dict[str, Any]:
    """The market as a document that riskray stores."""
    return {
        "name": "peers", "as_of": str(AS_OF), "rates_checked": False,
        "curves": [
            {"name": curve.name, "currency": curve.currency, "interpolation": curve.interpolation, "points": [
                {"date": _date(DAY + day), "value": rate}
                for day, rate in zip(curve.pillar_days.tolist(), curve.zero_rates.tolist(), strict=True)
            ]}
            for curve in market.curves
        ],
        "fx_spots": [{"pair": "USDEUR", "rate": FX, "spot_lag_days": 0}],
        "fixings": [
            {"index": name, "fixing_date": _date(day), "value": value}
            for name, series in market.fixings.series.items()
            for day, value in zip(series.days.tolist(), series.values.tolist(), strict=True)
        ],
    }  # fmt: skip


def _todays_market(market: Market) -> str:
    currency_of = {curve.name: curve.currency for curve in market.curves}

    def spec(name: str) -> str:
        return f"Yield/{currency_of[name]}/{name}"

    ids = ("YieldCurves", "DiscountingCurves", "IndexForwardingCurves", "FxSpots")
    configuration = _tag("Configuration", "".join(_tag(f"{name}Id", "default") for name in ids), id="default")
    named = "".join(_tag("YieldCurve", spec(name), name=name) for name in _BOND_CURVES)
    discounting = "".join(_tag("DiscountingCurve", spec(name), currency=currency) for currency, name in _DISCOUNT.items())
    forwarding = "".join(_tag("Index", spec(ours), name=theirs) for theirs, ours in _INDICES.items())
    spots = _tag("FxSpots", _tag("FxSpot", "FX/USD/EUR", pair="USDEUR"), id="default")
    return _tag(
        "TodaysMarket",
        configuration + _tag("YieldCurves", named, id="default") + _tag("DiscountingCurves", discounting, id="default")
        + _tag("IndexForwardingCurves", forwarding, id="default") + spots,
    )  # fmt: skip


def _engines() -> str:
    kinds = {"Swap": "DiscountingSwapEngine", "CrossCurrencySwap": "DiscountingCrossCurrencySwapEngine",
             "FxForward": "DiscountingFxForwardEngine", "Bond": "DiscountingRiskyBondEngine"}  # fmt: skip
    step = '<Parameter name="TimestepPeriod">6M</Parameter>'
    return _tag("PricingEngines", "".join(
        _tag("Product", _tags(Model="DiscountedCashflows", ModelParameters="", Engine=engine,
                              EngineParameters=step if kind == "Bond" else ""), type=kind)
        for kind, engine in kinds.items()
    ))  # fmt: skip


def _simulation() -> str:
    """ORE's market for bumps and scenarios: the pillars of today's curves."""
    configuration = _tag(
        "Configuration", _tags(Tenors=",".join(TENORS), Interpolation="LogLinear", Extrapolation="FlatFwd"), curve=""
    )  # fmt: skip
    market = (
        _tag("BaseCurrency", BASE) + _tag("Currencies", "".join(_tag("Currency", name) for name in _DISCOUNT))
        + _tag("YieldCurves", configuration) + _tag("Indices", "".join(_tag("Index", name) for name in _INDICES))
        + _tag("BenchmarkCurves", "".join(_tag("BenchmarkCurve", _tags(Currency=name[:3], Name=name)) for name in _BOND_CURVES))
        + _tag("FxRates", _tag("CurrencyPairs", _tag("CurrencyPair", "USDEUR")))
    )  # fmt: skip
    return _tag("Simulation", _tag("Market", market))


def _sensitivity(product: PeerProduct, *, more: str = "") -> str:
    """One basis point on every pillar of every curve that moves the product, and one percent on the exchange rate. ORE moves each up and
    down, for gammas, unless it is told not to."""
    shift = _tags(ShiftType="Absolute", ShiftSize=0.0001, ShiftScheme="Forward", ShiftTenors=",".join(TENORS))
    relative = _tags(ShiftType="Relative", ShiftSize=0.01, ShiftScheme="Forward")
    return _tag(
        "SensitivityAnalysis",
        _tag("DiscountCurves", "".join(_tag("DiscountCurve", shift, ccy=name) for name in product.discount))
        + _tag("IndexCurves", "".join(_tag("IndexCurve", shift, index=name) for name in product.index))
        + _tag("YieldCurves", "".join(_tag("YieldCurve", shift, name=name) for name in product.named))
        + _tag("FxSpots", _tag("FxSpot", relative, ccypair="USDEUR") if product.has_fx else "")
        + more,
    )  # fmt: skip


def _history(market: Market, scenarios: int, rng: np.random.Generator) -> str:
    """Curves and exchange rate of the last days, a random walk; one day more than there are scenarios."""
    keys = {f"DiscountCurve/{currency}": name for currency, name in _DISCOUNT.items()}
    keys |= {f"IndexCurve/{theirs}": ours for theirs, ours in _INDICES.items()} | {f"YieldCurve/{name}": name for name in _BOND_CURVES}
    columns = [f"{key}/{number}" for key in keys for number in range(len(TENORS))]
    days = np.busday_offset(AS_OF, np.arange(-scenarios, 1), roll="forward")
    blocks = {}
    for curve in market.curves:
        rates = curve.zero_rates + np.cumsum(rng.normal(0.0, 4e-4, (days.size, curve.zero_rates.size)), axis=0)
        blocks[curve.name] = np.exp(-rates * curve.pillar_days / 365.0)
    fx = FX * np.exp(np.cumsum(rng.normal(0.0, 0.004, days.size)))
    lines = [",".join(["Date", "Scenario", "Numeraire", *columns, "FXSpot/USDEUR/0"])]
    for place, day in enumerate(days):
        values = np.concatenate([*(blocks[name][place] for name in keys.values()), fx[place : place + 1]])
        lines.append(",".join([str(day), "1", "1", *(f"{value:.12f}" for value in values)]))
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------------------------------ analytics


def write_master(folder: Path, *, analytics: tuple[str, ...], scenarios: int) -> Path:
    """The file that names the inputs and what to compute: "npv", "sensitivity", "delta" (without gammas), "historicalSimulationVar"."""
    first = np.busday_offset(AS_OF, 1 - scenarios, roll="forward")  # of which the move is from the day before
    sensitivity = {
        "marketConfigFile": "simulation.xml", "pricingEnginesFile": "pricingengine.xml", "scenarioOutputFile": "scenario.csv",
        "sensitivityOutputFile": "sensitivity.csv", "outputSensitivityThreshold": "0.000001", "recalibrateModels": "N",
    }  # fmt: skip
    parameters: dict[str, dict[str, str]] = {
        "npv": {"baseCurrency": BASE, "outputFileName": "npv.csv"},
        "sensitivity": {**sensitivity, "sensitivityConfigFile": "sensitivity.xml"},
        "delta": {**sensitivity, "sensitivityConfigFile": "delta.xml"},
        "historicalSimulationVar": {
            "historicalScenarioFile": "scenarios.csv", "simulationConfigFile": "simulation.xml", "historicalPeriod": f"{first},{AS_OF}",
            "mporDays": "1", "mporCalendar": "WeekendsOnly", "mporOverlappingPeriods": "true", "quantiles": "0.01,0.99",
            "includeExpectedShortfall": "Y", "tradePnl": "N", "riskFactorBreakdown": "N", "riskClassBreakdown": "N",
            "outputFile": "var.csv",
        },
    }  # fmt: skip
    setup = {
        "asofDate": str(AS_OF), "inputPath": str(folder), "outputPath": str(folder / "output"), "logFile": "log.txt", "logMask": "3",
        "marketDataFile": "market.txt", "fixingDataFile": "fixings.txt", "implyTodaysFixings": "N", "curveConfigFile": "curveconfig.xml",
        "conventionsFile": "conventions.xml", "marketConfigFile": "todaysmarket.xml", "pricingEnginesFile": "pricingengine.xml",
        "portfolioFile": "portfolio.xml", "observationModel": "None", "baseCurrency": BASE, "nThreads": "1",
    }  # fmt: skip
    markets = dict.fromkeys(("lgmcalibration", "fxcalibration", "pricing", "simulation", "sensitivity"), "default")
    content = _tag("Setup", _parameters(setup)) + _tag("Markets", _parameters(markets))
    content += _tag("Analytics", "".join(
        _tag("Analytic", _parameters({"active": "Y", **given}), type="sensitivity" if name == "delta" else name)
        for name, given in parameters.items()
        if name in analytics
    ))  # fmt: skip
    path = folder / "ore.xml"
    path.write_text(_tag("ORE", content))
    return path


def _parameters(given: Mapping[str, str]) -> str:
    return "".join(_tag("Parameter", value, name=name) for name, value in given.items())
