"""Currencies, and the descriptions of products in the API and the docs."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pricers.contract.columns import Column, Columns

# ISO 4217 active codes of money in circulation; funds, metals and test codes are left out.
CURRENCIES: tuple[str, ...] = (
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BHD", "BIF", "BMD", "BND", "BOB",
    "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLP", "CNH", "CNY", "COP", "CRC", "CUP", "CVE", "CZK", "DJF",
    "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD",
    "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW",
    "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR",
    "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN",
    "PYG", "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN",
    "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS", "VED",
    "VES", "VND", "VUV", "WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
)  # fmt: skip
"""Currency codes that contracts and markets may name. CNH is not an ISO code, but the market quotes it separately from CNY."""


POSITION_ID = "position_id"
PRODUCT = "product"
UNASSIGNED = "UNASSIGNED"

COMMON_COLUMNS = Columns(
    Column(POSITION_ID, "text", "your id of the position, unique within the portfolio", required=True, example="P-000001"),
    Column(PRODUCT, "text", "name of the product, which determines the other columns", required=True, example="FIXED_BOND"),
    Column("book", "text", "book of the position", default=UNASSIGNED, example="RATES-01"),
    Column("counterparty", "text", "counterparty, or the issuer of a security", default=UNASSIGNED, example="CP-001"),
)
"""The columns that positions of all products have."""


class ColumnDescription(BaseModel):
    """One contract term of a product."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Column name in files, JSON and Arrow.", examples=["notional"])
    kind: str = Field(description="float, date, integer, boolean, choice, text, date_list or float_list.", examples=["float"])
    unit: str = Field(default="", description="Unit of the values.", examples=["currency"])
    meaning: str = Field(description="Meaning of the term.")
    required: bool = Field(description="Whether every position must have a value.")
    default: Any = Field(default=None, description="Value of a position that gives none.")
    allowed: tuple[str, ...] = Field(default=(), description="Allowed values of a choice.")
    minimum: float | None = Field(default=None, description="Smallest allowed value.")
    maximum: float | None = Field(default=None, description="Largest allowed value.")
    references: str | None = Field(default=None, description="Kind of market data that the value names, or `calendar`.")

    @classmethod
    def of(cls, column: Column) -> "ColumnDescription":
        """Describe a declared column."""
        return cls.model_validate({name: getattr(column, name) for name in cls.model_fields})


class ProductDescription(BaseModel):
    """A product that can be priced."""

    model_config = ConfigDict(frozen=True)

    product: str = Field(description="Name in the `product` column.", examples=["FIXED_BOND"])
    title: str = Field(description="Title of the product.")
    documentation: str = Field(default="", description="How the product is valued.")
    measures: tuple[str, ...] = Field(description="Measures of the product.", examples=[["pv", "dv01"]])
    native_currency: str = Field(description="Column with the currency of `pv`.")
    notional: str = Field(description="Column with the signed notional.")
    columns: tuple[ColumnDescription, ...] = Field(description="The contract's terms.")


def describe_product(product: str) -> ProductDescription:
    """Describe a registered product. Raises UnknownProductError."""
    from pricers.registry import pricer  # loads every kernel, which a process that only reads models does without

    spec = pricer(product)
    return ProductDescription(
        product=spec.product,
        title=spec.title,
        documentation=spec.documentation,
        measures=tuple(sorted(spec.measures)),
        native_currency=spec.native_currency,
        notional=spec.notional,
        columns=tuple(ColumnDescription.of(column) for column in spec.columns),
    )
