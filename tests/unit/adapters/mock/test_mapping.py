"""The tables between the exchange's words and the canonical ones."""

from brokergw.adapters.mock.mapping import REASONS, STATES
from brokergw.exchange import OrderStatus, RefusalCode
from brokergw.model.lifecycle import is_terminal


def test_every_refusal_has_its_word() -> None:
    """Each code of the exchange has a canonical reason."""
    assert REASONS.keys() == set(RefusalCode)


def test_every_status_has_its_state() -> None:
    """Each status has a state, and an order that has ended there has ended here, but for a replaced one."""
    assert STATES.keys() == set(OrderStatus)
    for status, state in STATES.items():
        assert is_terminal(state) is (not status.is_open and status is not OrderStatus.REPLACED)
