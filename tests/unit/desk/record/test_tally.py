from decimal import Decimal

import pytest

from brokergw.desk.record.tally import Execution, Tally, Totals, totals_of
from brokergw.model.order import FillKind

D = Decimal
NEW, CORRECTION, BUST = FillKind.NEW, FillKind.CORRECTION, FillKind.BUST


def execution(kind: FillKind, quantity: str, price: str = "50", refers_to: str = "", time_ns: int = 1) -> Execution:
    return Execution(kind, D(quantity), D(price), time_ns, refers_to)


A, B = execution(NEW, "4"), execution(NEW, "6", "51")


@pytest.mark.parametrize(
    ("amendments", "quantity", "value"),
    [
        ({}, "10", "506"),
        ({"c": execution(BUST, "6", "51", "b")}, "4", "200"),
        ({"c": execution(CORRECTION, "5", "52", "b")}, "9", "460"),
        ({"c": execution(CORRECTION, "5", "52", "b"), "d": execution(CORRECTION, "3", "52", "c")}, "7", "356"),
        ({"c": execution(CORRECTION, "5", "52", "b"), "d": execution(BUST, "5", "52", "c")}, "4", "200"),
        ({"c": execution(CORRECTION, "5", "52", "b"), "d": execution(BUST, "5", "52", "b")}, "4", "200"),
        ({"c": execution(BUST, "6", "51", "b"), "d": execution(BUST, "6", "51", "b")}, "4", "200"),
        ({"c": execution(BUST, "6", "51")}, "4", "200"),
        ({"c": execution(BUST, "7", "51")}, "10", "506"),
        ({"c": execution(CORRECTION, "5", "52")}, "10", "506"),
        ({"c": execution(BUST, "1", "50", "unknown")}, "10", "506"),
    ],
    ids=[
        "nothing",
        "a bust",
        "a correction",
        "a correction of a correction",
        "a bust of a correction",
        "a bust of what was corrected",
        "a bust told twice under two names",
        "a bust that is known by its size only",
        "a bust of nothing that is known",
        "a correction that does not say of what",
        "a bust of an unknown name",
    ],
)
def test_what_stands_is_counted(amendments: dict[str, Execution], quantity: str, value: str) -> None:
    """A correction stands in the place of what it is about, a bust counts nothing, what is unclear changes nothing."""
    totals = totals_of({"a": A, "b": B, **amendments})
    assert (totals.quantity, totals.value) == (D(quantity), D(value))


def test_an_average_stays_within_the_contracts_scale() -> None:
    """A third is shown with nine places; what needs fewer keeps its own."""
    assert Totals(D(3), D(10)).average_price == D("3.333333333")
    assert str(Totals(D(10), D("500.00")).average_price) == "50.00"
    assert Totals().average_price is None


def test_an_amendment_of_nothing_known_is_told_apart() -> None:
    """What an amendment is about is known by its name, or else by its size and price."""
    tally = Tally(1)
    tally.add({"a": A, "b": B})
    tally.add({"c": execution(BUST, "6", "51"), "d": execution(BUST, "9"), "e": execution(BUST, "6", "51", "x")})
    assert [name for name in "abcde" if tally.unexplained(name)] == ["d", "e"]
