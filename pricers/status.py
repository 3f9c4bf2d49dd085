"""Why a row has no values: the closed list of per-row outcomes, each with its meaning and its remedy.

A row that cannot be priced is data, not an exception: every value of the row is NaN, its status is one of these codes, and other rows
are not affected. Codes are stored as small integers and shown by name; a released code keeps its number.
"""

from enum import IntEnum


class RowStatus(IntEnum):
    """Outcome of one row. `message` says what is wrong, `remedy` how to correct it."""

    message: str
    remedy: str

    def __new__(cls, code: int, message: str = "", remedy: str = "") -> "RowStatus":  # the defaults let RowStatus(7) be a look-up
        member = int.__new__(cls, code)
        member._value_ = code
        member.message = message
        member.remedy = remedy
        return member

    OK = 0, "priced", ""
    MATURED = 1, "the last cash flow lies on or before the valuation date", "drop the position or value it at an earlier date"
    INVALID_DATES = 2, "the contract's dates are out of order", "check issue, start, first coupon, settlement and maturity dates"
    DATE_OUT_OF_RANGE = 3, "a date lies outside the supported calendar range", "check the year of every date in the contract"
    INVALID_SCHEDULE = (
        4,
        "the contract's terms give no payment schedule",
        "check frequency, calendars (BUS/252 needs one), stub dates (none beside given dates), interest-only period and moratorium",
    )
    INVALID_AMOUNT = (
        5,
        "a notional, rate, price or amount is not usable",
        "check for zero, infinite or inconsistent amounts; a forward needs two different currencies",
    )
    INVALID_PRINCIPAL = (
        6,
        "the principal schedule does not fit the contract",
        "give increasing dates within the contract's life and amounts that sum to at most the notional; balloon and interest-only period "
        "belong to loans that repay by a formula; an instalment covers the interest unless negative_amortisation is true; other terms of "
        "instalments belong to the amortisations that their columns name",
    )
    MISSING_CURVE = (
        7,
        "the market has no discount curve of this name",
        "add the curve to the market snapshot or correct the position's curve name",
    )
    MISSING_SPREAD_CURVE = (
        8,
        "the market has no spread curve of this name",
        "add the spread curve to the market snapshot or correct the position's spread curve name",
    )
    MISSING_FX = (
        9,
        "the market has no exchange rate from this currency to the base currency",
        "add a quote that links the currency to the base currency",
    )
    CURVE_CURRENCY_MISMATCH = (
        10,
        "the discount curve is in another currency than the cash flows",
        "name a discount curve of the leg's currency",
    )
    NOT_FINITE = 12, "the calculation gave no finite number", "check for extreme rates, spreads or amounts"
    PRICER_ERROR = 13, "the pricer raised an error", "read the message, which comes from the pricer"
    UNSUPPORTED_PRODUCT = 14, "no pricer is registered for the product", "register a pricer or correct the product name"
    WORKER_CRASHED = (
        15,
        "the row ended its worker process repeatedly when valued alone",
        "check the contract for extreme terms; report it with the position",
    )
    TIMEOUT = 16, "the row did not finish within the time limit", "check the contract for extreme terms or raise the limit"
    MISSING_INDEX = (
        17,
        "no index of this name is defined",
        "correct the index name, or define the index in the market document",
    )
    MISSING_FIXING = (
        18,
        "a fixing before the valuation date is missing",
        "add the index's value to the market's fixings, or give the running period's rate in the contract",
    )
    EMBEDDED_OPTION = (
        19,
        "the contract has a cap, a floor or a fixing in arrears, and embedded options are not valued yet",
        "remove the position, or value it without the option",
    )
    UNSUPPORTED_RATE_METHOD = (
        20,
        "the floating rate is calculated by a method that is not valued yet",
        "check rate_method, lookback_days, lockout_days and spread_compounding; overnight rates have no fixing_lag and no current_fixing",
    )
    MISSING_PRICE = (
        30,
        "the market has no price of this security",
        "add the price to spot_prices of the market document, or correct the position's price_key",
    )
    INDEX_MISMATCH = (
        21,
        "the index does not fit the contract",
        "name an index of the kind and the currency that the contract and its rate_method need",
    )
    CURVE_INTERPOLATION = (
        22,
        "the discount curve or the credit curve is not interpolated as the product's model needs it",
        "store both curves with interpolation LOG_LINEAR_DISCOUNT",
    )
    MISSING_INFLATION_CURVE = (
        41,
        "the market has no inflation curve of the index's name",
        "add the curve to the market snapshot, or correct the index's forecast_curve",
    )
    UNKNOWN_CONVENTION = (
        37,
        "no swap convention of this name fits the product",
        "correct the convention's name, or leave it out and give the terms of both legs",
    )
