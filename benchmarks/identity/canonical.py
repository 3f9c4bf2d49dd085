"""Adapters, one for each kind of result, that convert the present shape to figures under canonical keys.

If a result's shape changes, only the adapter of that kind changes; its keys and the names of its values stay. Canonical are: position
ids, books, products, counterparties and currencies; a curve's name with its kind (RATE, SPREAD), without the suffix that distinguishes a
spread curve from a discount curve of one name; a pillar's label; a scenario's label; `pv_base` for the present value.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.identity.figures import Figures, added_up, figures, figures_of_rows
from riskray.models.result import RiskFactor

GROUPS: Final = ("book", "product", "currency", "counterparty")
RENAMED: Final = {"base_pv": "pv_base", "opened": "new", "closed": "dead"}
"""Present name -> canonical name, for values in all kinds of results."""
SPREAD_SUFFIX: Final = ":SPREAD"
CURVE_KINDS: Final = {"discount": "RATE", "spread": "SPREAD"}
CURRENCY: Final = "CURRENCY"
NOT_COMPARED: Final = frozenset({"position_no", "run_id", "market_id", "what_if_run_id"})
"""Numbers and ids that depend on what was stored before."""

BASIS_POINT_OF_FX: Final = 0.01  # fx_delta is the value of one per cent
THETA_TERMS: Final = 2.0
"""Theta is a difference of two values, each of the position's gross value."""


