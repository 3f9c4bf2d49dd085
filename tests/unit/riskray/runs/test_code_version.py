"""The digest of the pricers' sources covers every source that can change a number."""

from pathlib import Path

import pytest

from riskray.runs.code_version import pricer_sources


def digest(*modules: str) -> str:
    pricer_sources.cache_clear()
    return pricer_sources(modules)


@pytest.fixture(autouse=True)
def _not_cached():
    yield
    pricer_sources.cache_clear()


def test_change_of_a_module_that_the_settings_name_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "desk_pricers.py").write_text("RATE = 1.0\n", encoding="utf-8")
    before = digest("desk_pricers")
    assert before not in (digest(), digest("no_such_module"))
    (tmp_path / "desk_pricers.py").write_text("RATE = 2.0\n", encoding="utf-8")
    assert digest("desk_pricers") != before


@pytest.mark.parametrize("target", ["bank.deposit", "bank.deposit:register_products"])
def test_change_of_any_source_of_an_installed_pricer_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    without = digest()
    wheel, package = tmp_path / "bank-1.0.dist-info", tmp_path / "bank"
    wheel.mkdir()
    package.mkdir()
    (wheel / "METADATA").write_text("Metadata-Version: 2.1\nName: bank\nVersion: 1.0\n", encoding="utf-8")
    (wheel / "entry_points.txt").write_text(f"[riskray.pricers]\ndeposit = {target}\n", encoding="utf-8")
    for name in ("__init__", "deposit", "interest"):
        (package / f"{name}.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    installed = digest()
    (package / "interest.py").write_text("DAYS = 365\n", encoding="utf-8")
    changed = digest()
    assert len({without, installed, changed}) == 3
