"""Many orders at once against one cap, in short; `python -m tests.caps --rounds 200` is the long form."""

from fractions import Fraction
from typing import Any

from tests.caps.checker import Account
from tests.caps.rounds import run


async def test_sixty_four_orders_at_once_never_pass_a_cap() -> None:
    """K7, I6. Over four gateways, one of them killed, with changes, cancels and fills, the log never shows more than
    the cap, and in the end the ledger holds what the open orders do, to the last digit.
    """
    said: list[str] = []
    report = await run(3, 7, said.append)
    assert report.faults == []
    assert report.outcomes["killed"] == 3
    assert report.outcomes["SubmitOrder GROSS_EXPOSURE_EXCEEDS_LIMIT"] > 0, said
    assert report.highest > 60_000, said


def told(account: Account, **changes: Any) -> Account:
    """Tell of an order's version."""
    order = {
        "order_id": "ord_1",
        "state": "SENDING",
        "terms": {"symbol": "AAPL", "side": "BUY"},
        "cum_quantity": "0",
        "hold_quantity": "10",
        "hold_price": "100",
    }
    account.take(order | changes)
    return account


def test_judge_counts_what_is_open_and_what_is_held() -> None:
    """Orders count until they end, what traded at what it cost, and sells as far as they turn the position."""
    account = told(Account("acc_1"))
    assert account.exposure() == 1000
    told(account, state="PARTIAL", cum_quantity="4", average_price="90")
    assert account.exposure() == 4 * 90 + 6 * 100
    told(account, order_id="ord_2", terms={"symbol": "AAPL", "side": "SELL"}, hold_quantity="30")
    assert account.exposure() == 26 * 100
    told(account, state="CANCELED", cum_quantity="4", average_price="90")
    told(account, order_id="ord_2", terms={"symbol": "AAPL", "side": "SELL"}, state="DENIED")
    assert [account.exposure(), account.held["AAPL"]] == [360, 4]


def test_judge_turns_a_position_as_its_trades_do() -> None:
    """What is sold beyond the position is a short one at the price of that trade."""
    account = told(Account("acc_1"), state="FILLED", cum_quantity="10", average_price="10")
    sell = {"symbol": "AAPL", "side": "SELL"}
    told(account, order_id="ord_2", terms=sell, state="FILLED", cum_quantity="25", average_price="20")
    assert [account.held["AAPL"], account.exposure()] == [-15, 300]
    told(account, order_id="ord_3", state="WORKING", hold_quantity="20")
    assert account.exposure() == Fraction(500)
