"""What a simulator's events and paths go through before anybody sees them."""

import pytest

from brokergw.sim.faults import Fault, FaultName, Faults
from brokergw.sim.routes import Routes
from brokergw.sim.telling import Teller


def told(*faults: Fault) -> list[str]:
    """Tell three events while some faults are armed, and give what was told."""
    armed = Faults()
    for fault in faults:
        armed.arm(fault)
    seen: list[str] = []
    teller = Teller(armed, seen.append, lambda: seen.append("cut"))
    for event in ("one", "two", "three"):
        teller.tell(event, event)
    teller.release()
    return seen


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        (FaultName.DUPLICATE_EVENTS, ["one", "one", "two", "three"]),
        (FaultName.REORDERED_EVENTS, ["two", "one", "three"]),
        (FaultName.DROPPED_EVENTS, ["two", "three"]),
        (FaultName.DROPPED_STREAM, ["cut", "two", "three"]),
    ],
)
def test_a_fault_strikes_one_event(name: FaultName, seen: list[str]) -> None:
    """An event is told twice, after the next, not at all, or the stream ends in its place; the others as they come."""
    assert told(Fault(name=name)) == seen


def test_without_a_fault_everything_is_told_once() -> None:
    """Nothing is held back, and a fault of another event changes nothing."""
    assert told() == told(Fault(name=FaultName.DROPPED_EVENTS, event="four")) == ["one", "two", "three"]


def test_what_is_held_back_last_is_released() -> None:
    """An event that no other follows is told when it is released."""
    assert told(Fault(name=FaultName.REORDERED_EVENTS, event="three")) == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/orders", ("all", ())),
        ("GET", "/orders/open", ("open", ())),
        ("GET", "/orders/7", ("one", ("7",))),
        ("GET", "/orders/BTC%2FUSD", ("one", ("BTC/USD",))),
        ("GET", "/accounts/a/orders/7", ("both", ("a", "7"))),
        ("GET", "/accounts/a/orders/", (None, ())),
        ("GET", "/orders/7/legs", (None, ())),
        ("POST", "/orders/7", (None, ())),
    ],
)
def test_a_path_leads_to_its_endpoint(method: str, path: str, found: tuple[str | None, tuple[str, ...]]) -> None:
    """A path without stars goes first; a star is one part, never an empty one, and is given decoded."""
    routes = Routes(
        {
            ("GET", "/orders"): "all",
            ("GET", "/orders/*"): "one",
            ("GET", "/orders/open"): "open",
            ("GET", "/accounts/*/orders/*"): "both",
        }
    )
    assert routes.find(method, path) == found
