"""A kernel compiled from other sources is never used, for sources in any folder of the package."""

from pathlib import Path
from typing import Any

import numba
import pytest

import pricers
from pricers.kernels.cache import sources_digest

PACKAGE = Path(pricers.__file__).parent


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for source in ("__init__.py", "nodes.py", "dates/__init__.py", "dates/calendars.py", "products/bonds/flows.py"):
        path = tmp_path / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {source}\n")
    return tmp_path


@pytest.mark.parametrize("source", ["nodes.py", "dates/calendars.py", "products/bonds/flows.py"])
def test_changed_source_has_another_digest(package: Path, source: str) -> None:
    before = sources_digest(package)
    assert sources_digest(package) == before
    (package / source).write_text("# another rule\n")
    assert sources_digest(package) != before


@pytest.mark.parametrize("source", ["swaps.py", "dates/day_count.py", "products/swaps/flows.py"])
def test_added_source_has_another_digest(package: Path, source: str) -> None:
    before = sources_digest(package)
    (package / source).parent.mkdir(exist_ok=True)
    (package / source).write_text("")
    assert sources_digest(package) != before


def test_moved_source_has_another_digest(package: Path) -> None:
    before = sources_digest(package)
    (package / "nodes.py").rename(package / "dates" / "nodes.py")
    assert sources_digest(package) != before


def test_kernels_of_these_sources_lie_at_the_top_of_the_package_or_where_numba_is_told() -> None:
    options: Any = numba.config
    folder = Path(options.CACHE_DIR)
    assert folder.name == f"kernels-{sources_digest(PACKAGE)}"
    assert not folder.is_relative_to(PACKAGE) or folder.parent == PACKAGE / "__pycache__"
