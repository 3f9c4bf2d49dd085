"""Quotes that give no curves: the message names the quote or curve and says what mends it."""

import datetime
from dataclasses import replace

import pytest

from pricers.calibration.bootstrap import calibration_system
from pricers.calibration.quotes import CalibrationError, CurveRecipe, Instrument, Quote
from pricers.time.dates import to_day

AS_OF = to_day(datetime.date(2026, 11, 30))
TWO_YEARS = Quote("OIS.2Y", Instrument.OIS, 0.035, "USD-FIXED-1Y-SOFR-OIS", "2Y")
FIVE_YEARS = Quote("OIS.5Y", Instrument.OIS, 0.036, "USD-FIXED-1Y-SOFR-OIS", "5Y")
SOFR = CurveRecipe("USD-SOFR", "USD", ("OIS.2Y", "OIS.5Y"))
POINTS = Quote("FX.1Y", Instrument.FX_SWAP, 0.019, "EUR/USD", "1Y")
EUROS = CurveRecipe("EUR-IN-USD", "EUR", ("FX.1Y",), collateral_currency="USD")
TERM = Quote("3M.2Y", Instrument.IRS, 0.036, "USD-FIXED-1Y-TERM-SOFR-3M", "2Y")
TERM_CURVE = CurveRecipe("USD-TERM-SOFR-3M", "USD", ("3M.2Y",))


def problems_of(quotes, recipes, **terms):
    with pytest.raises(CalibrationError) as caught:
        calibration_system(quotes, recipes, as_of=AS_OF, **terms).solve()
    return caught.value.problems


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"convention": "USD-SOFR"}, "no_instrument", ["OIS.2Y", "no convention 'USD-SOFR'", "USD-FIXED-1Y-SOFR-OIS"]),
        ({"convention": "USD-FIXED-1Y-TERM-SOFR-3M"}, "no_instrument", ["OIS.2Y", "USD-TERM-SOFR-3M", "OIS needs one of OVERNIGHT"]),
        ({"convention": "EUR-ESTR-EURIBOR-3M"}, "no_instrument", ["OIS.2Y", "BASIS", "FIXED_FLOAT"]),
        ({"tenor": "2Q"}, "no_instrument", ["OIS.2Y", "'2Q' is not a tenor"]),
        ({"tenor": ""}, "no_instrument", ["OIS.2Y", "neither a tenor nor start and end"]),
        ({"convention": "EUR-FIXED-1Y-ESTR-OIS"}, "no_instrument", ["OIS.2Y", "no curve would", "EUR"]),
        ({"tenor": "5Y"}, "overlapping", ["OIS.2Y", "OIS.5Y", "USD-SOFR on 2031-12-0", "remove one of them"]),
        ({"value": -3.0}, "not_met", ["OIS.2Y", "-3"]),
        ({"instrument": Instrument.FRA, "convention": "USD-TERM-SOFR-3M", "tenor": "3X9"}, "no_instrument", ["3X9", "months to its start"]),
        ({"instrument": Instrument.RATE_FUTURE, "convention": "USD-SOFR-3M-IMM", "tenor": "Z26"}, "no_instrument", ["Z26", "DEC26"]),
        ({"instrument": Instrument.DEPOSIT, "convention": "USD-SOFR", "tenor": "3M"}, "no_instrument", ["ON or TN", "'3M'"]),
        ({"instrument": Instrument.DEPOSIT, "convention": "SOFR", "tenor": "ON"}, "no_instrument", ["no index 'SOFR'", "define it"]),
        (
            {"start": AS_OF - 30, "end": AS_OF + 400, "tenor": ""},
            "no_instrument",
            ["USD-SOFR has no fixing of 2026-10-30", "add the fixing"],
        ),
    ],
)
def test_a_bad_quote_is_named_with_its_remedy(change, code, words):
    problems = problems_of([replace(TWO_YEARS, **change), FIVE_YEARS], [SOFR])
    assert {problem.code for problem in problems} == {code}
    assert {problem.part for problem in problems} == {"quotes"}
    for word in words:
        assert word in problems[0].message


@pytest.mark.parametrize(
    ("quotes", "recipes", "code", "words"),
    [
        ([FIVE_YEARS], [SOFR], "missing_quote", ["USD-SOFR", "'OIS.2Y'", "missing", "add it"]),
        ([TWO_YEARS, TWO_YEARS, FIVE_YEARS], [SOFR], "duplicate", ["two quotes 'OIS.2Y'"]),
        ([TWO_YEARS, FIVE_YEARS], [SOFR, SOFR], "duplicate", ["two curves 'USD-SOFR'"]),
        ([TWO_YEARS, FIVE_YEARS], [SOFR, replace(SOFR, name="B")], "duplicate", ["'OIS.2Y'", "twice", "USD-SOFR and B"]),
        ([TWO_YEARS], [replace(SOFR, quotes=())], "missing", ["USD-SOFR", "no instruments"]),
        ([TWO_YEARS, FIVE_YEARS], [replace(SOFR, depends_on=("X",))], "unknown_dependency", ["USD-SOFR depends on 'X'", "no such curve"]),
        ([POINTS], [EUROS], "no_instrument", ["FX.1Y", "spot rate of EUR/USD"]),
        ([TERM], [TERM_CURVE], "no_instrument", ["3M.2Y", "no curve would discount USD"]),
        (
            [TERM, TWO_YEARS, FIVE_YEARS],
            [SOFR, replace(TERM_CURVE, depends_on=("USD-TERM-SOFR-3M",))],
            "no_instrument",
            ["USD-TERM-SOFR-3M depends on no curve that would discount USD", "add USD-SOFR to its depends_on"],
        ),
        (
            [TERM, TWO_YEARS, FIVE_YEARS],
            [replace(SOFR, name="A", quotes=("OIS.2Y",), index="USD-SOFR"), replace(SOFR, quotes=("OIS.5Y",)), TERM_CURVE],
            "no_instrument",
            ["A and USD-SOFR both discount USD", "depends_on of USD-TERM-SOFR-3M"],
        ),
        (
            [TERM, TWO_YEARS, FIVE_YEARS],
            [replace(SOFR, depends_on=("USD-TERM-SOFR-3M",)), TERM_CURVE],
            "circular",
            ["USD-SOFR, USD-TERM-SOFR-3M depend on each other in a circle", "one solve_group"],
        ),
    ],
)  # fmt: skip
def test_a_bad_set_of_curves_is_named_with_its_remedy(quotes, recipes, code, words):
    problems = problems_of(quotes, recipes)
    assert code in {problem.code for problem in problems}
    message = next(problem.message for problem in problems if problem.code == code)
    for word in words:
        assert word in message


def test_every_problem_is_listed_at_once():
    quotes = [replace(TWO_YEARS, tenor="2Q"), replace(FIVE_YEARS, convention="X"), POINTS]
    names = [problem.name for problem in problems_of(quotes, [SOFR, EUROS])]
    assert names == ["OIS.2Y", "OIS.5Y", "FX.1Y"]


def test_an_instrument_of_another_curve_is_refused():
    recipe = replace(TERM_CURVE, quotes=("3M.2Y", "OIS.5Y"))
    problems = problems_of([TWO_YEARS, FIVE_YEARS, TERM], [replace(SOFR, quotes=("OIS.2Y",)), recipe])
    assert "OIS.5Y does not depend on USD-TERM-SOFR-3M" in problems[0].message
