"""Markets from quotes over HTTP, in the SDK and on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from riskray.cli import app
from riskray.client import Client
from riskray.config import Settings
from riskray.errors import InvalidRequest
from tests.fixtures.services import Api

QUOTES = [
    {"quote_id": f"OIS.{tenor}", "instrument": "OIS", "convention": "EUR-FIXED-1Y-ESTR-OIS", "tenor": tenor, "value": value}
    for tenor, value in (("1Y", 0.0195), ("5Y", 0.0231), ("10Y", 0.0265))
]
DOCUMENT: dict[str, Any] = {
    "name": "quoted",
    "as_of": "2026-11-30",
    "quotes": QUOTES,
    "curves": [{"name": "EUR-ESTR", "currency": "EUR", "instruments": [quote["quote_id"] for quote in QUOTES]}],
}


@pytest.fixture
def client(api: Api) -> Client:
    return Client(Settings(api_url="http://testserver"), http=api.http)


def test_a_market_from_quotes_has_curves_and_residuals(client: Client) -> None:
    stored = client.upload_market(DOCUMENT)
    (curve,) = client.market_curves("quoted")
    assert curve.pillars == ["2027-12-03", "2031-12-03", "2036-12-03"]
    detail = client.get_market("quoted")
    assert [quote.quote_id for quote in detail.quotes] == ["OIS.10Y", "OIS.1Y", "OIS.5Y"]
    assert all(quote.curve == "EUR-ESTR" and quote.residual is not None and abs(quote.residual) <= 1e-13 for quote in detail.quotes)
    downloaded = json.loads(client.download_market("quoted", format="json"))
    assert client.upload_market(downloaded).market_id == stored.market_id


def test_a_quote_that_gives_no_curve_is_refused_by_name(client: Client) -> None:
    wrong = DOCUMENT | {"quotes": [QUOTES[0], QUOTES[1] | {"tenor": "10Y"}, QUOTES[2]]}
    with pytest.raises(InvalidRequest, match=r"OIS\.10Y and OIS\.5Y both determine EUR-ESTR on 2036-12-03"):
        client.upload_market(wrong)


def test_build_shows_residuals_and_writes_the_document(tmp_path: Path, client: Client) -> None:
    file, built = tmp_path / "quotes.json", tmp_path / "market.json"
    file.write_text(json.dumps(DOCUMENT))
    done = CliRunner().invoke(app, ["market", "build", str(file), "--output", str(built)])
    assert done.exit_code == 0, done.output
    assert [line.split()[:3] for line in done.stdout.splitlines()[1:]] == [
        ["EUR-ESTR", "OIS.10Y", "OIS"], ["EUR-ESTR", "OIS.1Y", "OIS"], ["EUR-ESTR", "OIS.5Y", "OIS"],
    ]  # fmt: skip
    assert client.upload_market(json.loads(built.read_text())).market_id == client.upload_market(DOCUMENT).market_id


def test_a_quote_ladder_has_one_scenario_for_each_quote(client: Client) -> None:
    client.upload_market(DOCUMENT)
    stored = client.create_scenario_set("par", market="quoted", definition={"kind": "stress", "quote_ladder": {}})
    detail = client.get_scenario_set(stored.scenario_set_id)
    assert detail.labels == ["OIS.10Y", "OIS.1Y", "OIS.5Y"]
    assert detail.factors == ["quote/OIS.10Y", "quote/OIS.1Y", "quote/OIS.5Y"]
    assert detail.unmoved == ["credit"]