@dataclass(frozen=True)
class Terms:
    """Sums of the absolute values of the terms of a run's figures, as far as results show them; tolerances are relative to these."""

    positions: pa.Table
    """position_id, GROUPS, `gross` (absolute values of the legs, base currency) and `gross_dv01`."""
    ladder: pa.Table
    """book, product, kind, curve, pillar and `size`."""
    fx: pa.Table
    """book, product, currency of the leg and `size`."""

    @property
    def gross(self) -> dict[str, float]:
        """By position."""
        return dict(zip(*(self.positions.column(name).to_pylist() for name in ("position_id", "gross")), strict=True))

    def of_groups(self, rows: Iterable[Mapping[str, Any]], *, name: str = "gross") -> np.ndarray:
        """For each row, which has the fields of its group: the sum over the group's positions."""
        return _sums(self.positions, rows, keys=GROUPS, name=name)

    def of_buckets(self, rows: Iterable[Mapping[str, Any]]) -> np.ndarray:
        """For each row of a ladder of a group: the sum over the positions' ladders."""
        return _sums(self.ladder, rows, keys=("book", "product", "kind", "curve", "pillar"), name="size")

    def of_currencies(self, rows: Iterable[Mapping[str, Any]]) -> np.ndarray:
        """For each FX delta of a group: the sum over the positions' legs."""
        return _sums(self.fx, rows, keys=("book", "product", "currency"), name="size")

    def of_measures(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """By additive measure, for each row that is a group."""
        return _sum_scales(self.of_groups(rows), self.of_groups(rows, name="gross_dv01"))


def _sums(table: pa.Table, rows: Iterable[Mapping[str, Any]], *, keys: Sequence[str], name: str) -> np.ndarray:
    known: dict[tuple[str, ...], dict[tuple[Any, ...], float]] = {}
    sizes = []
    for row in rows:
        given = tuple(key for key in keys if key in row)
        if given not in known:
            summed = table.group_by(list(given)).aggregate([(name, "sum")]).to_pydict()
            totals = summed.pop(f"{name}_sum")
            known[given] = dict(zip(zip(*(summed[key] for key in given), strict=True), totals, strict=True)) if given else {(): totals[0]}
        sizes.append(known[given].get(tuple(row[key] for key in given), 0.0))
    return np.array(sizes, np.float64)


def positions(table: pa.Table, *, factors: Sequence[RiskFactor]) -> tuple[dict[str, Figures], Terms]:
    """Every column of the priced positions, their ladders and FX deltas; and the terms that sums of them have."""
    lists = ("factor_nos", "sensitivities")
    ids = table.column("position_id")
    buckets = _buckets(table, factors)
    ladder, fx = (buckets.filter(pc.field("kind").isin(kinds)) for kinds in (sorted(CURVE_KINDS.values()), [CURRENCY]))
    ladder_row, ladder_values = (ladder.column(name).to_numpy() for name in ("row", "value"))
    fx_row, fx_delta = (fx.column(name).to_numpy() for name in ("row", "value"))
    is_rate = pc.equal(ladder.column("kind").cast(pa.string()), CURVE_KINDS["discount"]).to_numpy()
    ladder_keys = {name: _dictionary(ladder.column(name)) for name in ("kind", "curve", "pillar")}
    fx_currency = _dictionary(fx.column("curve"))
    scalars = {name: table.column(name) for name in table.column_names if name not in (*lists, "position_id", *NOT_COMPARED)}
    gross = _gross(table, fx_row, fx_delta)
    gross_dv01 = np.bincount(ladder_row[is_rate], np.abs(ladder_values[is_rate]), table.num_rows)
    kinds = {
        "positions": figures({"position_id": ids}, scalars, _position_scales(table, gross, gross_dv01)),
        "ladder": added_up({"position_id": ids.take(pa.array(ladder_row)), **ladder_keys}, ladder_values, name="sensitivity"),
        "fx_delta": added_up({"position_id": ids.take(pa.array(fx_row)), "currency": fx_currency}, fx_delta, name="fx_delta"),
    }

    def of_rows(row: np.ndarray, sizes: np.ndarray, keys: Mapping[str, pa.DictionaryArray]) -> pa.Table:
        books = {name: table.column(name).take(pa.array(row)) for name in ("book", "product")}
        return pa.table({**books, **{name: key.cast(pa.string()) for name, key in keys.items()}, "size": np.abs(sizes)})

    terms = Terms(
        pa.table({**{name: table.column(name) for name in ("position_id", *GROUPS)}, "gross": gross, "gross_dv01": gross_dv01}),
        of_rows(ladder_row, ladder_values, ladder_keys),
        of_rows(fx_row, fx_delta, {"currency": fx_currency}),
    )
    return kinds, terms


@dataclass(frozen=True)
class Coded:
    """Texts by code."""

    names: list[str]
    codes: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Coded":
        """From one text per row."""
        names = sorted(set(texts))
        place = {name: number for number, name in enumerate(names)}
        return cls(names, np.array([place[text] for text in texts], np.int64))

    def arrow(self) -> pa.DictionaryArray:
        """As a dictionary of texts."""
        return pa.DictionaryArray.from_arrays(pa.array(self.codes.astype(np.int32)), pa.array(self.names, pa.string()))


def _entries(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Row and value of each entry of a column of lists."""
    array = column.combine_chunks()
    array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array
    return pc.list_parent_indices(array).to_numpy().astype(np.int64), pc.list_flatten(array).to_numpy(zero_copy_only=False)


def _buckets(table: pa.Table, factors: Sequence[RiskFactor]) -> pa.Table:
    """Row, kind, curve (or currency), pillar and value of each number in `sensitivities`: of each of a row's factors one a bucket."""
    row, values = _entries(table.column("sensitivities"))
    entry_row, entry_factor = _entries(table.column("factor_nos"))
    counts = np.array([len(factor.bucket_labels) for factor in factors], np.int64)
    entry_count = counts[entry_factor]
    if np.any(np.repeat(entry_row, entry_count) != row):
        raise ValueError("sensitivities has not one number for each bucket of each factor")
    within = np.arange(len(row)) - np.repeat(np.cumsum(entry_count) - entry_count, entry_count)
    factor_no = np.repeat(entry_factor, entry_count)
    names, kinds = Coded.of([curve_name(factor.name) for factor in factors]), Coded.of([factor.kind.value for factor in factors])
    labels = Coded.of([label for factor in factors for label in factor.bucket_labels])
    return pa.table(
        {
            "row": row,
            "kind": Coded(kinds.names, kinds.codes[factor_no]).arrow(),
            "curve": Coded(names.names, names.codes[factor_no]).arrow(),
            "pillar": Coded(labels.names, labels.codes[(np.cumsum(counts) - counts)[factor_no] + within]).arrow(),
            "value": values,
        }
    )


def _dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    combined = column.combine_chunks()
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined


def curve_name(name: str) -> str:
    """A curve's canonical name: that of its document, which a spread curve may share with a discount curve."""
    return name.removesuffix(SPREAD_SUFFIX)


def _gross(table: pa.Table, fx_row: np.ndarray, fx_delta: np.ndarray) -> np.ndarray:
    """Sum of the absolute values of each position's legs in base currency: those in foreign currencies by their FX delta, and the rest."""
    legs = fx_delta / BASIS_POINT_OF_FX
    rest = _numbers(table, "pv_base") - np.bincount(fx_row, legs, table.num_rows)
    return np.asarray(np.abs(rest) + np.bincount(fx_row, np.abs(legs), table.num_rows))


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(pc.fill_null(table.column(name), 0.0).to_numpy())


def _position_scales(table: pa.Table, gross: np.ndarray, gross_dv01: np.ndarray) -> dict[str, np.ndarray]:
    pv, pv_base = _numbers(table, "pv"), _numbers(table, "pv_base")
    rate = np.divide(pv, pv_base, out=np.zeros_like(pv), where=pv_base != 0.0)
    value_scales = _sum_scales(gross, gross_dv01)
    return value_scales | {"pv": np.abs(gross * rate)}


def _sum_scales(gross: np.ndarray, gross_dv01: np.ndarray) -> dict[str, np.ndarray]:
    """By measure, of positions and of sums of them."""
    values = {"pv_base": gross, "fx_delta": BASIS_POINT_OF_FX * gross, "theta_1d": THETA_TERMS * gross}
    return values | {"dv01": gross_dv01, "cs01": gross_dv01}


def position_table(table: pa.Table) -> Figures:
    """A download with one row per position and scalar columns: failures, P&L of positions."""
    return figures({"position_id": table.column("position_id")}, _columns(table))


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    names = [name for name in table.column_names if name != "position_id" and name not in NOT_COMPARED]
    return {RENAMED.get(name, name): table.column(name) for name in names}


def position_pnl(table: pa.Table, terms: Sequence[Terms]) -> Figures:
    """P&L explanation of positions; its parts are differences of values at two dates, whose `terms` are their terms."""
    made = position_table(table)
    size = _pnl_sizes(table, terms).column("size").to_numpy()
    parts = [name for name, column in made.values.items() if pa.types.is_floating(column.type)]
    return figures({"position_id": table.column("position_id")}, _columns(table), dict.fromkeys(parts, size))


def position_vectors(table: pa.Table, *, scenarios: Sequence[str], gross: Mapping[str, float]) -> Figures:
    """P&L of each position in each scenario."""
    row, values = _entries(table.column("pnl"))
    if len(values) != table.num_rows * len(scenarios):
        raise ValueError(f"{len(values)} numbers are not those of {table.num_rows} positions in {len(scenarios)} scenarios")
    ids = table.column("position_id")
    scale = np.array([gross.get(name, 0.0) for name in ids.to_pylist()])
    scenario = Coded(list(scenarios), np.tile(np.arange(len(scenarios)), table.num_rows)).arrow()
    numbers = pc.list_flatten(table.column("pnl"))
    return figures({"position_id": ids.take(pa.array(row)), "scenario": scenario}, {"pnl": numbers}, {"pnl": scale[row]})


def rollups(answers: Mapping[str, Sequence[Any]], terms: Terms) -> Figures:
    """Sums by any dimensions; `answers`: responses by their grouping."""
    rows = list(_grouped(answers))
    scales = terms.of_measures(rows)
    rates = [abs(row["pv"] / row["pv_base"]) if row.get("pv") and row["pv_base"] else 0.0 for row in rows]
    return figures_of_rows(rows, keys=("by", *GROUPS), scales=scales | {"pv": scales["pv_base"] * rates})


def totals(answer: Any, terms: Terms) -> Figures:
    """The run in one row."""
    return figures_of_rows([_fields(answer)], keys=("base_currency",), scales=terms.of_measures([{}]))


def fx_rollups(answers: Mapping[str, Sequence[Any]], terms: Terms) -> Figures:
    """FX delta by currency and group."""
    rows = [{**_bucket_group(row), "currency": row["factor"], "fx_delta": row["sensitivity"]} for row in _grouped(answers)]
    return figures_of_rows(rows, keys=("by", "book", "product", "currency"), scales={"fx_delta": terms.of_currencies(rows)})


def ladder_rollups(answers: Mapping[str, Sequence[Any]], terms: Terms) -> Figures:
    """Ladders of groups: one number a curve and pillar."""
    rows = [
        {
            **_bucket_group(row), "kind": row["kind"].value, "curve": curve_name(row["factor"]), "pillar": row["bucket"],
            "pillar_days": row["bucket_days"], "sensitivity": row["sensitivity"],
        }
        for row in _grouped(answers)
    ]  # fmt: skip
    keys = ("by", "book", "product", "kind", "curve", "pillar")
    return figures_of_rows(rows, keys=keys, scales={"sensitivity": terms.of_buckets(rows)})


def _bucket_group(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("by", "book", "product") if name in row}


def pnl_ladder(buckets: Sequence[Any], positions: pa.Table, terms: Sequence[Terms]) -> Figures:
    """P&L by curve and pillar."""
    rows = [_bucket(_fields(bucket), value="rates") for bucket in buckets]
    whole = float(np.sum(_pnl_sizes(positions, terms).column("size").to_numpy()))
    return _scaled(figures_of_rows(rows, keys=("kind", "curve", "pillar")), whole)


def _bucket(row: Mapping[str, Any], *, value: str) -> dict[str, Any]:
    """The key of a ladder's entry; at present, all ladders are those of discount curves."""
    rest = {name: entry for name, entry in row.items() if name not in ("curve", value)}
    return {**rest, "kind": CURVE_KINDS["discount"], "curve": curve_name(row["curve"]), "sensitivity": row[value]}


def vectors(answers: Mapping[str, Any], terms: Terms) -> dict[str, Figures]:
    """Vectors of groups, with the counts and values to which they refer; `answers`: stress responses by their grouping."""
    nodes: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for by, answer in answers.items():
        for node in answer.nodes:
            fields = _fields(node)
            pnl = fields.pop("pnl")
            nodes.append({"by": by, **fields})
            entries.extend(
                {"by": by, **node.group, "scenario": name, "pnl": value} for name, value in zip(answer.scenarios, pnl, strict=True)
            )
    scale = terms.of_groups(nodes)
    size = {(row["by"], *(row.get(name) for name in GROUPS)): float(number) for row, number in zip(nodes, scale, strict=True)}
    sizes = np.array([size[row["by"], *(row.get(name) for name in GROUPS)] for row in entries])
    dropped = [{"scenario": name, "by": by, "dropped": 1} for by, answer in answers.items() for name in answer.dropped_scenarios]
    return {
        "vectors": figures_of_rows(entries, keys=("by", *GROUPS, "scenario"), scales={"pnl": sizes}),
        "vector_groups": figures_of_rows(nodes, keys=("by", *GROUPS), scales={"pv_base": scale}),
        "dropped_scenarios": figures_of_rows(dropped, keys=("by", "scenario")),
    }


def tail_risk(answers: Mapping[str, Any], terms: Terms) -> dict[str, Figures]:
    """VaR and ES, their contributions and tails; `answers`: responses by a name of the query."""
    figures_rows, parts, tails, heads = [], [], [], []
    for question, answer in answers.items():
        lists = ("figures", "contributions", "tail_scenarios", "left_out_factors", "scenario_set_id")
        heads.append({"question": question} | {name: value for name, value in _fields(answer).items() if name not in lists})
        figures_rows += [{"question": question, **_fields(figure)} for figure in answer.figures]
        parts += [{"question": question, **_fields(part)} for part in answer.contributions]
        tails += [{"question": question, "place": f"{place:04d}", **_fields(tail)} for place, tail in enumerate(answer.tail_scenarios)]
    whole = float(np.sum(terms.positions.column("gross").to_numpy()))
    return {
        "tail_risk": _scaled(figures_of_rows(figures_rows, keys=("question", "confidence")), whole),
        "tail_contributions": _with_marginal_scale(_scaled(figures_of_rows(parts, keys=("question", "confidence", *GROUPS)), whole), whole),
        "tail_scenarios": _scaled(figures_of_rows(tails, keys=("question", "place")), whole),
        "tail_nodes": _scaled(figures_of_rows(heads, keys=("question",)), whole),
    }


def _scaled(made: Figures, size: float) -> Figures:
    """With one size for every value in base currency."""
    plain = ("weight", "marginal_var")
    names = [name for name, column in made.values.items() if pa.types.is_floating(column.type) and name not in plain]
    return Figures(made.keys, made.values, {name: np.full(made.row_count, size) for name in names})


def _with_marginal_scale(made: Figures, size: float) -> Figures:
    """With the size of marginal VaR, which is a contribution for each unit of the group's value."""
    value = np.abs(pc.fill_null(made.values["pv_base"], 0.0).to_numpy(zero_copy_only=False))
    scale = np.divide(size, value, out=np.zeros(made.row_count), where=value > 0.0)
    return Figures(made.keys, made.values, {**made.scales, "marginal_var": scale})


def _pnl_sizes(positions: pa.Table, terms: Sequence[Terms]) -> pa.Table:
    """GROUPS and `size` of each position: the sum of its gross values at the dates that it has a value at."""
    gross = [each.gross for each in terms]
    sizes = np.array([sum(each.get(name, 0.0) for each in gross) for name in positions.column("position_id").to_pylist()])
    return pa.table({**{name: positions.column(name) for name in GROUPS}, "size": sizes})


def pnl_groups(answers: Mapping[str, Any], positions: pa.Table, terms: Sequence[Terms]) -> Figures:
    """P&L explanation of the total (without grouping) and of groups; `answers`: responses by their grouping."""
    whole = next(iter(answers.values()))
    rows = [{"by": "", **_fields(whole.total)}]
    rows += [{"by": by, **_fields(group)} for by, answer in answers.items() for group in answer.groups]
    sizes = _sums(_pnl_sizes(positions, terms), rows, keys=GROUPS, name="size")
    parts = [name for name, value in rows[0].items() if isinstance(value, float)]
    return figures_of_rows(rows, keys=("by", *GROUPS), scales=dict.fromkeys(parts, sizes))


def what_if(answers: Mapping[str, Any], terms: Terms) -> dict[str, Figures]:
    """Every figure of what-if responses: before, after and difference; `answers`: by a name of the query, `terms`: of the run before."""
    rows, failures = [], []
    for question, answer in answers.items():
        for by, groups in (("", [answer.total]), ("group", answer.groups)):
            rows += [{"question": question, "by": by, **_flattened(_fields(group))} for group in groups]
        failures += [{"question": question, **_fields(failure)} for failure in answer.failures]
    scales = {f"{name} {part}": size for name, size in terms.of_measures(rows).items() for part in ("base", "what_if", "difference")}
    return {
        "what_if": figures_of_rows(rows, keys=("question", "by", *GROUPS), scales=scales),
        "what_if_failures": figures_of_rows(failures, keys=("question", "position_id")),
    }


def _flattened(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`{"dv01": {"base": 1.0}}` as `{"dv01 base": 1.0}`."""
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        flat |= {f"{name} {part}": number for part, number in value.items()} if isinstance(value, Mapping) else {name: value}
    return flat


def explanations(answers: Sequence[Any]) -> Figures:
    """Flows of single positions, in their order, without the list of their terms, which earlier versions have not."""
    rows = [
        {
            "position_id": answer.position_id,
            "flow": f"{number:05d}",
            **{name: value for name, value in _fields(flow).items() if name != "terms"},
        }
        for answer in answers
        for number, flow in enumerate(answer.flows)
    ]
    return figures_of_rows(rows, keys=("position_id", "flow"))


def uploaded_market(document: bytes) -> bytes:
    """A market document of the file in the form of a present upload: `quoted_as` of a curve was called `kind` before 0.2.0."""
    market = json.loads(document)
    for curve in market["curves"]:
        if "kind" in curve:
            curve["quoted_as"] = curve.pop("kind")
    return json.dumps(market).encode()


def uploaded_history(table: bytes) -> bytes:
    """A history of the file in the form of a present upload, with columns `zero/CURVE/PILLAR`, `spread/CURVE/PILLAR` and `fx/CURRENCY`."""
    return table


def rows_by(answers: Iterable[Any], *keys: str) -> Figures:
    """Figures of objects whose fields need no conversion."""
    return figures_of_rows([_fields(answer) for answer in answers], keys=keys)


def _grouped(answers: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for by, answer in answers.items():
        for item in answer:
            yield {"by": by, **_fields(item)}


def _fields(item: Any) -> dict[str, Any]:
    """A model's fields by canonical name, including those of its group."""
    fields = item.model_dump()
    group: dict[str, Any] = fields.pop("group", {})
    return group | {RENAMED.get(name, name): value for name, value in fields.items() if name not in NOT_COMPARED}
