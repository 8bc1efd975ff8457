"""The permit: spent once, in time, or never."""

from collections.abc import Sequence

import pytest

from brokergw.model.errors import GatewayError, Reason
from brokergw.ports.permit import VALID_S, Permit, PermitExpired, PermitSpent
from tests.fixtures.clock import FakeClock

HALTED = GatewayError(Reason.TRADING_HALTED, "halted")


def granted(clock: FakeClock, halts: Sequence[GatewayError] = ()) -> Permit:
    """Grant a permit now, which the first of the halts stops."""
    return Permit(
        order_id="ord_1",
        attempt=1,
        client_order_id="ord-1",
        granted_at=clock.monotonic(),
        monotonic=clock.monotonic,
        stopped=lambda: halts[0] if halts else None,
    )


@pytest.fixture
def permit(still_clock: FakeClock) -> Permit:
    """A permit granted now."""
    return granted(still_clock)


def test_a_permit_is_spent_once(permit: Permit) -> None:
    """The second time is refused, whatever became of the first."""
    permit.spend()
    assert permit.spent
    with pytest.raises(PermitSpent):
        permit.spend()


def test_a_permit_expires(permit: Permit, still_clock: FakeClock) -> None:
    """A sender that wakes too late sends nothing, now or later (C6)."""
    still_clock.advance(VALID_S + 0.001)
    with pytest.raises(PermitExpired):
        permit.spend()
    assert not permit.spent


def test_a_permit_lives_for_its_whole_time(permit: Permit, still_clock: FakeClock) -> None:
    """At the last moment it is still good."""
    still_clock.advance(VALID_S)
    permit.spend()


def test_a_spent_permit_stays_spent_when_it_has_grown_old(permit: Permit, still_clock: FakeClock) -> None:
    """Expiry must never be read as a proof of nothing sent once bytes may have left."""
    permit.spend()
    still_clock.advance(10 * VALID_S)
    with pytest.raises(PermitSpent):
        permit.spend()


def test_a_withdrawn_permit_is_a_proof(permit: Permit) -> None:
    """Withdrawing succeeds before the first byte, and keeps it from ever leaving."""
    assert permit.withdraw()
    with pytest.raises(PermitExpired):
        permit.spend()
    assert permit.withdraw()


def test_a_spent_permit_cannot_be_withdrawn(permit: Permit) -> None:
    """Once bytes may have left there is no proof that they have not."""
    permit.spend()
    assert not permit.withdraw()


def test_a_further_step_has_what_is_left_of_the_time_and_is_asked_again(still_clock: FakeClock) -> None:
    """A yes to a broker's question leaves once, before the attempt's own time is over, and never after a halt."""
    halts: list[GatewayError] = []
    permit = granted(still_clock, halts)
    with pytest.raises(PermitExpired):
        permit.further().spend()
    permit.spend()
    still_clock.advance(VALID_S)
    first, late, halted = permit.further(), permit.further(), permit.further()
    first.spend()
    with pytest.raises(PermitSpent):
        first.spend()
    halts.append(HALTED)
    with pytest.raises(PermitExpired, match="halted"):
        halted.spend()
    halts.clear()
    still_clock.advance(0.001)
    with pytest.raises(PermitExpired):
        late.spend()


@pytest.mark.parametrize("age_s", [0.0, VALID_S, VALID_S + 0.001])
def test_what_held_a_permit_back_is_told_and_stays(still_clock: FakeClock, age_s: float) -> None:
    """Whoever waits is told of the halt, however old the permit is by then; lifted, it does not let this one go."""
    halts = [HALTED]
    permit = granted(still_clock, halts)
    still_clock.advance(age_s)
    with pytest.raises(PermitExpired, match="halted"):
        permit.spend()
    halts.clear()
    with pytest.raises(PermitExpired):
        permit.spend()
    assert permit.refusal is HALTED
    assert not permit.spent


def test_a_permit_that_is_only_too_old_names_nothing_else(permit: Permit, still_clock: FakeClock) -> None:
    """Its age is no refusal of anybody's."""
    still_clock.advance(VALID_S + 0.001)
    with pytest.raises(PermitExpired):
        permit.spend()
    assert permit.refusal is None
