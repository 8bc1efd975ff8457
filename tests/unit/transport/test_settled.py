"""What has been dealt with is passed over until it stands otherwise."""

from brokergw.transport.rows import Row
from brokergw.transport.settled import Settled


def test_a_row_is_passed_over_as_long_as_it_stands() -> None:
    """Any difference makes it one to look at, and so does its return to how it stood before that."""
    settled = Settled[Row]()
    assert not settled.stands("1", {"status": "working"})
    settled.settle("1", {"status": "working"})
    assert settled.stands("1", {"status": "working"})
    assert not settled.stands("1", {"status": "working", "filled": 0})
    assert not settled.stands("2", {"status": "working"})
    settled.settle("1", {"status": "filled"})
    assert not settled.stands("1", {"status": "working"})


def test_a_row_can_be_opened_again() -> None:
    """Whoever knows more than the row says has it looked at again."""
    settled = Settled[Row]()
    settled.settle("1", {})
    settled.reopen("1")
    settled.reopen("of nobody")
    assert not settled.stands("1", {})


def test_no_more_is_remembered_than_is_listed() -> None:
    """What is not listed any more is forgotten, and one that comes back is looked at."""
    settled = Settled[Row]()
    for name in ("1", "2", "3"):
        settled.settle(name, {})
    settled.keep({"2", "of nobody"})
    assert len(settled) == 1
    assert settled.stands("2", {})
    assert not settled.stands("1", {})
