"""The result of one product's comparison with QuantLib, common to the `accuracy_*` modules."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Comparison:
    """The comparison of `contracts` contracts of one product, valued by riskray and by QuantLib under equal curves.

    A mismatch is a contract that differs in status, cash-flow dates, an amount (1e-9 relative), PV (1e-10 of notional), or a yield or
    duration (1e-9); each is counted once, and the first few are described in `details`.
    """

    contracts: int
    max_pv_difference: float
    """Largest |PV - QuantLib's PV| as a fraction of notional."""
    mismatches: int
    details: dict[str, Any] = field(default_factory=dict)
    """Counts by convention, the largest difference of each other quantity, and examples of mismatches; JSON values only."""

    def as_json(self) -> dict[str, Any]:
        """The comparison as a JSON object."""
        return asdict(self)
