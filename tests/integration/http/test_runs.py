"""Runs over HTTP."""

import json
from typing import Any

import pytest

from deployments.services import runs
from riskray.errors import StoreUnavailable
from riskray.store.runs import delete_run, events_after, request_cancel
from tests.fixtures.services import Api
from tests.fixtures.stored_snapshots import bond, fx_forward, store_market, store_portfolio, store_scenarios

URL = "/api/v1/runs"
REQUEST = {"portfolio": "desk", "market": "close", "base_currency": "USD"}
POSITIONS = [bond(number) for number in range(6)] + [bond(90, discount_curve="EUR-X")] + [fx_forward(number) for number in range(3)]


@pytest.fixture
def stored(api: Api) -> Api:
    store_market(api.database)
    store_portfolio(api.database, POSITIONS)
    return api


def submit(api: Api, *, headers: dict[str, str] | None = None, **changes: Any) -> Any:
    return api.http.post(URL, json={**REQUEST, **changes}, headers=headers or {})


def stream(api: Api, run_id: str, **headers: str) -> list[dict[str, str]]:
    text = api.http.get(f"{URL}/{run_id}/events", headers=headers).text
    blocks = [dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != ":") for block in text.split("\n\n")]
    return [block for block in blocks if "event" in block]


def test_submit_answers_at_once_with_where_to_look(stored: Api) -> None:
    stored.grid.is_asleep = True
    answer = submit(stored, name="end of day")
    run = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{URL}/{run['run_id']}"
    assert answer.headers["retry-after"] == "1"
    assert (run["state"], run["name"], run["progress"]["position_count"]) == ("QUEUED", "end of day", 10)
    assert stored.http.get(answer.headers["location"]).json() == run


def test_submit_that_may_wait_answers_with_the_ended_run(stored: Api) -> None:
    answer = submit(stored, headers={"Prefer": "respond-async, wait=30"})
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=30"
    assert "retry-after" not in answer.headers
    run = answer.json()
    assert run["state"] == "PARTIAL"
    assert (run["progress"]["ok_count"], run["progress"]["failed_count"]) == (9, 1)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ("group", "drop_position")),
        ({"vectors": "position", "failure_policy": "drop_scenario"}, ("position", "drop_scenario")),
        ({"vectors": "none"}, ("none", "drop_position")),
    ],
)
def test_submit_with_a_scenario_set_says_which_vectors_it_leaves(stored: Api, asked: dict[str, Any], expected: tuple[str, str]) -> None:
    scenario_set_id = store_scenarios(stored.database, ["up", "down"], {"zero/EUR-GOVT/5Y": [0.01, -0.01]})
    run = submit(stored, headers={"Prefer": "wait=30"}, scenario_set="moves", **asked).json()
    assert run["scenario_set_id"] == scenario_set_id
    assert (run["vectors"], run["failure_policy"]) == expected


@pytest.mark.parametrize(
    ("asked", "status", "named"),
    [
        ({"vectors": "group"}, 422, "requires a scenario_set"),
        ({"scenario_set": "none-such"}, 404, "none-such"),
        ({"scenario_set": "foreign"}, 422, "the market has no zero/GBP-GOVT/5Y"),
        ({"scenario_set": "foreign", "failure_policy": "drop_run"}, 422, "drop_position"),
    ],
)
def test_submit_with_scenarios_that_make_no_sense_is_refused_and_stores_nothing(
    stored: Api, asked: dict[str, Any], status: int, named: str
) -> None:
    store_scenarios(stored.database, ["up"], {"zero/GBP-GOVT/5Y": [0.01]}, name="foreign")
    answer = submit(stored, **asked)
    assert answer.status_code == status, answer.text
    assert named in answer.text
    assert stored.http.get(URL).json()["total"] == 0


def test_submit_that_waited_in_vain_answers_202(stored: Api) -> None:
    stored.grid.is_asleep = True
    answer = submit(stored, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["state"], answer.headers["preference-applied"]) == (202, "QUEUED", "wait=1")


