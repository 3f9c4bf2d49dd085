"""Names of holiday calendars. This module has no kernels, so that a process that only checks names does not load numba."""

from typing import Final

# Lunar and religious holidays (HK, SG, IN, KR, CN and others) are published year by year: beyond the years that QuantLib knows, these
# calendars hold weekends and fixed-date holidays only.
QUANTLIB_CALENDARS: Final[dict[str, tuple[str, str]]] = {
    "NONE": ("NullCalendar", ""),
    "WEEKENDS_ONLY": ("WeekendsOnly", ""),
    "TARGET": ("TARGET", ""),
    "US_FED": ("UnitedStates", "FederalReserve"),
    "US_GOVT": ("UnitedStates", "GovernmentBond"),
    "US_NYSE": ("UnitedStates", "NYSE"),
    "US_SETTLEMENT": ("UnitedStates", "Settlement"),
    "US_SOFR": ("UnitedStates", "SOFR"),
    "UK": ("UnitedKingdom", "Settlement"),
    "JP": ("Japan", ""),
    "CH": ("Switzerland", ""),
    "CA": ("Canada", "Settlement"),
    "AU": ("Australia", "Settlement"),
    "NZ": ("NewZealand", "Wellington"),
    "SE": ("Sweden", ""),
    "NO": ("Norway", ""),
    "DK": ("Denmark", ""),
    "PL": ("Poland", "Settlement"),
    "CZ": ("CzechRepublic", "PSE"),
    "HU": ("Hungary", ""),
    "BR": ("Brazil", "Settlement"),
    "MX": ("Mexico", "BMV"),
    "ZA": ("SouthAfrica", ""),
    "HK": ("HongKong", "HKEx"),
    "SG": ("Singapore", "SGX"),
    "KR": ("SouthKorea", "Settlement"),
    "IN": ("India", "NSE"),
    "CN": ("China", "IB"),
}
"""QuantLib's class and market of each calendar."""
CALENDARS: Final = tuple(QUANTLIB_CALENDARS)
"""Names of the single calendars; join them with "+"."""


def is_calendar(name: str) -> bool:
    """Whether a name, single or joint, is known: `is_calendar("TARGET+US_FED")`."""
    return all(member in QUANTLIB_CALENDARS for member in name.split("+"))
