"""Input files for the Open Source Risk Engine: complete, well-formed, and of the contracts that riskray values."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks import ore_files
from pricers import RowStatus, contracts_of, pricer, value_contracts
from riskray.market.build import build_market
from riskray.models.market_data import MarketDocument


@pytest.mark.parametrize("product", sorted(ore_files.PRODUCTS))
def test_contracts_are_trades_and_can_be_valued(product: str) -> None:
    rng = np.random.default_rng(5)
    market = ore_files.random_market(rng)
    rows = [ore_files.PRODUCTS[product].draw(rng) for _ in range(20)]
    trades = ElementTree.fromstring(ore_files.portfolio(product, rows))
    assert [trade.attrib["id"] for trade in trades] == [f"T{number:06d}" for number in range(20)]
    ends = {"EndDate": "maturity_date", "ValueDate": "delivery_date"}
    for trade, row in zip(trades, rows, strict=True):
        written = {(node.tag, node.text) for node in trade.iter() if node.tag in ends}
        assert written == {(tag, str(np.datetime64(row[name], "D"))) for tag, name in ends.items() if name in row}
    valuation = value_contracts(product, contracts_of(pricer(product).columns, rows), market=market)
    assert valuation.status.tolist() == [RowStatus.OK] * 20


def test_files_are_those_that_the_master_file_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    market = ore_files.random_market(rng)
    ore_files.write_market(tmp_path, market, product="INTEREST_RATE_SWAP", scenarios=3, rng=rng)
    master = ElementTree.parse(ore_files.write_master(tmp_path, analytics=("npv", "sensitivity"), scenarios=3)).getroot()
    named = {node.text for node in master.iter("Parameter") if node.attrib["name"].endswith("File") and "utput" not in node.attrib["name"]}
    written = {path.name for path in tmp_path.iterdir()} | {"portfolio.xml", "log.txt"}
    assert named <= written
    assert [node.attrib["type"] for node in master.iter("Analytic")] == ["npv", "sensitivity"]
    for path in tmp_path.glob("*.xml"):
        ElementTree.parse(path)
    history = (tmp_path / "scenarios.csv").read_text().splitlines()
    assert len(history) == 5
    assert {len(line.split(",")) for line in history} == {3 + 7 * len(ore_files.TENORS) + 1}


def test_document_builds_the_same_market() -> None:
    market = ore_files.random_market(np.random.default_rng(5))
    built = build_market(MarketDocument.model_validate(ore_files.market_document(market)), base_currency="EUR")
    assert built.fx("USD") == pytest.approx(ore_files.FX, rel=1e-14)
    for curve in market.curves:
        stored = built.curves[built.curve_index[curve.name]]
        assert stored.pillar_days.tolist() == curve.pillar_days.tolist()
        assert stored.zero_rates.tolist() == pytest.approx(curve.zero_rates.tolist(), rel=1e-13)
