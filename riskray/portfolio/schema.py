"""Arrow schemas of positions, derived from the contract columns that each pricer declares.

A position has four common columns and the columns of its product. Within riskray there is one table of positions per product, with
`position_id`, `book`, `counterparty` and the product's columns; `product` is the table's key. In a file all products share one table with
a `product` column, and the cells of other products' columns are blank.

    kind                      Arrow type                           null
    float                     float64                              not given
    date                      date32                               not given
    integer                   int32                                not given
    boolean                   bool                                 not given: the column's default applies
    choice                    dictionary<int8, string> over `allowed`, in its order
    text                      dictionary<int32, string>            not given
    date_list, float_list     list<date32>, list<float64>          not given; means an empty list

Nulls are stored as nulls; defaults are filled in when contracts are passed to a pricer, so that a download equals the upload.
"""

from collections.abc import Iterable

import pyarrow as pa

from pricers.contract.columns import Column, Columns, Kind
from pricers.registry import known_products, pricer
from riskray.models.instrument import COMMON_COLUMNS, POSITION_ID, PRODUCT

STORED_TYPES: dict[Kind, pa.DataType] = {
    "float": pa.float64(),
    "date": pa.date32(),
    "integer": pa.int32(),
    "boolean": pa.bool_(),
    "choice": pa.dictionary(pa.int8(), pa.string()),
    "text": pa.dictionary(pa.int32(), pa.string()),
    "date_list": pa.list_(pa.date32()),
    "float_list": pa.list_(pa.float64()),
}


def arrow_type(column: Column) -> pa.DataType:
    """The stored Arrow type of a column."""
    return pa.string() if column.name == POSITION_ID else STORED_TYPES[column.kind]


def product_columns(product: str) -> Columns:
    """All columns of a position of the product: the common ones, then the contract's.

    Raises:
        UnknownProductError: no pricer is registered for the product.
        ValueError: the product declares a column with the name of a common column.
    """
    contract = pricer(product).columns
    shadowed = [column.name for column in contract if column.name in COMMON_COLUMNS]
    if shadowed:
        raise ValueError(f"product {product!r} declares columns with the names of common columns: {shadowed}; rename them")
    return Columns(*COMMON_COLUMNS, *contract)


def stored_columns(product: str) -> tuple[Column, ...]:
    """The columns of the product's table, in order: `product_columns` without `product`."""
    return tuple(column for column in product_columns(product) if column.name != PRODUCT)


def arrow_schema(product: str) -> pa.Schema:
    """Schema of the product's table. Field metadata: `meaning`, `unit`; fields that are not nullable are required."""
    return pa.schema([_field(column) for column in stored_columns(product)])


def union_schema(products: Iterable[str]) -> pa.Schema:
    """Schema of a file with these products: the common columns, then those of each product, with dictionaries as plain strings.

    A column that two products declare with different types becomes text, which the reader parses for every kind.
    """
    fields: dict[str, pa.Field] = {column.name: _file_field(column) for column in COMMON_COLUMNS}
    for product in products:
        for column in pricer(product).columns:
            given = _file_field(column)
            known = fields.setdefault(column.name, given)
            if known.type != given.type:
                fields[column.name] = pa.field(column.name, pa.string(), metadata=known.metadata)
    return pa.schema(list(fields.values()))


def _field(column: Column) -> pa.Field:
    metadata = {"meaning": column.meaning} | ({"unit": column.unit} if column.unit else {})
    return pa.field(column.name, arrow_type(column), nullable=not column.required, metadata=metadata)


def _file_field(column: Column) -> pa.Field:
    field = _field(column).with_nullable(column.name not in (POSITION_ID, PRODUCT))
    return field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field


def products_markdown() -> str:
    """`docs/products.md`: every registered product with its columns."""
    lines = [
        "# Products",
        "",
        "<!-- Written by `make docs`; edit the source, not this page. -->",
        "",
        "A portfolio file has one row per position, in CSV, JSON or Parquet. Every position has the common columns and those of its",
        "product; the cells of other products' columns are left blank. Dates are ISO (2026-12-16), lists in CSV are separated by",
        "semicolons, and rates are decimals. Amounts are signed: we receive positive ones. Source: the `COLUMNS` of each file in",
        "`pricers/`.",
        "",
        "## Common columns",
        "",
        *_columns_table(COMMON_COLUMNS),
    ]
    for product in known_products():
        spec = pricer(product)
        lines += ["", f"## {product}", "", f"{spec.title}. Measures: {', '.join(f'`{measure}`' for measure in sorted(spec.measures))}.", ""]
        if spec.documentation:
            lines += [spec.documentation, ""]
        lines += _columns_table(spec.columns)
    return "\n".join(lines) + "\n"


def _columns_table(columns: Iterable[Column]) -> list[str]:
    rows = [("column", "type", "unit", "needed", "meaning"), ("---",) * 5]
    for column in columns:
        needed = "required" if column.required else "" if column.default is None else f"default `{column.default}`"
        rows.append(
            (
                f"`{column.name}`",
                column.kind,
                column.unit,
                needed,
                ". ".join([column.meaning, " ".join(_limits(column))]).removesuffix(". "),
            )
        )
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def _limits(column: Column) -> list[str]:
    limits = []
    if column.allowed:
        limits.append(f"One of {', '.join(f'`{value}`' for value in column.allowed)}.")
    if column.minimum is not None:
        limits.append(f"At least {column.minimum:g}.")
    if column.maximum is not None:
        limits.append(f"At most {column.maximum:g}.")
    return limits
