"""The identity command's figures on the running stack: all kinds exist, two collections are equal, and a fault in any column is found."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from benchmarks.identity import archive, inputs
from benchmarks.identity.collect import collect
from benchmarks.identity.comparison import compare
from benchmarks.identity.figures import Figures
from riskray.client import Client
from tests.fixtures.planted_faults import one_fault_each
from tests.fixtures.running_stack import RunningStack

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

POSITIONS = 400
KINDS = {
    "base/positions", "base/ladder", "base/fx_delta", "base/rollups", "base/fx_rollups", "base/ladder_rollups", "base/totals",
    "base/failures", "base/failure_summary", "failing/failures", "failing/rejected", "terms/positions", "terms/ladder", "pnl/groups",
    "pnl/ladder", "pnl/positions", "what_if/what_if", "what_if/what_if_failures", "explain/flows", "historical/positions",
    "historical/vectors", "historical/tail_risk", "historical/tail_contributions", "historical/tail_scenarios", "stress/vectors",
    "stress/position_vectors", "drop_position/scenario_failures", "drop_scenario/dropped_scenarios",
}  # fmt: skip


@pytest.fixture(scope="module")
def client(running_stack: RunningStack) -> Iterator[Client]:
    with running_stack.client() as client:
        yield client


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    return inputs.make_inputs(POSITIONS, seed=1)


@pytest.fixture(scope="module")
def found(client: Client, contents: Mapping[str, bytes]) -> dict[str, Figures]:
    return collect(client, contents, say=lambda _: None)


def test_every_kind_of_result_is_there(found: Mapping[str, Figures]) -> None:
    assert KINDS - found.keys() == set()
    reasons = set(found["failing/failures"].values["code"].to_pylist())
    assert len(reasons) >= 10
    products = set(found["terms/positions"].values["product"].to_pylist())
    assert products == {"AMORT_LOAN", "FIXED_BOND", "FX_FWD"}


def test_figures_of_one_code_are_equal(client: Client, contents: Mapping[str, bytes], found: Mapping[str, Figures], tmp_path: Path) -> None:
    archive.write(tmp_path / "kept.zip", archive.Archive({}, contents, found))
    kept = archive.read(tmp_path / "kept.zip")
    now = collect(client, kept.inputs, say=lambda _: None)
    assert [str(each) for each in compare(kept.figures, now) if each.verdict != "equal"] == []


def test_one_unit_in_the_last_place_of_any_column_is_found(found: Mapping[str, Figures]) -> None:
    for kind, part in found.items():
        for name, fault in one_fault_each(part):
            differing = [each for each in compare({kind: part}, {kind: fault}) if each.verdict != "equal"]
            assert [(each.name, each.verdict, each.changed_count) for each in differing] == [(f"{kind}/{name}", "different", 1)]
