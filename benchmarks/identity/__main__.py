"""Checks that the present code computes exactly the numbers of an earlier version, which wrote a file.

    python -m benchmarks.identity --against ../identity.zip --json

If the file does not exist, the command writes it: seeded portfolios, markets and a history, all their results, and a checksum of each
column of results, under keys that do not depend on storage (position, book, curve, pillar, currency, scenario). If the file exists, the
present code values its inputs, and the command compares each column bit by bit; it lists the columns that differ, with the largest
relative difference and its key, and exits with status 1. Figures that only the present code has are reported as new and are not a
difference; missing figures are. `--tolerance` is the largest difference relative to the sum of the absolute values of a number's terms,
as far as results show them (legs of positions, ladders); the reader must judge solved measures (yields, z-spreads). `missing`, texts and
counts have no tolerance. The file is valid on one machine only, because BLAS, exp and log may round differently on others.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.identity import archive, collect, inputs
from benchmarks.identity.comparison import ColumnComparison, Verdict, compare
from benchmarks.identity.figures import Figures
from benchmarks.temporary_stack import temporary_stack
from riskray.client import Client

POSITIONS = 100_000
DIFFERENCES: Final[tuple[Verdict, ...]] = ("different", "missing")


def main(given: Sequence[str] | None = None) -> int:
    """Print the columns that differ, and one JSON object as the last line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.identity", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--against", type=Path, required=True, metavar="FILE", help="file to compare with; written if it does not exist")
    parser.add_argument("--positions", type=int, default=None, help=f"number of positions in a new file; default: {POSITIONS:,}")
    parser.add_argument("--seed", type=int, default=None, help="seed of a new file; default: 1")
    parser.add_argument("--tolerance", type=float, default=None, help="largest relative difference; by default bits must be equal")
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="accepted for uniformity: the last line is always JSON")
    arguments = parser.parse_args(given)
    started = time.perf_counter()
    exists = arguments.against.exists()
    if exists and (arguments.positions, arguments.seed) != (None, None):
        parser.error(f"{arguments.against} exists and has its own positions; omit --positions and --seed, or use another file")
    stored = archive.read(arguments.against) if exists else _new_archive(arguments.positions or POSITIONS, seed=arguments.seed or 1)
    found = collect_on_a_stack(stored.inputs, actors=arguments.actors)
    comparisons: list[ColumnComparison] = []
    if exists:
        comparisons = list(compare(stored.figures, found, tolerance=arguments.tolerance))
        for each in comparisons:
            if each.verdict != "equal":
                print(each)
    else:
        archive.write(arguments.against, archive.Archive(stored.about, stored.inputs, found))
    summary = _summary(comparisons) if exists else {"result": "written", "columns": sum(len(part.values) for part in found.values())}
    values = sum(part.row_count * len(part.values) for part in found.values())
    size = {"values": values, "file_mib": round(arguments.against.stat().st_size / 1024**2, 1)}
    seconds = round(time.perf_counter() - started, 1)
    about = {name: stored.about[name] for name in ("positions", "seed")}
    print(json.dumps({"benchmark": "identity", **about, **summary, **size, "tolerance": arguments.tolerance, "wall_s": seconds}))
    return int(summary["result"] == "different")


def collect_on_a_stack(contents: Mapping[str, bytes], *, actors: int) -> dict[str, Figures]:
    """All figures of the inputs, computed on a stack of its own."""
    with temporary_stack(pricer_actors=actors) as settings, Client(settings, deadline_s=600.0) as client:
        return collect.collect(client, contents, say=_say)


def _new_archive(positions: int, *, seed: int) -> archive.Archive:
    _say(f"making {positions:,} positions")
    return archive.Archive({"positions": positions, "seed": seed}, inputs.make_inputs(positions, seed=seed), {})


def _summary(comparisons: Sequence[ColumnComparison]) -> dict[str, Any]:
    verdicts = Counter(each.verdict for each in comparisons)
    reported: tuple[Verdict, ...] = (*DIFFERENCES, "new")
    named: dict[str, list[str]] = {verdict: [each.name for each in comparisons if each.verdict == verdict] for verdict in reported}
    largest = max((each.largest_relative for each in comparisons), default=0.0)
    result = "different" if any(verdicts[verdict] for verdict in DIFFERENCES) else "equal"
    within = verdicts["within tolerance"]
    return {
        "result": result, "columns": len(comparisons), "equal": verdicts["equal"], "within_tolerance": within, **named,
        "largest_relative_difference": largest if largest != float("inf") else None,
    }  # fmt: skip


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
