"""No reason of a gate is published that no line of the product gives."""

import pytest

from brokergw.model.errors import Reason
from brokergw.rpc.wire.reasons_gates import AUTHORITY, EXPOSURE, INSTRUMENT, SANITY
from tests.architecture.sources import ROOT

_SAYS_WHAT_IT_MEANS = {"errors.py", "reasons_gates.py", "reasons_risk.py"}


@pytest.fixture(scope="module")
def product() -> str:
    """Give everything that could give a reason."""
    files = (ROOT / "src/brokergw").rglob("*.py")
    return "\n".join(path.read_text("utf-8") for path in files if path.name not in _SAYS_WHAT_IT_MEANS)


@pytest.mark.parametrize("reason", [*AUTHORITY, *INSTRUMENT, *SANITY, *EXPOSURE])
def test_a_gates_reason_is_given_by_somebody(reason: Reason, product: str) -> None:
    """A client never waits for a refusal that cannot come."""
    assert f"Reason.{reason.name}" in product
