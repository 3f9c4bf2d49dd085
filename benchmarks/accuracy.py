"""Every product against QuantLib under equal curves: random contracts over all conventions.

    python -m benchmarks.accuracy --json [--contracts 30000] [--seed 1]

The last line is one JSON object. `mismatches` counts contracts that differ in status, cash-flow dates, an amount (1e-9 relative), PV
(1e-10 of notional), or a yield or duration (1e-9); `max_pv_difference` is the largest PV difference as a fraction of notional. The exit
status is 1 if there is a mismatch.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Final

from tests.oracles import (
    accuracy_bond_futures,
    accuracy_bonds,
    accuracy_credit,
    accuracy_cross_currency,
    accuracy_deposits,
    accuracy_floating_bonds,
    accuracy_floating_loans,
    accuracy_fx,
    accuracy_fx_swap,
    accuracy_inflation,
    accuracy_loans,
    accuracy_money_market,
    accuracy_single_period,
    accuracy_swaps,
)
from tests.oracles.accuracy_report import Comparison

COMPARISONS: Final[dict[str, Callable[..., Comparison]]] = {
    "BOND_FUTURE": accuracy_bond_futures.compare,
    "FIXED_BOND": accuracy_bonds.compare,
    "AMORT_LOAN": accuracy_loans.compare,
    "FX_FWD": accuracy_fx.compare,
    "FLOATING_RATE_BOND": accuracy_floating_bonds.compare,
    "FLOATING_LOAN": accuracy_floating_loans.compare,
    "REVOLVING_CREDIT": accuracy_floating_loans.compare_facilities,
    "FX_SWAP": accuracy_fx_swap.compare,
    "INFLATION_LINKED_BOND": accuracy_inflation.compare_bonds,
    "INFLATION_SWAP": accuracy_inflation.compare_swaps,
    "MONEY_MARKET": accuracy_money_market.compare,
    "NON_MATURITY_DEPOSIT": accuracy_deposits.compare,
    "REPO": accuracy_money_market.compare_repos,
    "CREDIT_DEFAULT_SWAP": accuracy_credit.compare,
    "INTEREST_RATE_SWAP": accuracy_swaps.compare,
    "CROSS_CURRENCY_SWAP": accuracy_cross_currency.compare,
    "FRA": accuracy_single_period.compare,
    "RATE_FUTURE": accuracy_single_period.compare_futures,
}
CONTRACTS_DEFAULT: Final = 30_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contracts", type=int, default=CONTRACTS_DEFAULT, help="contracts of all products together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON object")
    arguments = parser.parse_args()
    each = -(-arguments.contracts // len(COMPARISONS))
    products = {}
    start = time.perf_counter()
    for product, compare in COMPARISONS.items():
        comparison = compare(each, seed=arguments.seed)
        products[product] = comparison.as_json()
        if not arguments.json:
            print(f"{product:<12}{comparison.contracts:>8} contracts, {comparison.mismatches} mismatches, "
                  f"largest PV difference {comparison.max_pv_difference:.1e} of notional")  # fmt: skip
    result = {
        "contracts": sum(entry["contracts"] for entry in products.values()),
        "max_pv_difference": max(entry["max_pv_difference"] for entry in products.values()),
        "mismatches": sum(entry["mismatches"] for entry in products.values()),
        "seconds": round(time.perf_counter() - start, 1),
        "products": products,
    }
    print(json.dumps(result))
    return 1 if result["mismatches"] else 0


if __name__ == "__main__":
    sys.exit(main())
