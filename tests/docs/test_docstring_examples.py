"""Every example in a docstring of any module prints the output that the docstring shows."""

import ast
import doctest
import importlib
from pathlib import Path

import pytest

from pricers import registry

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pricers", "riskray", "deployments", "sql")
# Only modules with an example are imported, because others may need an environment that a test process does not have.
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


def examples(source: str, *, module: str, names: dict[str, object]) -> list[doctest.DocTest]:
    """One test for each text that stands alone and holds an example.

    They are read from the source, because a compiled or wrapped function hides its docstring from doctest's own search.
    """
    texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    parser = doctest.DocTestParser()
    found = [
        parser.get_doctest(text.value, dict(names), f"{module}, line {text.lineno}", None, text.lineno - 1)
        for text in texts
        if isinstance(text.value, str)
    ]
    return [test for test in found if test.examples]


def complaints(tests: list[doctest.DocTest]) -> str:
    """What doctest says of the examples that print something else."""
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    for test in tests:
        runner.run(test, out=said.append)
    return "".join(said)


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_print_what_they_say(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))
    imported = importlib.import_module(module)
    assert imported.__file__ is not None
    tests = examples(Path(imported.__file__).read_text(encoding="utf-8"), module=module, names=vars(imported))
    assert tests, f"{module} holds >>> outside a docstring"
    assert complaints(tests) == ""


def test_every_package_is_searched() -> None:
    assert {"pricers.time.dates", "pricers.registry", "pricers.market.curves", "riskray.figures.estimators"} <= set(MODULES)


@pytest.mark.parametrize(
    "source",
    [
        '"""\n>>> 1 + 1\n3\n"""',
        'class A:\n    """Says.\n\n    >>> 1 + 1\n    3\n    """',
        'class A:\n    x = 1\n    """\n    >>> 1 + 1\n    3\n    """',
        'class A:\n    def f(self):\n        """\n        >>> 1 + 1\n        3\n        """',
        '@njit(cache=True)\n@no_type_check\ndef f():\n    """\n    >>> 1 + 1\n    3\n    """',
        'async def f():\n    """\n    >>> raise ValueError\n    """',
    ],
)
def test_wrong_example_is_found_wherever_it_stands(source: str) -> None:
    assert "Failed example" in complaints(examples(source, module="planted", names={}))
