"""The rules of the repository that no linter checks."""

import ast
import importlib
import importlib.util
import inspect
import itertools
import pickle
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from numba.core.dispatcher import Dispatcher

import riskray.errors
from riskray.errors import RiskrayError

ROOT = Path(__file__).resolve().parent.parent
FUNCTION_BODY_LINES_MAX = 70
FILE_LINES_MAX = 500


@cache
def repository_files() -> tuple[Path, ...]:
    """Files that git tracks or would track, relative to the root. Works also where another user owns the checkout."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(sorted({Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()}))


def text_files() -> list[Path]:
    return [path for path in repository_files() if b"\0" not in (ROOT / path).read_bytes()[:8192]]


def python_files(*, tests: bool) -> list[Path]:
    return [path for path in repository_files() if path.suffix == ".py" and (tests or path.parts[0] != "tests")]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def docstrings(tree: ast.Module) -> set[int]:
    """Identities of the nodes that are docstrings."""
    owners = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    firsts = [owner.body[0] for owner in owners if owner.body]
    return {id(first.value) for first in firsts if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)}


def test_function_bodies_fit_on_a_screen() -> None:
    too_long = []
    for path in python_files(tests=False):
        tree = parsed(path)
        documentation = docstrings(tree)
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            body = [node for node in function.body if not (isinstance(node, ast.Expr) and id(node.value) in documentation)]
            lines = (function.end_lineno or function.lineno) - body[0].lineno + 1 if body else 0
            if lines > FUNCTION_BODY_LINES_MAX:
                too_long.append(f"{path}:{function.lineno} {function.name} has {lines} lines")
    assert not too_long


def test_source_files_stay_short() -> None:
    lengths = {str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in python_files(tests=False)}
    assert not {path: lines for path, lines in lengths.items() if lines > FILE_LINES_MAX}


def test_module_names_say_what_they_are_responsible_for() -> None:
    vague = {"utils", "util", "helpers", "helper", "misc", "common_utils"}
    assert not [str(path) for path in python_files(tests=True) if vague & {path.stem.lstrip("_"), *path.parts}]


def _sql_statements(tree: ast.Module) -> Iterator[ast.Constant]:
    # SQL is written in capitals or in lower case, unlike a help text that begins with "Select".
    shapes = r"SELECT\s.+\sFROM\s|SELECT\s+\w+\(|INSERT\s+INTO\s|UPDATE\s+[\w.{}%\"]+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s*\("
    small = re.sub(r"[A-Z]{2,}", lambda word: word.group().lower(), shapes)
    statement = re.compile(rf"\s*(?:{shapes}|{small})", re.DOTALL)
    documentation = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation and statement.match(node.value):
            yield node


def test_sql_text_lives_in_the_sql_folder() -> None:
    found = [
        f"{path}:{node.lineno}" for path in python_files(tests=False) if path.parts[0] != "sql" for node in _sql_statements(parsed(path))
    ]
    assert not found


@pytest.mark.parametrize(
    ("source", "is_sql"),
    [
        ('x = "SELECT 1 FROM run"', True),
        ('x = """\n  select run_id\n  from run"""', True),
        ('x = f"DELETE FROM {table}"', True),
        ('x = "UPDATE run SET state = 1"', True),
        ('x = "INSERT INTO run VALUES (1)"', True),
        ('x = "Select positions from a book"', False),
        ('def f():\n    "SELECT a FROM b"', False),
        ('x = "update"', False),
    ],
)
def test_sql_statement_in_a_string_is_recognised(source: str, is_sql: bool) -> None:
    assert bool(list(_sql_statements(ast.parse(source)))) is is_sql


def test_nothing_is_left_to_be_done_later() -> None:
    marker = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    found = [
        f"{path}:{number}"
        for path in text_files()
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), start=1)
        if marker.search(line)
    ]
    assert not found


def test_files_name_no_path_of_a_machine() -> None:
    # Ray's session directory is the only such path that is equal everywhere; manifests mount it.
    machine_path = re.compile(r"(?<![\w.~}-])/(?:wo" + r"rk|ro" + r"ot|t" + r"mp(?!/ray\b))/")
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in text_files()
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), start=1)
        if machine_path.search(line)
    ]
    assert not found


WORST_WORDS = re.compile(r"\b(?:who" + r"ever|some" + r"body|no" + r"body(?![\"`])|has not " + r"got|answers " + r"with)\b", re.IGNORECASE)
CHECKSUMMED = {"sql/schema.sql", *(f"sql/{path.name}" for path in (ROOT / "sql").glob("[0-9][0-9][0-9]_*.sql"))}
"""Migrations are applied by checksum, and the schema is dumped from them: their comments stay as they were."""
PROSE = {".md", ".py", ".sql", ".yaml", ".yml", ".toml", ".tf", ".tfvars", ".sh"}
PROSE_NAMES = {"Dockerfile", "Makefile"}


def _worst_words(path: Path, text: str) -> Iterator[str]:
    if path.name == "CHANGELOG.md":  # released sections stay as they were
        text = "\n".join(itertools.takewhile(lambda line: not re.match(r"## \[\d", line), text.splitlines()))
    for match in WORST_WORDS.finditer(re.sub(r"\s", " ", text)):
        yield f"{path}:{text.count(chr(10), 0, match.start()) + 1} {match.group()}"


def test_prose_leaves_no_actor_to_be_guessed() -> None:
    files = [path for path in text_files() if path.suffix in PROSE or path.name in PROSE_NAMES]
    assert len(files) > 100
    found = [
        hit for path in files if path.as_posix() not in CHECKSUMMED for hit in _worst_words(path, (ROOT / path).read_text(encoding="utf-8"))
    ]
    assert not found, f"{found}: name the actor; a function returns a value, and a market lacks a curve"


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("docs/page.md", "# Page\n\nWho" + "ever reads", ["docs/page.md:3 Who" + "ever"]),
        ("sql/queries/runs.sql", "-- Runs that no" + "body drives.", ["sql/queries/runs.sql:1 no" + "body"]),
        ("cluster/a.yaml", "# it answers " + "with 503", ["cluster/a.yaml:1 answers " + "with"]),
        ("docs/page.md", "a curve that the market has not\n" + "got", ["docs/page.md:1 has not " + "got"]),
        ("CHANGELOG.md", "## [Unreleased]\n- some" + "body", ["CHANGELOG.md:2 some" + "body"]),
        ("CHANGELOG.md", "## [Unreleased]\n- a run\n## [0.1.0]\n- some" + "body", []),
        ("docs/page.md", "what the API answers; no body is returned", []),
    ],
)
def test_worst_words_are_found_where_they_stand(name: str, text: str, found: list[str]) -> None:
    assert list(_worst_words(Path(name), text)) == found


def _environment_reads(tree: ast.Module) -> Iterator[ast.AST]:
    written = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "os" and {"environ", "getenv"} & {name.name for name in node.names}:
            yield node
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} and id(node) not in written:
            yield node


def test_only_the_settings_read_the_environment() -> None:
    found = [
        f"{path}:{getattr(node, 'lineno', 0)}"
        for path in python_files(tests=False)
        if path != Path("riskray/config.py")
        for node in _environment_reads(parsed(path))
    ]
    assert not found


def _kernels(module: ModuleType) -> dict[str, Any]:
    """Functions of a module that numba compiles, by name, for any name of the decorator."""
    kernels = {name: value.py_func for name, value in vars(module).items() if isinstance(value, Dispatcher)}
    return {name: function for name, function in kernels.items() if function.__module__ == module.__name__}


def _unmarked_kernels(module: ModuleType) -> list[str]:
    return [f"{module.__name__}.{name}" for name, kernel in _kernels(module).items() if not hasattr(kernel, "__no_type_check__")]


def test_compiled_functions_opt_out_of_runtime_type_checks() -> None:
    """numba cannot compile what the suite's jaxtyping hook wraps; without this test the failure is a riddle."""
    modules = [importlib.import_module(name) for name in _module_names("pricers")]
    assert sum(len(_kernels(module)) for module in modules) > 100
    unmarked = [name for module in modules for name in _unmarked_kernels(module)]
    assert not unmarked, f"{unmarked} want @typing.no_type_check below their numba decorator"


