"""Settings as an environment gives them."""

import pytest
from pydantic import ValidationError

from riskray.config import Settings


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
