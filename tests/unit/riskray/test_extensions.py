"""Pricers from outside this repository."""

import sys
from pathlib import Path

import pytest

from pricers import registry
from riskray.config import Settings
from riskray.errors import StackError
from riskray.extensions import load_pricers
from tests.fixtures.contributing import recipe


def test_module_of_the_settings_is_imported_as_often_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_pricers.py").write_text(recipe("my_pricers.py"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))
    settings = Settings(data_directory=tmp_path, pricer_modules=["my_pricers"])
    load_pricers(settings)
    load_pricers(settings)
    assert "PROMISSORY_NOTE" in registry.known_products()
    del sys.modules["my_pricers"]


def test_module_that_is_not_there_is_named_with_the_setting(tmp_path: Path) -> None:
    settings = Settings(data_directory=tmp_path, pricer_modules=["never_there"])
    with pytest.raises(StackError, match=r"RISKRAY_PRICER_MODULES names 'never_there', which cannot be imported \(No module named"):
        load_pricers(settings)
