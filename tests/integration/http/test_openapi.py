"""Rules of all services: documented errors, models in one place, and no response that the document does not describe."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

import deployments
from deployments.services.index import SERVICES
from tests.fixtures.services import Api, opened_api

EXAMPLES_PER_ROUTE = 20


@pytest.fixture(scope="module")
def services(create_database: Callable[..., str], _template: str) -> Iterator[Api]:
    with opened_api(create_database(template=_template)) as api:
        yield api


def operations(api: Api) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for prefix, app in api.services.items():
        for path, methods in app.openapi()["paths"].items():
            for method, operation in methods.items():
                yield prefix, f"{method.upper()} {path}", operation


def fields(api: Api) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for prefix, app in api.services.items():
        for model, schema in app.openapi().get("components", {}).get("schemas", {}).items():
            for name, field in schema.get("properties", {}).items():
                yield prefix, model, name, field


def test_every_route_documents_its_errors_in_the_house_shape(services: Api) -> None:
    for prefix, route, operation in operations(services):
        for status in ("401", "422", "429", "500", "503"):
            schema = operation["responses"][status]["content"]["application/json"]["schema"]["$ref"]
            expected = "DeepHealth" if route == "GET /health/deep" and status == "503" else "ErrorBody"
            assert schema.endswith(expected), (prefix, route, status)


def test_route_with_an_id_documents_that_there_may_be_none(services: Api) -> None:
    missing = [(prefix, route) for prefix, route, operation in operations(services) if "{" in route and "404" not in operation["responses"]]
    assert missing == []


def test_route_that_takes_json_documents_that_it_takes_nothing_else(services: Api) -> None:
    taking = [operation["responses"] for _, _, operation in operations(services) if "requestBody" in operation]
    assert len(taking) > 6
    assert all("415" in responses for responses in taking)


def test_every_route_has_a_summary(services: Api) -> None:
    assert [(prefix, route) for prefix, route, operation in operations(services) if not operation.get("summary")] == []


def test_every_parameter_and_field_is_described(services: Api) -> None:
    missing = [
        (prefix, route, parameter["name"])
        for prefix, route, operation in operations(services)
        for parameter in operation.get("parameters", [])
        if not parameter.get("description")
    ]
    missing += [(prefix, model, name) for prefix, model, name, field in fields(services) if not field.get("description")]
    assert missing == []


def test_examples_of_fields_are_what_the_fields_take(services: Api) -> None:
    for prefix, app in services.services.items():
        parts = {"components": app.openapi().get("components", {})}
        for where, model, name, field in fields(services):
            if where == prefix:
                for example in field.get("examples", []):
                    problems = [error.message for error in jsonschema_rs.validator_for({**field, **parts}).iter_errors(example)]
                    assert problems == [], (prefix, model, name)


def test_every_json_answer_has_an_example_that_fits(services: Api) -> None:
    for prefix, app in services.services.items():
        document = app.openapi()
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                for status, answer in operation["responses"].items():
                    content = answer.get("content", {}).get("application/json", {})
                    if status < "300" and content.get("schema"):
                        schema = {**content["schema"], "components": document["components"]}
                        problems = [str(error) for error in jsonschema_rs.validator_for(schema).iter_errors(content["example"])]
                        assert problems == [], (prefix, method, path)
    run = services.services["/api/v1/runs"].openapi()["paths"]["/{run_id}"]["get"]["responses"]["200"]["content"]["application/json"]
    assert (run["example"]["state"], run["example"]["progress"]["ok_count"]) == ("PARTIAL", 9_950)


def test_example_of_every_upload_can_be_uploaded(services: Api) -> None:
    taken = []
    for prefix, route, operation in operations(services):
        for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
            if "example" in body:
                content = body["example"] if media_type == "text/csv" else json.dumps(body["example"])
                address = prefix + route.removeprefix("POST ").replace("{fixings_name}", "example")
                params = {} if "/snapshots" in route or "/append" in route else {"name": "example"}
                answer = services.http.post(address, content=content, params=params, headers={"Content-Type": media_type})
                assert answer.status_code in (200, 201), (address, media_type, answer.text)
                taken.append((prefix.rpartition("/")[2], media_type))
    assert taken == [
        *[("market-data", "application/json"), ("market-data", "text/csv")] * 3,
        ("portfolios", "application/json"), ("portfolios", "text/csv"),
        ("scenarios", "application/json"), ("scenarios", "text/csv"), ("scenarios", "text/csv"),
    ]  # fmt: skip


def test_no_service_defines_a_model_of_its_own() -> None:
    """Contracts are shared: they live in riskray/models, where client and services both take them from."""
    found = [
        f"{file.name}: {node.name}"
        for file in Path(next(iter(deployments.__path__))).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and {"BaseModel", "Model"} & {getattr(base, "id", "") for base in node.bases}
    ]
    assert found == []


def test_page_begins_with_what_the_service_is_for(services: Api) -> None:
    for prefix in services.services:
        groups = [tag["name"] for tag in services.http.get(f"{prefix.rstrip('/')}/openapi.json").json()["tags"]]
        assert groups[-1] == "health"
        assert len(groups) == len(set(groups))
    assert groups == ["health"]  # the index has nothing else


def test_index_links_to_every_service(services: Api) -> None:
    page = services.http.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for name in SERVICES:
        assert f"/api/v1/{name}/docs" in page.text


def test_docs_page_loads_nothing_from_another_host(services: Api) -> None:
    for prefix in services.services:
        root = prefix.rstrip("/")
        page = services.http.get(f"{root}/docs").text
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page) + re.findall(r"url: '([^']+)'", page)
        assert [path.rpartition("/")[2] for path in loaded] == ["swagger-ui.css", "favicon.png", "swagger-ui-bundle.js", "openapi.json"]
        assert [path for path in loaded if not path.startswith(f"{root}/")] == []
        assert {services.http.get(path).status_code for path in loaded} == {200}
        assert "https://" not in page
        assert '"validatorUrl": null' in page


def test_every_service_answers_its_health(services: Api) -> None:
    for prefix in services.services:
        root = prefix.rstrip("/")
        assert services.http.get(f"{root}/health").json()["status"] == "ok"
        assert services.http.get(f"{root}/health/deep").json()["database"]["migrated"] is True


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_address_without_a_final_slash_is_the_services_own(services: Api, method: str) -> None:
    answer = services.http.request(method, "/api/v1/runs")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


# The connection pool draws random pauses in its own threads, which hypothesis would attribute to the strategy.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies:hypothesis.errors.HypothesisDeprecationWarning")
@pytest.mark.slow
@pytest.mark.parametrize("name", SERVICES)
def test_generated_requests_get_documented_answers(services: Api, name: str) -> None:
    """A short run of schemathesis with fixed requests: documented statuses, documented bodies, no 500."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", _kept_open(services.services[f"/api/v1/{name}"]))
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if not operation.path.endswith("/events"):  # a stream; its tests are in test_runs
            _check_operation(operation)


def _kept_open(app: Any) -> Any:
    """The application without its end: schemathesis opens and closes what it tests around every request."""

    async def kept_open(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})

    return kept_open


def _check_operation(operation: Any) -> None:
    @settings(
        max_examples=EXAMPLES_PER_ROUTE,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        # hypothesis takes words from the sources, and a snapshot with the name "health" would match another route.
        assume("health" not in (case.path_parameters or {}).values())
        answer = case.call()
        assert answer.status_code != 500, answer.text
        case.validate_response(answer, checks=[status_code_conformance, response_schema_conformance])

    check()
