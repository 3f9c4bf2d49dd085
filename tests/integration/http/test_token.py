"""If a token is set, every route of every service requires it, except health, documentation and the index page."""

from collections.abc import Iterator

import pytest

from tests.fixtures.services import API_TOKEN, Api, opened_api
from tests.fixtures.stored_snapshots import bond, store_portfolio

OPEN = {"/health", "/health/deep"}


@pytest.fixture
def guarded(database_url: str) -> Iterator[Api]:
    with opened_api(database_url, api_token=API_TOKEN) as api:
        yield api


def test_every_route_of_every_service_demands_the_token(guarded: Api) -> None:
    asked = 0
    for prefix, app in guarded.services.items():
        for path, methods in app.openapi()["paths"].items():
            if path in OPEN or (prefix, path) == ("/", "/"):
                continue
            for method in methods:
                address = f"{prefix.rstrip('/')}{path}".replace("{", "").replace("}", "")
                # With and without a final slash, because a service's own address has both forms.
                for written in {address, address.rstrip("/") or "/"}:
                    assert guarded.http.request(method, written).status_code == 401, f"{method.upper()} {written}"
                    asked += 1
    assert asked > 40


@pytest.mark.parametrize("name", ["health", "docs", "openapi.json"])
def test_portfolio_with_the_name_of_an_open_page_is_as_guarded_as_any(guarded: Api, name: str) -> None:
    store_portfolio(guarded.database, [bond(1)], name=name)
    address = f"/api/v1/portfolios/{name}"
    assert [guarded.http.get(f"{address}/{below}").status_code for below in ("positions", "download")] == [401, 401]
    assert guarded.http.delete(address).status_code == 401


def test_health_documentation_and_the_index_page_are_open(guarded: Api) -> None:
    for prefix in guarded.services:
        for path in ("/health", "/openapi.json", "/docs"):
            assert guarded.http.get(f"{prefix.rstrip('/')}{path}").status_code == 200
        assert guarded.http.get(f"{prefix.rstrip('/')}/docs/files/swagger-ui.css").status_code == 200
    assert guarded.http.get("/").status_code == 200


def test_service_answers_with_the_token(guarded: Api) -> None:
    answer = guarded.http.get("/api/v1/runs/", headers={"Authorization": f"Bearer {API_TOKEN}"})
    assert answer.status_code == 200
    assert answer.json()["data"] == []
