"""The identity command without a stack: canonical keys, checksums, comparison, file and exit status."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.identity import __main__ as command
from benchmarks.identity import archive, canonical, inputs
from benchmarks.identity.comparison import ColumnComparison, compare
from benchmarks.identity.figures import Figures, figures, figures_of_rows
from pricers.market.factors import FactorKind
from riskray.models.result import RiskFactor, Sensitivity
from tests.fixtures.planted_faults import one_fault_each

PILLARS = {"EUR-GOVT": ["1Y", "10Y"], "USD-GOVT": ["2Y"]}
LADDERS: dict[str, list[tuple[str, list[float]]]] = {
    "bond": [("EUR-GOVT", [-1.5, -20.25])],
    "forward": [("EUR-GOVT", [-0.5, 0.0]), ("USD-GOVT", [0.75])],
}


def risk_factors(curves: Sequence[str]) -> list[RiskFactor]:
    """The discount curves in this order, and the euro."""
    named = [*((FactorKind.RATE, name, PILLARS[name]) for name in curves), (FactorKind.CURRENCY, "EUR", ["EUR"])]
    return [
        RiskFactor(
            factor_no=number, kind=kind, name=name, unit="base currency", bump=1e-4, bucket_labels=labels, bucket_days=None, is_sparse=False
        )
        for number, (kind, name, labels) in enumerate(named)
    ]


def download(curves: Sequence[str], rows: Sequence[str]) -> pa.Table:
    """Two positions as a download has them, with factors by their number."""
    fx_delta = {"bond": 0.5, "forward": 1.25}
    scalars: dict[str, list[float | None]] = {"pv": [50.0, 0.125], "pv_base": [55.0, 0.25], "yield_to_maturity": [0.03, None]}
    place = [list(LADDERS).index(name) for name in rows]
    ladders = {name: sorted((curves.index(curve), ladder) for curve, ladder in LADDERS[name]) for name in rows}
    return pa.table(
        {
            "position_no": range(len(rows)),
            "position_id": rows,
            **{name: ["x"] * len(rows) for name in canonical.GROUPS},
            **{name: pa.array([values[row] for row in place], pa.float64()) for name, values in scalars.items()},
            "factor_nos": [[*(number for number, _ in ladders[name]), len(curves)] for name in rows],
            "sensitivities": [[*(value for _, ladder in ladders[name] for value in ladder), fx_delta[name]] for name in rows],
        }
    )


def results(curves: Sequence[str] = ("EUR-GOVT", "USD-GOVT"), rows: Sequence[str] = ("bond", "forward")) -> dict[str, Figures]:
    found, terms = canonical.positions(download(curves, rows), factors=risk_factors(curves))
    sums = [
        Sensitivity(group={}, kind=factor.kind, factor=factor.name, bucket=label, bucket_days=1, sensitivity=-1.0)
        for factor in risk_factors(curves)
        for label in factor.bucket_labels
    ]
    ladder, deltas = sums[:-1], sums[-1:]
    return found | {
        "ladder_rollups": canonical.ladder_rollups({"": ladder}, terms),
        "fx_rollups": canonical.fx_rollups({"": deltas}, terms),
    }


def verdicts(before: Mapping[str, Figures], after: Mapping[str, Figures], **options: Any) -> dict[str, ColumnComparison]:
    """The columns that differ."""
    return {each.name: each for each in compare(before, after, **options) if each.verdict != "equal"}


def changed(part: Figures, name: str, values: Any) -> Figures:
    return Figures(part.keys, {**part.values, name: pa.array(values, part.values[name].type)}, part.scales)


def test_ladder_is_keyed_by_names() -> None:
    found = results()
    ladder = {found["ladder"].key_of(row): found["ladder"].values["sensitivity"][row].as_py() for row in range(found["ladder"].row_count)}
    assert ladder == {
        "position_id bond, kind RATE, curve EUR-GOVT, pillar 1Y": -1.5,
        "position_id bond, kind RATE, curve EUR-GOVT, pillar 10Y": -20.25,
        "position_id forward, kind RATE, curve EUR-GOVT, pillar 1Y": -0.5,
        "position_id forward, kind RATE, curve EUR-GOVT, pillar 10Y": 0.0,
        "position_id forward, kind RATE, curve USD-GOVT, pillar 2Y": 0.75,
    }
    assert [found["fx_delta"].key_of(row) for row in range(2)] == ["position_id bond, currency EUR", "position_id forward, currency EUR"]


def test_numbers_of_curves_and_order_of_rows_make_no_difference() -> None:
    assert verdicts(results(), results(("USD-GOVT", "EUR-GOVT"), ("forward", "bond"))) == {}


def test_spread_curve_that_shares_a_name_keeps_it() -> None:
    assert canonical.curve_name("USD-GOVT:SPREAD") == canonical.curve_name("USD-GOVT") == "USD-GOVT"


def test_one_unit_in_the_last_place_of_any_column_is_found() -> None:
    before = results()
    planted = [(f"{kind}/{name}", kind, fault) for kind, part in before.items() for name, fault in one_fault_each(part)]
    assert len(planted) > 10
    for column, kind, fault in planted:
        (found,) = verdicts(before, {**before, kind: fault}).values()
        assert (found.name, found.verdict, found.changed_count) == (column, "different", 1)


@pytest.mark.parametrize(("before", "after"), [(0.0, None), (None, 1.0), (0.0, -0.0), (1.0, float("nan")), (float("inf"), 1.0)])
def test_any_other_bits_are_a_difference(before: float | None, after: float | None) -> None:
    kept = {"a": figures({"k": ["x", "y"]}, {"v": pa.array([1.5, before], pa.float64())})}
    (found,) = verdicts(kept, {"a": changed(kept["a"], "v", [1.5, after])}).values()
    assert (found.name, found.verdict) == ("a/v", "different")
    assert "k y" in found.example


def test_what_is_missing_is_a_difference_and_what_is_new_is_none() -> None:
    def rows(*names: str) -> Figures:
        return figures_of_rows([{"k": name, "v": 1.0, "text": name} for name in names], keys=("k",))

    before = {"a": rows("x", "y"), "gone": rows("x")}
    found = verdicts(before, {"a": rows("y", "z"), "more": rows("x")})
    counts = {name: (each.verdict, each.changed_count, each.missing_count, each.new_count) for name, each in found.items()}
    assert counts == {
        "a/v": ("different", 0, 1, 1), "a/text": ("different", 0, 1, 1), "gone/v": ("missing", 0, 1, 0), "gone/text": ("missing", 0, 1, 0),
        "more/v": ("new", 0, 0, 1), "more/text": ("new", 0, 0, 1),
    }  # fmt: skip
    assert {each.verdict for each in verdicts({"a": rows("y")}, {"a": rows("y", "z")}).values()} == {"new"}


def test_keys_made_of_other_parts_are_a_difference() -> None:
    row = {"k": "x", "v": 1.0}
    found = verdicts({"a": figures_of_rows([row], keys=("k",))}, {"a": figures_of_rows([{**row, "j": "z"}], keys=("k", "j"))})
    assert found["a/v"].verdict == "different"


def test_key_with_two_rows_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="k x"):
        figures({"k": ["x", "x"]}, {"v": [1.0, 2.0]})


def test_tolerance_refers_to_the_value_or_to_its_terms() -> None:
    before = {"a": figures({"k": ["x", "y"]}, {"v": [1.0, 1e-9]})}
    after = {"a": changed(before["a"], "v", [1.0 + 1e-15, 1e-9 + 1e-17])}
    assert verdicts(before, after, tolerance=1e-7)["a/v"].verdict == "within tolerance"
    assert verdicts(before, after, tolerance=1e-9)["a/v"].largest_relative == pytest.approx(1e-8, rel=1e-6)
    of_terms = {"a": Figures(before["a"].keys, before["a"].values, {"v": np.array([1.0, 1.0])})}
    assert verdicts(of_terms, after, tolerance=1e-14)["a/v"].verdict == "within tolerance"
    assert verdicts(of_terms, {"a": changed(before["a"], "v", [None, 1e-9])}, tolerance=1.0)["a/v"].verdict == "different"


def test_terms_of_a_forward_are_its_legs() -> None:
    scales = results()["positions"].scales
    assert scales["pv_base"].tolist() == [55.0, pytest.approx(125.0 + 124.75)]
    assert scales["dv01"].tolist() == [21.75, 1.25]


def test_file_keeps_every_bit(tmp_path: Path) -> None:
    odd = figures({"k": ["x", "y", "z"]}, {"v": pa.array([-0.0, None, 5e-324]), "n": [2**60, 1, 0], "t": pa.array(["", None, "é"])})
    kept = archive.Archive({"positions": 3}, {"market.json": b"{}"}, {**results(), "odd/a": odd})
    archive.write(tmp_path / "kept.zip", kept)
    read = archive.read(tmp_path / "kept.zip")
    assert verdicts(kept.figures, read.figures) == {}
    assert read.inputs == kept.inputs
    assert read.figures["positions"].scales["dv01"].tolist() == kept.figures["positions"].scales["dv01"].tolist()


def test_file_that_is_damaged_or_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kept.zip"
    archive.write(path, archive.Archive({}, {}, {"a": results()["ladder"]}))
    with zipfile.ZipFile(path) as source:
        about = json.loads(source.read("about.json"))
        figures_content = source.read("figures/a.parquet")
    about["checksums"]["a/sensitivity"] = "0" * 64
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("about.json", json.dumps(about))
        target.writestr("figures/a.parquet", figures_content)
    with pytest.raises(ValueError, match="a/sensitivity differ"):
        archive.read(path)
    path.write_text("no archive")
    with pytest.raises(ValueError, match="was not written by this command"):
        archive.read(path)


def test_command_writes_compares_and_exits_with_one_on_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = results()
    given: list[Mapping[str, bytes]] = []

    def collected(contents: Mapping[str, bytes], *, actors: int) -> dict[str, Figures]:
        given.append(contents)
        return found

    monkeypatch.setattr(inputs, "make_inputs", lambda positions, *, seed: {"size": f"{positions} {seed}".encode()})
    monkeypatch.setattr(command, "collect_on_a_stack", collected)
    path = tmp_path / "kept.zip"

    def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
        status = command.main(["--against", str(path), "--json", *arguments])
        *lines, last = capsys.readouterr().out.splitlines()
        return status, json.loads(last), "\n".join(lines)

    status, summary, _ = run("--positions", "7")
    assert (status, summary["result"], summary["positions"]) == (0, "written", 7)
    status, summary, printed = run()
    assert (status, summary["result"], printed) == (0, "equal", "")
    assert given[0] == given[1] == {"size": b"7 1"}  # the file's own inputs, even if the generator has changed
    (_, fault), *_ = one_fault_each(found["ladder"])
    found = {**found, "ladder": fault}
    status, summary, printed = run()
    assert (status, summary["result"], summary["different"]) == (1, "different", ["ladder/sensitivity"])
    assert "ladder/sensitivity" in printed
    assert "curve USD-GOVT, pillar 2Y" in printed
    assert run("--tolerance", "1e-14")[0] == 0
    found = {**results(), "spread_ladder": found["ladder"]}
    status, summary, _ = run()
    assert (status, summary["result"], summary["new"]) == (0, "equal", ["spread_ladder/sensitivity"])
    with pytest.raises(SystemExit):
        run("--positions", "8")