def _module_names(package: str) -> list[str]:
    paths = [path for path in python_files(tests=False) if path.is_relative_to(package)]
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]


@pytest.mark.parametrize(
    "decorator",
    [
        "from pricers.kernels.jit import kernel\n@kernel",
        "from pricers.kernels.jit import kernel as fast\n@fast",
        "from pricers.kernels import jit\n@jit.kernel",
        "from pricers.kernels.jit import njit\n@njit(cache=True, nogil=True)",
        "from pricers.kernels.jit import njit\nfast = njit(cache=True)\n@fast",
        "from numba import njit as fast\n@fast",
        "import numba\n@numba.jit",
    ],
)
def test_kernel_without_the_mark_is_found_by_whatever_name_it_is_compiled(tmp_path: Path, decorator: str) -> None:
    for mark, found in (("", ["planted.f"]), ("@no_type_check\n", [])):
        source = f"from typing import no_type_check\n{decorator}\n{mark}def f(x):\n    return x\n"
        (tmp_path / "planted.py").write_text(source)
        spec = importlib.util.spec_from_file_location("planted", tmp_path / "planted.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert _unmarked_kernels(module) == found


def test_kernels_are_compiled_in_one_way() -> None:
    compilers = {"njit", "jit", "vectorize", "guvectorize", "cfunc", "stencil"}
    found = [
        f"{path}:{node.lineno}"
        for path in python_files(tests=False)
        if path != Path("pricers/kernels/jit.py")
        for node in ast.walk(parsed(path))
        if (isinstance(node, ast.ImportFrom) and node.module == "numba" and compilers & {name.name for name in node.names})
        or (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "numba" and node.attr in compilers)
    ]
    assert not found, f"{found} compile without pricers.kernels.jit, which keeps kernels by source and compiles each once"


def _error_classes(base: type[RiskrayError] = RiskrayError) -> list[type[RiskrayError]]:
    own = [kind for kind in base.__subclasses__() if kind.__module__ == riskray.errors.__name__]
    return [base, *(descendant for kind in own for descendant in _error_classes(kind))]


def _example(kind: type[RiskrayError]) -> RiskrayError:
    """An instance with a value for every argument, chosen by the argument's annotation."""
    values: list[tuple[str, Any]] = [("list[dict", [{"loc": ["a"], "msg": "b"}]), ("list[str", ["a"]), ("dict", {"a": 1})]
    values += [("str", "a"), ("int", 1), ("float", 0.5), ("bool", True)]
    arguments: dict[str, Any] = {}
    for name, parameter in list(inspect.signature(kind.__init__).parameters.items())[1:]:
        annotation = inspect.formatannotation(parameter.annotation)
        arguments[name] = next((value for prefix, value in values if annotation.startswith(prefix)), None)
    return kind(**arguments)


@pytest.mark.parametrize("kind", _error_classes(), ids=lambda kind: kind.__name__)
def test_error_survives_pickle(kind: type[RiskrayError]) -> None:
    error = _example(kind)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (str(copy), copy.args, vars(copy)) == (str(error), error.args, vars(error))


def test_error_codes_are_unique() -> None:
    codes = [kind.code for kind in _error_classes()]
    assert len(codes) == len(set(codes))


def test_every_package_says_it_is_typed() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["packages"]
    assert [name for name in packages if not (ROOT / name / "py.typed").is_file()] == []


def _locked(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "cluster/image/requirements-build.lock"])
def test_lock_file_pins_by_hash_and_names_no_index(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.splitlines()[0] for entry in entries if not re.search(r"==\S+.*\\\n\s+--hash=sha256:", entry)] == []
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE)


def test_development_lock_contains_the_runtime_lock() -> None:
    development = _locked("requirements-dev.lock")
    assert {name: version for name, version in _locked("requirements.lock").items() if development.get(name) != version} == {}


def test_lock_files_cover_the_declared_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=~! ;]", requirement)[0].lower() for requirement in requirements}

    assert names(project["dependencies"]) - _locked("requirements.lock").keys() == set()
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    assert names(extras) - _locked("requirements-dev.lock").keys() == set()


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("pricers.registry", {"ray", "psycopg", "fastapi", "pydantic", "pyarrow"}),
        (", ".join(_module_names("riskray/models")), {"numba", "llvmlite", "QuantLib", "scipy", "ray", "psycopg", "fastapi", "pyarrow"}),
        ("riskray.cli", {"numba", "QuantLib", "ray", "psycopg", "fastapi"}),
        ("riskray.client", {"numba", "QuantLib", "ray", "psycopg", "fastapi"}),
    ],
)
def test_light_module_imports_without_heavy_libraries(modules: str, unwanted: set[str]) -> None:
    """The import contracts see what the sources say; this sees what the interpreter loads."""
    program = f"import sys, {modules}; print(*sorted({unwanted!r} & sys.modules.keys()))"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert loaded == []
