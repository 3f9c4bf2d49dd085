"""The kernel benchmark's products: equal values on both sides, and figures for both passes."""

import numpy as np
import pytest

from benchmarks import kernel
from benchmarks.kernel_products import PRODUCTS
from pricers import Scenarios, present_values
from riskray.market.build import build_market
from riskray.portfolio.generate import generate_portfolio
from riskray.runs.loading import prepare_positions
from riskray.snapshots.demo import demo_market
from tests.oracles.quantlib_portfolio import QuantlibSample, contract_rows


@pytest.mark.parametrize("product", sorted(PRODUCTS))
def test_product_is_measured_against_equal_values(product: str) -> None:
    figures = kernel.measure_product(product, 24, 3, seed=3)
    assert figures["max_pv_difference"] <= 1e-10
    assert figures["ratio"] > 0.0
    assert figures["base_ratio"] > 0.0


def test_sample_of_a_mixed_book_has_floating_bonds_and_swaps() -> None:
    market = build_market(demo_market(), base_currency="USD")
    products = ("CREDIT_DEFAULT_SWAP", "CROSS_CURRENCY_SWAP", "FLOATING_RATE_BOND", "INTEREST_RATE_SWAP")
    tables = generate_portfolio(40, seed=2, as_of=demo_market().as_of, broken_fraction=0.0, shares=dict.fromkeys(products, 0.25))
    sample = QuantlibSample(market)
    for product, table in tables.items():
        compiled = prepare_positions(table, product=product, first_position_no=0, market=market).compiled
        assert compiled is not None
        ours = present_values(compiled, market=market, scenarios=Scenarios(count=1))[:, 0]
        rows = contract_rows(product, table)
        known = [(instrument, row, value) for row, value in zip(rows, ours, strict=True) if (instrument := sample.instrument(product, row))]
        assert len(known) >= table.num_rows - 5
        theirs = [abs(instrument.NPV()) * sample.fx(product, row) for instrument, row, _ in known]
        close = np.isclose(theirs, np.abs([value for _, _, value in known]), rtol=1e-6, atol=1e-2)
        assert close.mean() > 0.6, product  # resetting swaps differ where QuantLib cannot say the calendar of an exchange rate
