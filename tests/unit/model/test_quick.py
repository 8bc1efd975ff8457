"""Values with the cheaper constructor are what the dataclass was."""

import copy
import inspect
from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields, replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.model import account, events, order, outcome, terms
from brokergw.model.quick import copier_of, quick


@quick
@dataclass(frozen=True, slots=True)
class Point:
    """One by position, one with a default, one made for each value, one by name only."""

    x: int
    y: int = 2
    tags: list[str] = field(default_factory=list)
    name: str = field(default="p", kw_only=True)


def test_a_quick_value_is_built_as_the_dataclass_says() -> None:
    """Positions, keywords, defaults and factories mean what they meant."""
    point = Point(1, tags=["a"], name="q")

    assert (point.x, point.y, point.tags, point.name) == (1, 2, ["a"], "q")
    assert Point(1).tags == []
    assert Point(1).tags is not Point(1).tags
    with pytest.raises(TypeError, match="x"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        Point(1, 2, [], "q")  # type: ignore[call-arg]


def test_a_quick_value_stays_frozen() -> None:
    """Nobody assigns to a field or adds one, and the class is the one that was asked for."""
    point = Point(1)

    assert type(point) is Point
    with pytest.raises(FrozenInstanceError):
        point.x = 5  # type: ignore[misc]
    with pytest.raises(AttributeError):
        object.__setattr__(point, "z", 1)


def test_a_quick_value_compares_copies_and_changes_as_before() -> None:
    """Equality, hash, representation, copies and `replace` see the same fields."""
    point = Point(1, 3)
    fee = order.Fee(Decimal(1), "USD", "X")

    assert point == Point(1, 3) != Point(1, 4)
    assert repr(point) == "Point(x=1, y=3, tags=[], name='p')"
    assert copy.copy(point) == copy.deepcopy(point) == point
    assert replace(point, x=7) == Point(7, 3, point.tags) == copier_of(Point)(point, {"x": 7})
    assert hash(fee) == hash(copy.copy(fee))


def test_a_changed_copy_is_frozen_and_leaves_the_first_as_it_was() -> None:
    """Only the fields that are named differ, and a name that is no field's is an error."""
    point = Point(1, 3)
    changed = copier_of(Point)(point, {"y": 4})

    assert type(changed) is Point
    assert (changed.x, changed.y, point.y) == (1, 4, 3)
    with pytest.raises(FrozenInstanceError):
        changed.x = 5  # type: ignore[misc]
    with pytest.raises(AttributeError, match="z"):
        copier_of(Point)(point, {"z": 1})


@pytest.mark.parametrize(
    "kind", [order.Order, order.Fill, terms.OrderTerms, outcome.BrokerOrder, events.LogEvent, account.Position]
)
def test_the_constructor_asks_for_the_same_as_the_dataclass(kind: type[Any]) -> None:
    """The parameters are the fields, in their order, with their defaults."""
    asked = list(inspect.signature(kind).parameters.values())

    assert [one.name for one in asked] == [part.name for part in fields(kind)]
    for one, part in zip(asked, fields(kind), strict=True):
        assert one.default == (inspect.Parameter.empty if part.default is MISSING else part.default)
        assert one.kind is inspect.Parameter.KEYWORD_ONLY
