"""The generated reference pages are up to date with the code."""

from pathlib import Path

import pytest

from deployments.http.errors import CODE_OF_STATUS
from riskray.client.transport import RunTimeout, Truncated, Unreachable
from riskray.reference import PAGES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_reference_page_is_what_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), f"docs/{name} is out of date: run `make docs`"


def test_every_error_code_is_explained() -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    of_the_client = [Unreachable.code, Truncated.code, RunTimeout.code]
    assert [code for code in (*CODE_OF_STATUS.values(), *of_the_client) if f"`{code}`" not in page] == []
