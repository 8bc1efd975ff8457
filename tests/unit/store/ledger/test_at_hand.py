"""What stays at hand from one batch to the next."""

from decimal import Decimal

import pytest

from brokergw.model.ledger import Holding
from brokergw.model.usage import Usage
from brokergw.store.ledger import at_hand
from brokergw.store.ledger.at_hand import AtHand
from brokergw.store.ledger.lines import Around, Line, Place, PlaceKey
from brokergw.store.ledger.rows import NO_POSITION, NOTHING_USED, Position, PositionKey, UsageKey, Used

KEY: PlaceKey = ("usr_1", "acc_1", "", "AAPL")
_HELD = PositionKey("acc_1", "AAPL", "")
_ACCOUNT, _USER = UsageKey("usr_1", "ACCOUNT", "acc_1"), UsageKey("usr_1", "USER", "")


def with_a_place() -> AtHand:
    """Give lines of one place in a batch that has begun."""
    hand = AtHand()
    hand.begin()
    hand.positions[_HELD] = Line(_HELD, NO_POSITION, NO_POSITION, NO_POSITION)
    for key in (_ACCOUNT, _USER):
        hand.usage[key] = Line(key, NOTHING_USED, NOTHING_USED, NOTHING_USED)
    held = hand.positions[_HELD]
    hand.put(KEY, Place(Around(hand.usage[_ACCOUNT], held), Around(hand.usage[_USER], held), None, None))
    return hand


def move(hand: AtHand) -> None:
    """Let an order of three units at 100 go through."""
    place = hand.batch[KEY]
    line = place.account.holding
    line.then = Position("usr_1", Holding(buy_quantity=Decimal(3)), Decimal(300), Decimal(0), line.version)
    for each in place.around:
        each.usage.then = Used(Usage(exposure=Decimal(300)), each.usage.version)
    place.keep()


def test_moved_lines_are_given_once_and_in_order() -> None:
    """A line that several subjects share is written once, and what stayed as it was is not written."""
    hand = with_a_place()
    assert hand.moved() == ([], [])
    move(hand)
    positions, usage = hand.moved()
    assert [line.key for line in positions] == [_HELD]
    assert [line.key for line in usage] == [_ACCOUNT, _USER]
    assert [line.now.version for line in positions] == [1]
    assert [line.now.version for line in usage] == [1, 1]


def test_settled_batch_is_what_the_next_one_begins_with() -> None:
    """After a durable batch its lines are as it left them, and nothing of them is moved."""
    hand = with_a_place()
    move(hand)
    hand.settle()
    hand.begin()
    assert hand.take(KEY)
    assert hand.moved() == ([], [])
    assert hand.batch[KEY].account.holding.on_record.worst == 300
    assert hand.batch[KEY].account.holding.version == 2


def test_batch_that_was_not_settled_leaves_nothing() -> None:
    """Whatever a batch read or moved that is not known to be durable is read again."""
    hand = with_a_place()
    move(hand)
    hand.begin()
    assert not hand.take(KEY)
    assert (hand.positions, hand.usage, hand.batch) == ({}, {}, {})


@pytest.mark.parametrize(("most", "kept"), [(2, False), (3, True), (4, True)])
def test_lines_at_hand_are_bounded(monkeypatch: pytest.MonkeyPatch, most: int, *, kept: bool) -> None:
    """With more lines than so many, three here, all are read again; with so many or fewer they stay."""
    monkeypatch.setattr(at_hand, "_LINES_MAX", most)
    hand = with_a_place()
    hand.settle()
    hand.begin()
    assert hand.take(KEY) is kept
