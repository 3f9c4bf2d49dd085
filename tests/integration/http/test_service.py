"""The service factory: the common behaviour of services, tested on one with routes that fail in every way."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, HTTPException, Query, Request
from starlette.testclient import TestClient

from deployments.http.downloads import FormatQuery
from deployments.http.errors import STATUS_OF_ERROR, status_of
from deployments.http.paging import OffsetPage
from deployments.http.service import create_service
from riskray import errors
from riskray.config import Settings
from riskray.logs import configure_logs
from riskray.models.tail_risk import VarQuery
from riskray.store.database import Database
from tests.fixtures.services import API_TOKEN

HOUSE_FIELDS = {"error", "detail", "status_code", "type", "title", "status", "instance", "request_id", "errors"}

NAN_NOTIONAL = {"loc": ["rows", 1, "notional"], "msg": "is NaN", "code": "not_finite"}
RAISED: dict[str, tuple[Exception, int, str]] = {
    "not-found": (errors.NotFound("run", "run-1"), 404, "not_found"),
    "conflict": (errors.Conflict("still running"), 409, "conflict"),
    "invalid": (
        errors.InvalidRequest("bad rows", [{"loc": ["rows", 1, "notional"], "msg": "is NaN", "code": "not_finite"}]),
        422,
        "invalid_request",
    ),
    "preflight": (errors.PreflightFailed("no curve"), 422, "preflight_failed"),
    "format": (errors.UnsupportedFormat("no xlsx"), 415, "unsupported_format"),
    "overloaded": (errors.Overloaded("later"), 429, "overloaded"),
    "unauthorized": (errors.Unauthorized("who?"), 401, "unauthorized"),
    "store-down": (errors.StoreUnavailable("no route"), 503, "store_unavailable"),
    "store-old": (errors.StoreNotMigrated("run riskray db migrate"), 503, "store_not_migrated"),
    "defect": (ZeroDivisionError("secret detail"), 500, "internal_error"),
    "teapot": (HTTPException(403, "not yours"), 403, "forbidden"),
}


def failing_router() -> APIRouter:
    router = APIRouter()

    @router.get("/raise/{name}")
    def raise_it(name: str) -> None:
        raise RAISED[name][0]

    @router.post("/count")
    async def count(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    @router.get("/filtered")
    def filtered(page: OffsetPage, name: str = "", asked: FormatQuery = None) -> str:
        return name

    @router.get("/modelled")
    def modelled(question: Annotated[VarQuery, Query()]) -> list[float]:
        return question.confidence

    @router.post("/typed")
    def typed(body: dict[str, int]) -> dict[str, int]:
        return body

    return router


@pytest.fixture
def serve(database: Database, database_url: str) -> Callable[..., TestClient]:
    def make(**changes: Any) -> TestClient:
        settings = Settings(database_url=database_url, **changes)
        configure_logs(settings, component="test")
        app = create_service(
            "test", description="For tests.", settings=settings, database=database, routers=[failing_router()], takes_files=True
        )
        return TestClient(app, raise_server_exceptions=False)

    return make


@pytest.mark.parametrize("name", RAISED)
def test_error_raised_in_a_route_is_answered_in_the_house_shape(serve: Callable[..., TestClient], name: str) -> None:
    _, status, code = RAISED[name]
    answer = serve().get(f"/raise/{name}")
    body = answer.json()
    assert answer.status_code == body["status_code"] == body["status"] == status
    assert body["error"] == code
    assert set(body) == HOUSE_FIELDS
    assert body["instance"] == f"/raise/{name}"
    assert body["request_id"] == answer.headers["x-request-id"]


def test_defect_shows_no_detail_of_the_program(serve: Callable[..., TestClient]) -> None:
    text = serve().get("/raise/defect").text
    assert "secret detail" not in text
    assert "Traceback" not in text


def test_every_wrong_place_is_named(serve: Callable[..., TestClient]) -> None:
    body = serve().get("/raise/invalid").json()
    assert body["errors"] == [NAN_NOTIONAL]


@pytest.mark.parametrize("name", ["overloaded", "store-down"])
def test_error_that_passes_says_when_to_come_back(serve: Callable[..., TestClient], name: str) -> None:
    assert serve().get(f"/raise/{name}").headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "code"),
    [
        ("GET", "/nowhere", None, 404, "not_found"),
        ("PATCH", "/typed", None, 405, "method_not_allowed"),
        ("POST", "/typed", b'{"a":', 400, "malformed_json"),
        ("POST", "/typed", b'{"a": "x"}', 422, "invalid_request"),
    ],
)
def test_error_of_the_framework_is_answered_in_the_house_shape(
    serve: Callable[..., TestClient], method: str, path: str, content: bytes | None, status: int, code: str
) -> None:
    answer = serve().request(method, path, content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert set(answer.json()) == HOUSE_FIELDS


@pytest.mark.parametrize(
    ("headers", "given"),
    [({"Content-Type": "application/x-www-form-urlencoded"}, "application/x-www-form-urlencoded"), ({}, "(none)")],
)
def test_json_that_is_not_declared_as_such_is_told_so(serve: Callable[..., TestClient], headers: dict[str, str], given: str) -> None:
    answer = serve().post("/typed", content=b'{"a": 1}', headers=headers)  # the first is what `curl -d` sends
    assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_format")
    assert answer.json()["detail"] == f"Content-Type '{given}' is not accepted; send application/json"
    assert set(answer.json()) == HOUSE_FIELDS


@pytest.mark.parametrize(
    ("method", "path", "takes"),
    [
        ("GET", "/filtered", "offset, limit, name, format"),
        ("GET", "/modelled", "group_by, confidence"),
        ("POST", "/typed", "none"),
        ("GET", "/health", "none"),
    ],
)
def test_unknown_query_parameter_is_refused_with_those_that_the_route_takes(
    serve: Callable[..., TestClient], method: str, path: str, takes: str
) -> None:
    body = serve().request(method, f"{path}?nam=x", json={}).json()
    assert (body["status_code"], body["error"]) == (422, "invalid_request")
    assert "'nam'" in body["detail"]
    assert [problem["loc"] for problem in body["errors"]] == [["query", "nam"]]
    listed = body["detail"].rpartition("takes ")[2].split(", ")
    assert [name for name in takes.split(", ") if name not in listed] == []


def test_known_query_parameters_are_taken(serve: Callable[..., TestClient]) -> None:
    assert serve().get("/filtered?name=x&limit=2&format=json").json() == "x"
    assert serve().get("/modelled?confidence=0.9&confidence=0.95").json() == [0.9, 0.95]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b'{"a": 1,\n "b" 2}', "Expecting ':' delimiter at line 2 column 6"),
        (b"{'a': 1}", "Expecting property name enclosed in double quotes at line 1 column 2"),
        (b'{"a": "\xff"}', "not UTF-8 text"),
    ],
)
def test_malformed_json_is_told_with_its_place_and_reason(serve: Callable[..., TestClient], content: bytes, where: str) -> None:
    answer = serve().post("/typed", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (400, "malformed_json")
    assert where in answer.json()["detail"]


def test_detail_names_the_first_wrong_values_and_counts_the_others(serve: Callable[..., TestClient]) -> None:
    detail = serve().post("/typed", json=dict.fromkeys("abcde", "x")).json()["detail"]
    assert detail.startswith("body.a: Input should be a valid integer, unable to parse string as an integer; given 'x'; body.b: ")
    assert detail.endswith("and 2 more; see errors")


def test_wrong_value_in_a_body_is_located(serve: Callable[..., TestClient]) -> None:
    body = serve().post("/typed", json={"a": 1, "b": "x"}).json()
    assert [problem["loc"] for problem in body["errors"]] == [["body", "b"]]


def test_problem_document_has_the_same_body_under_its_own_media_type(serve: Callable[..., TestClient]) -> None:
    client = serve()
    plain = client.get("/raise/conflict", headers={"X-Request-ID": "a"})
    problem = client.get("/raise/conflict", headers={"Accept": "application/problem+json", "X-Request-ID": "a"})
    assert plain.headers["content-type"] == "application/json"
    assert problem.headers["content-type"] == "application/problem+json"
    assert plain.json() == problem.json()


def test_request_id_of_the_caller_is_kept_and_a_strange_one_replaced(serve: Callable[..., TestClient]) -> None:
    client = serve()
    assert client.get("/health", headers={"X-Request-ID": "trace-7"}).headers["x-request-id"] == "trace-7"
    assert client.get("/health", headers={"X-Request-ID": "a b\u00e9".encode("latin-1")}).headers["x-request-id"] != "a b\u00e9"


def test_every_riskray_error_has_a_status() -> None:
    def descendants(kind: type[errors.RiskrayError]) -> list[type[errors.RiskrayError]]:
        return [kind, *(deeper for child in kind.__subclasses__() for deeper in descendants(child))]

    own = [kind for kind in descendants(errors.RiskrayError) if kind.__module__ == errors.__name__]
    assert [kind.__name__ for kind in own if kind not in STATUS_OF_ERROR] == []


def test_unknown_subclass_answers_like_its_ancestor() -> None:
    class Special(errors.Conflict):
        pass

    assert status_of(Special("x")) == 409


def test_token_is_demanded_of_everything_but_health_and_docs(serve: Callable[..., TestClient]) -> None:
    client = serve(api_token=API_TOKEN)
    refused = client.get("/raise/conflict")
    assert (refused.status_code, refused.json()["error"]) == (401, "unauthorized")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert client.get("/raise/conflict", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/raise/conflict", headers={"Authorization": f"Bearer {API_TOKEN}"}).status_code == 409
    assert [client.get(path).status_code for path in ("/health", "/health/deep", "/openapi.json", "/docs")] == [200] * 4
    assert client.get("/openapi.json").json()["security"] == [{"bearer": []}]


def test_body_over_the_limit_is_refused_declared_or_not(serve: Callable[..., TestClient]) -> None:
    client = serve(request_body_bytes_max=1000)
    declared = client.post("/count", content=b"x" * 1001)
    chunked = client.post("/count", content=(b"x" * 100 for _ in range(11)))
    assert [(answer.status_code, answer.json()["error"]) for answer in (declared, chunked)] == [(413, "payload_too_large")] * 2
    assert "RISKRAY_REQUEST_BODY_BYTES_MAX" in declared.json()["detail"]
    assert client.post("/count", content=b"x" * 1000).json() == 1000


def test_only_allowed_origins_may_call_from_a_browser(serve: Callable[..., TestClient]) -> None:
    client = serve(allowed_origins=["https://desk.example"])
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Idempotency-Key"}
    allowed = client.options("/typed", headers={"Origin": "https://desk.example", **preflight})
    assert allowed.headers["access-control-allow-origin"] == "https://desk.example"
    assert "access-control-allow-origin" not in client.options("/typed", headers={"Origin": "https://evil.example", **preflight}).headers
    assert "access-control-allow-origin" not in serve().get("/health", headers={"Origin": "https://desk.example"}).headers


def test_refused_request_can_be_read_by_an_allowed_browser(serve: Callable[..., TestClient]) -> None:
    client = serve(allowed_origins=["https://desk.example"], api_token=API_TOKEN)
    answer = client.get("/raise/conflict", headers={"Origin": "https://desk.example"})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "https://desk.example"


def test_deep_health_tells_the_databases_state(serve: Callable[..., TestClient]) -> None:
    answer = serve().get("/health/deep")
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "ok"
    assert body["database"]["migrated"] is True
    assert body["database"]["pool"]["pool_max"] >= 1


def test_deep_health_of_a_dead_database_is_503_and_names_it_without_the_password() -> None:
    settings = Settings(database_url="postgresql://me:hush@127.0.0.1:9/none", database_timeout_s=2.0)
    app = create_service("test", description="", settings=settings, database=Database(settings), routers=[])
    answer = TestClient(app).get("/health/deep")
    assert answer.status_code == 503
    assert answer.json()["status"] == "failing"
    assert answer.json()["database"]["target"] == "127.0.0.1:9/none"
    assert "hush" not in answer.text
    assert TestClient(app).get("/health").status_code == 200


def test_request_is_logged_with_its_id_and_status(serve: Callable[..., TestClient], capsys: pytest.CaptureFixture[str]) -> None:
    serve().get("/raise/conflict", headers={"X-Request-ID": "trace-8", "Authorization": "Bearer hush"})
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    request = next(line for line in lines if line["event"] == "request")
    assert (request["request_id"], request["status"], request["path"], request["method"]) == ("trace-8", 409, "/raise/conflict", "GET")
    assert "hush" not in json.dumps(lines)
