"""The loader of named queries, and order in sql/."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

import sql


def test_query_is_found_by_name() -> None:
    assert sql.load("lock_migrations").startswith("SELECT pg_advisory_lock(")


def test_unknown_query_is_named_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"no query 'nope' in sql/queries; there are: .*insert_run"):
        sql.load("nope")


def test_every_query_is_used() -> None:
    root = Path(str(files("riskray"))).parent
    sources = "\n".join(path.read_text(encoding="utf-8") for folder in ("riskray", "deployments") for path in (root / folder).rglob("*.py"))
    unused = [name for name in sql.queries() if f'"{name}"' not in sources and not name.startswith("check_")]
    assert not unused


def test_migrations_are_numbered_without_gap() -> None:
    numbers = [int(re.match(r"(\d{3})_[a-z_]+\.sql$", name).group(1)) for name in sql.migrations()]  # type: ignore[union-attr]
    assert numbers == list(range(1, len(numbers) + 1))
