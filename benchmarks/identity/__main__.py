"""Whether this code computes the very numbers of a state of the code that wrote a file.

    python -m benchmarks.identity --against ../identity.zip --json

Where the file does not exist it is written: seeded portfolios, markets and a history, every result that they give, and a checksum of each
column of results, under keys that no storage decides (position, book, curve, pillar, currency, scenario). Where it exists, its own inputs
are valued by the code as it is now and each column is compared bit by bit; columns that differ are named, with the largest relative
difference and where it is, and the exit status is 1. What only the code of now has is reported as new and is no difference; what it lacks
is one. With `--tolerance` numbers may differ by so much in relation to the sum of the absolute values of their terms, as far as results
tell it (legs of positions, ladders); solved measures (yields, z-spreads) are told apart by the reader. `missing`, texts and counts have no
tolerance. The file belongs to one machine: BLAS, exp and log of others may round otherwise.
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
    """Print the columns that are not equal and one JSON object as the last line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.identity", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--against", type=Path, required=True, metavar="FILE", help="compared with where it exists, else written")
    parser.add_argument("--positions", type=int, default=None, help=f"of a file that is written; {POSITIONS:,} where not given")
    parser.add_argument("--seed", type=int, default=None, help="of a file that is written; 1 where not given")
    parser.add_argument("--tolerance", type=float, default=None, help="relative difference allowed; none: bits must be equal")
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="accepted for uniformity: the last line is always JSON")
    arguments = parser.parse_args(given)
    started = time.perf_counter()
    exists = arguments.against.exists()
    if exists and (arguments.positions, arguments.seed) != (None, None):
        parser.error(f"{arguments.against} exists and has its own positions; leave out --positions and --seed, or name another file")
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
    """All figures that a stack of its own makes of the inputs."""
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