def test_repeated_submit_with_a_key_makes_one_run(stored: Api) -> None:
    stored.grid.is_asleep = True
    first, again = (submit(stored, headers={"Idempotency-Key": "k-1"}) for _ in range(2))
    assert first.json()["run_id"] == again.json()["run_id"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert stored.http.get(URL).json()["total"] == 1


def test_key_used_for_another_request_is_refused(stored: Api) -> None:
    stored.grid.is_asleep = True
    submit(stored, headers={"Idempotency-Key": "k-1"})
    answer = submit(stored, headers={"Idempotency-Key": "k-1"}, base_currency="EUR")
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("changes", "status", "named"),
    [
        ({"portfolio": "nobody"}, 404, "nobody"),
        ({"market": "never"}, 404, "never"),
        ({"base_currency": "usd"}, 422, "base_currency: String should match pattern '^[A-Z]{3}$'; given 'usd'"),
        ({"base_currency": "QQQ"}, 422, "QQQ"),
        ({"measures": ["pv", "vega"]}, 422, "given 'vega'"),
        ({"measures": ["pv", "dv01", "pv"]}, 422, "body.measures: given more than once: pv"),
        ({"vectors": "group"}, 422, '"detail":"body: vectors=group requires a scenario_set"'),
        ({"measures": []}, 422, "measures"),
        ({"rows_per_shard": 0}, 422, "rows_per_shard: Input should be greater than or equal to 1; given 0"),
        ({"colour": "red"}, 422, "body.colour: unknown field"),
    ],
)
def test_wrong_request_names_the_offender_and_stores_nothing(stored: Api, changes: dict[str, Any], status: int, named: str) -> None:
    answer = submit(stored, **changes)
    assert answer.status_code == status
    assert named in answer.text
    assert stored.http.get(URL).json()["total"] == 0


def test_base_currency_without_a_rate_is_what_preflight_names(stored: Api) -> None:
    refused = submit(stored, preflight="strict", base_currency="CHF")
    assert refused.status_code == 422
    named = {problem["loc"][2] for problem in refused.json()["errors"] if problem["loc"][1] == "currency"}
    assert named == {"CHF"}
    assert "an exchange rate of CHF is missing" in refused.text


def test_strict_preflight_refuses_what_flag_runs(stored: Api) -> None:
    stored.grid.is_asleep = True
    refused = submit(stored, preflight="strict")
    assert (refused.status_code, refused.json()["error"]) == (422, "preflight_failed")
    assert "EUR-X" in refused.text
    flagged = submit(stored).json()["preflight"]
    assert [(gap["kind"], gap["name"], gap["position_count"]) for gap in flagged["gaps"]] == [("discount_curve", "EUR-X", 1)]


def test_preflight_alone_runs_nothing(stored: Api) -> None:
    found = stored.http.post(f"{URL}/preflight", json=REQUEST).json()
    assert (found["position_count"], found["affected_position_count_max"]) == (10, 1)
    assert stored.http.get(URL).json()["total"] == 0


