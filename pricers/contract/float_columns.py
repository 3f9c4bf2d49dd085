"""Columns that products with floating coupons share: the index, the margin, and how a period's rate follows from the index's fixings.

The coupon of a period is notional × year fraction × (gearing × rate + spread). The rate of a term index is fixed once for the period;
that of an overnight index is compounded over the period's business days. Empty convention columns take the index's convention.
"""

from typing import Final

from pricers.contract.columns import RATE_MAX, Column
from pricers.time.schedule import FREQUENCIES

FIXING_LAG_MAX: Final = 60  # business days
GEARING_MAX: Final = 100.0
DECIMALS_MAX: Final = 12

PAR: Final = 0
INDEXED: Final = 1
ESTIMATIONS: Final = ("PAR", "INDEXED")
"""Where the forward rate of a term index ends: with the interest period, or a whole tenor after its start. The index is the code."""

TERM: Final = 0
COMPOUNDED: Final = 1
AVERAGED: Final = 2
SUBPERIOD_COMPOUNDED: Final = 3
RATE_METHODS: Final = ("TERM", "COMPOUNDED", "AVERAGED", "SUBPERIOD_COMPOUNDED")
"""How a period's rate follows from fixings: one, overnight rates compounded or averaged, several term rates compounded. The index is the
code."""

SPREAD_COMPOUNDED: Final = 1
SPREAD_FLAT: Final = 2
SPREAD_COMPOUNDINGS: Final = ("NONE", "COMPOUNDED", "FLAT")
FLOORS_ON: Final = ("COUPON", "INDEX")

FLOAT_COLUMNS: Final = (
    Column("index", "text", "interest-rate index of the coupons", required=True, references="index", example="EUR-EURIBOR-6M"),
    Column("forecast_curve", "text", "curve that forecasts the index; null: the index's own", references="forecast_curve"),
    Column("spread", "float", "margin over the index", unit="decimal a year", minimum=-RATE_MAX, maximum=RATE_MAX, default=0.0,
           example=0.0125),
    Column("spread_dates", "date_list", "increasing dates; periods that start on or after a date have its margin"),
    Column("spread_values", "float_list", "margins from spread_dates on", unit="decimal a year", minimum=-RATE_MAX, maximum=RATE_MAX),
    Column("gearing", "float", "factor of the index rate", minimum=-GEARING_MAX, maximum=GEARING_MAX, default=1.0),
    Column("rate_method", "choice", "how a period's rate follows from fixings; null: TERM or COMPOUNDED, as the index is",
           allowed=RATE_METHODS),
    Column("reset_frequency", "choice", "SUBPERIOD_COMPOUNDED: how often the term rates that are compounded are fixed; null: by the "
           "index's tenor", allowed=FREQUENCIES),
    Column("coupon_estimation", "choice", "end of a term index's forward rate: of the period, or a tenor after its start", default="PAR",
           allowed=ESTIMATIONS),
    Column("fixing_lag", "integer", "from fixing to start of the period; null: the index's", unit="business days of fixing_calendar",
           minimum=0, maximum=FIXING_LAG_MAX),
    Column("fixing_calendar", "text", "business days of fixing_lag; null: the index's", references="calendar", example="TARGET"),
    Column("fixing_in_arrears", "boolean", "term rate fixed at the end of its period; not valued yet", default=False),
    Column("lookback_days", "integer", "overnight rates are those of so many days before", unit="business days", default=0, minimum=0,
           maximum=FIXING_LAG_MAX),
    Column("observation_shift", "boolean", "lookback moves the weights of the rates as well", default=False),
    Column("lockout_days", "integer", "last overnight rates of a period that repeat the one before", unit="business days",
           default=0, minimum=0, maximum=FIXING_LAG_MAX),
    Column("spread_compounding", "choice", "whether the margin is compounded with the rates; FLAT is not valued yet",
           default="NONE", allowed=SPREAD_COMPOUNDINGS),
    Column("first_fixing", "float", "agreed index rate of the first period; null: none", unit="decimal a year", minimum=-1.0,
           maximum=RATE_MAX),
    Column("current_fixing", "float", "index rate of the period that contains the valuation date, before the fixings; term rates only",
           unit="decimal a year", minimum=-1.0, maximum=RATE_MAX),
    Column("rate_rounding", "integer", "decimals of a period's index rate once it is known; null: not rounded", minimum=0,
           maximum=DECIMALS_MAX),
    Column("initial_stub_index", "text", "index of an irregular first period; null: index", references="index", example="EUR-EURIBOR-1M"),
    Column("initial_stub_index_2", "text", "second index of that period: its rate is linear in days between the two", references="index"),
    Column("initial_stub_rate", "float", "agreed index rate of an irregular first period", unit="decimal a year", minimum=-1.0,
           maximum=RATE_MAX),
    Column("final_stub_index", "text", "index of an irregular last period; null: index", references="index", example="EUR-EURIBOR-3M"),
    Column("final_stub_index_2", "text", "second index of that period: its rate is linear in days between the two", references="index"),
    Column("final_stub_rate", "float", "agreed index rate of an irregular last period", unit="decimal a year", minimum=-1.0,
           maximum=RATE_MAX),
    Column("cap_rate", "float", "highest rate; caps are not valued yet", unit="decimal a year", minimum=-1.0, maximum=RATE_MAX),
    Column("floor_rate", "float", "lowest rate; floors are not valued yet", unit="decimal a year", minimum=-1.0, maximum=RATE_MAX),
    Column("floor_on", "choice", "whether cap and floor bound the coupon or the index rate before gearing and spread", default="COUPON",
           allowed=FLOORS_ON),
    Column("daily_floor", "boolean", "floor on every overnight rate; not valued yet", default=False),
)  # fmt: skip
