"""Settings from the environment: all are described, and contradictory ones are refused by name."""

import pytest
from pydantic import ValidationError

from riskray.config import Settings, misspelt_variables


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_setting_says_what_it_means(name: str) -> None:
    assert (Settings.model_fields[name].description or "").endswith(".")


@pytest.mark.parametrize("times", [{"RISKRAY_HEARTBEAT_S": "20"}, {"RISKRAY_LEASE_S": "4"}])
def test_lease_that_would_end_before_its_renewal_is_refused(monkeypatch: pytest.MonkeyPatch, times: dict[str, str]) -> None:
    for name, value in times.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match="at most half of RISKRAY_LEASE_S") as refused:
        Settings()
    assert [problem["loc"] for problem in refused.value.errors()] == [("heartbeat_s",)]


def test_address_without_its_scheme_is_refused_before_anybody_calls_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKRAY_API_URL", "localhost:8800")
    with pytest.raises(ValidationError, match="api_url"):
        Settings()
    monkeypatch.setenv("RISKRAY_API_URL", "")
    assert Settings(http_host="127.0.0.1", http_port=8801).base_url == "http://127.0.0.1:8801"


def test_misspelt_variable_is_found_and_the_one_that_is_meant_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKRAY_PRICER_ACTOR", "3")
    monkeypatch.setenv("RISKRAY_HEAD_SVC_SERVICE_HOST", "10.0.0.1")  # as Kubernetes sets it
    assert misspelt_variables() == {"RISKRAY_PRICER_ACTOR": "RISKRAY_PRICER_ACTORS"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("my_pricers", ["my_pricers"]),
        ("one, two,", ["one", "two"]),
        ('["one", "two"]', ["one", "two"]),
        ("", []),
    ],
)
def test_list_is_given_with_commas_or_as_json(text: str, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKRAY_PRICER_MODULES", text)
    settings = Settings()
    assert settings.pricer_modules == names
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_list_that_is_no_json_is_an_error_of_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKRAY_ALLOWED_ORIGINS", '["https://desk.example"')
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert [problem["loc"] for problem in refused.value.errors()] == [("allowed_origins",)]