def test_unchanged_run_answers_304_to_its_etag(stored: Api) -> None:
    run_id = submit(stored, headers={"Prefer": "wait=30"}).json()["run_id"]
    first = stored.http.get(f"{URL}/{run_id}")
    again = stored.http.get(f"{URL}/{run_id}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert stored.http.get(f"{URL}/{run_id}", headers={"If-None-Match": '"other"'}).status_code == 200


def test_etag_changes_with_the_run(stored: Api) -> None:
    stored.grid.is_asleep = True
    run_id = submit(stored).json()["run_id"]
    tag = stored.http.get(f"{URL}/{run_id}").headers["etag"]
    stored.grid.drive()
    assert stored.http.get(f"{URL}/{run_id}", headers={"If-None-Match": tag}).status_code == 200


def test_events_are_streamed_in_order_to_the_end(stored: Api) -> None:
    run_id = submit(stored, rows_per_shard=4).json()["run_id"]
    events = stream(stored, run_id)
    assert events[0]["event"] == "submitted"
    assert [event["event"] for event in events][-2:] == ["finished", "end"]
    assert [int(event["id"]) for event in events[:-1]] == list(range(1, len(events)))
    assert json.loads(events[-1]["data"])["state"] == "PARTIAL"


def test_stream_goes_on_after_the_last_event_seen(stored: Api) -> None:
    run_id = submit(stored, headers={"Prefer": "wait=30"}).json()["run_id"]
    everything = stream(stored, run_id)
    rest = stream(stored, run_id, **{"Last-Event-ID": "2"})
    assert rest == everything[2:]
    assert [event["event"] for event in stream(stored, run_id, **{"Last-Event-ID": "999"})] == ["end"]


def test_end_that_comes_between_two_looks_leaves_no_event_out(stored: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    stored.grid.is_asleep = True
    run_id = submit(stored).json()["run_id"]

    def look_then_end(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(runs, "events_after", events_after)
        seen = events_after(*args, **kwargs)
        stored.grid.drive()
        return seen

    monkeypatch.setattr(runs, "events_after", look_then_end)
    assert [event["event"] for event in stream(stored, run_id, **{"Last-Event-ID": "1"})] == [
        "claimed",
        "shard_done",
        "shard_done",
        "finished",
        "end",
    ]


def test_late_reader_of_many_events_gets_them_without_pauses(stored: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_pause(*_: Any, **__: Any) -> Any:
        pytest.fail("the stream paused though there was more to read")

    monkeypatch.setattr(runs, "EVENTS_AT_ONCE", 2)
    monkeypatch.setattr(runs, "wait_for_ring", no_pause)
    run_id = submit(stored, rows_per_shard=1, headers={"Prefer": "wait=0"}).json()["run_id"]
    stored.grid.join()
    assert [event["event"] for event in stream(stored, run_id)].count("shard_done") == 10


def test_stream_of_a_run_that_is_deleted_ends(stored: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    stored.grid.is_asleep = True
    run_id = submit(stored).json()["run_id"]

    async def delete(*_: Any, **__: Any) -> None:
        request_cancel(stored.database, run_id=run_id)
        delete_run(stored.database, run_id=run_id)

    monkeypatch.setattr(runs, "wait_for_ring", delete)
    assert [event["event"] for event in stream(stored, run_id)] == ["submitted"]
    assert stored.http.get(f"{URL}/{run_id}/events").status_code == 404


def test_stream_outlives_a_database_that_is_away_for_a_while(stored: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = submit(stored, headers={"Prefer": "wait=30"}).json()["run_id"]

    def away(*_: Any, **__: Any) -> Any:
        monkeypatch.setattr(runs, "events_after", events_after)
        raise StoreUnavailable("away")

    monkeypatch.setattr(runs, "events_after", away)
    assert [event["event"] for event in stream(stored, run_id)][-2:] == ["finished", "end"]


def test_cancelled_run_is_final_and_cancelling_again_changes_nothing(stored: Api) -> None:
    stored.grid.is_asleep = True
    run_id = submit(stored).json()["run_id"]
    first = stored.http.post(f"{URL}/{run_id}/cancel")
    assert (first.status_code, first.json()["state"]) == (202, "CANCELLED")
    assert stored.http.post(f"{URL}/{run_id}/cancel").json() == first.json()


def test_running_run_cannot_be_deleted_an_ended_one_can(stored: Api) -> None:
    stored.grid.is_asleep = True
    run_id = submit(stored).json()["run_id"]
    assert stored.http.delete(f"{URL}/{run_id}").status_code == 409
    stored.grid.drive()
    assert stored.http.delete(f"{URL}/{run_id}").status_code == 204
    assert stored.http.get(f"{URL}/{run_id}").status_code == 404


def test_runs_are_listed_newest_first_and_filtered(stored: Api) -> None:
    stored.grid.is_asleep = True
    ids = [submit(stored, name=f"run {number}").json()["run_id"] for number in range(3)]
    stored.http.post(f"{URL}/{ids[0]}/cancel")
    assert [run["run_id"] for run in stored.http.get(URL).json()["data"]] == ids[::-1]
    assert [run["run_id"] for run in stored.http.get(URL, params={"state": "CANCELLED"}).json()["data"]] == ids[:1]
    assert [run["run_id"] for run in stored.http.get(URL, params={"name": "run 1"}).json()["data"]] == ids[1:2]
    assert stored.http.get(URL, params={"state": "ASLEEP"}).status_code == 422


@pytest.mark.parametrize("path", ["/run-0", "/run-0/events"])
def test_unknown_run_is_404_by_name(stored: Api, path: str) -> None:
    answer = stored.http.get(URL + path)
    assert answer.status_code == 404
    assert "run-0" in answer.json()["detail"]


def test_job_run_waits_for_its_executor(stored: Api) -> None:
    run_id = submit(stored, executor="job").json()["run_id"]
    stored.grid.join()
    assert stored.http.get(f"{URL}/{run_id}").json()["state"] == "QUEUED"
    stored.grid.drive(executor="job")
    assert stored.http.get(f"{URL}/{run_id}").json()["state"] == "PARTIAL"
