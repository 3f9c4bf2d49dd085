"""`from pricers import NAME` returns the object that its module defines, whatever was imported before."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import pricers


def test_exported_name_is_that_of_its_module():
    for found in pkgutil.iter_modules(pricers.__path__):  # importing a module sets its name in the package
        importlib.import_module(f"pricers.{found.name}")
    for name, module in pricers._MODULE_OF.items():
        assert getattr(pricers, name) is getattr(importlib.import_module(f"pricers.{module}"), name)
        assert name in dir(pricers)


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(pricers.__file__).read_text(encoding="utf-8"))
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in checked.body if isinstance(node, ast.ImportFrom)]
    assert {name.asname: str(node.module) for node in imports for name in node.names} == {
        name: f"pricers.{module}" for name, module in pricers._MODULE_OF.items()
    }


def test_other_name_is_no_attribute():
    with pytest.raises(AttributeError, match="'pricers' has no attribute 'price'"):
        pricers.price  # noqa: B018
