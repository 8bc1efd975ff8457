"""Questions that stand between a ticket and an order: asked one by one, answered by `/iserver/reply/{id}`.

Client Portal API, Place Order Reply: only the latest question of an account can be answered. An answer to an older one
ends in 503, and its order was seen to go live afterwards all the same.
"""

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias

from brokergw.exchange import Depth, Ticket
from brokergw.model.terms import OrderType
from brokergw.sim.dialects.ibkr.refusals import ApiError

TEXTS: Final = {
    "o163": "The following order price exceeds the Percentage constraint of 3%. Are you sure?",
    "o354": "You are submitting an order without market data. We strongly recommend against this as it may result in "
    "erroneous and unexpected trades.",
    "o382": "The following value exceeds the Tick Size Limit of",
    "o383": "The following order size exceeds the Size Limit of 500. Are you sure?",
    "o451": "The following order value exceeds the Total Value Limit of 100,000 USD. Are you sure?",
    "o403": "This order will most likely trigger and fill immediately.",
    "o10331": "You are about to submit a stop order. Please be aware of the various stop order types available and "
    "the risks associated with each one.",
}
_PERCENT: Final = Decimal("0.03")
_SIZE: Final = Decimal(500)
_VALUE: Final = Decimal(100_000)
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})

Act: TypeAlias = Callable[[], Any]


@dataclass(slots=True)
class _Pending:
    reply_id: str
    left: list[str]
    act: Act


class Questions:
    """The one open question of the account, and those that another order has made stale."""

    def __init__(self) -> None:
        self.next_asked: tuple[str, ...] = ()
        self._open: _Pending | None = None
        self._stale: dict[str, _Pending] = {}

    def ask_next(self, *message_ids: str) -> None:
        """Ask these before the next order, whatever it is."""
        self.next_asked = message_ids

    def before(self, message_ids: Sequence[str], act: Act) -> Any:
        """Do what was asked for, or ask the first of its questions."""
        self._outdate()
        if not message_ids:
            return act()
        self._open = _Pending("", list(message_ids), act)
        return self._ask(self._open)

    def reply(self, reply_id: str, *, confirmed: bool) -> Any:
        """Take an answer to a question; raises ApiError."""
        pending = self._open
        if pending is None or pending.reply_id != reply_id:
            return self._late(reply_id)
        if not confirmed:
            self._open = None
            raise ApiError(200, "Order not confirmed ")
        pending.left.pop(0)
        if pending.left:
            return self._ask(pending)
        self._open = None
        return pending.act()

    def _ask(self, pending: _Pending) -> list[dict[str, object]]:
        pending.reply_id = str(uuid.uuid4())
        asked = pending.left[0]
        return [
            {
                "id": pending.reply_id,
                "message": [TEXTS.get(asked, f"Question {asked}?")],
                "isSuppressed": False,
                "messageIds": [asked],
                "messageOptions": ["Yes", "No"],
            }
        ]

    def _outdate(self) -> None:
        if self._open is not None:
            self._stale[self._open.reply_id] = self._open
            self._open = None

    def _late(self, reply_id: str) -> Any:
        stale = self._stale.pop(reply_id, None)
        if stale is None:
            raise ApiError(400, f"reply id not found: '{reply_id}'")
        with suppress(ApiError):
            stale.act()
        raise ApiError(503, "Service Unavailable", coded=True)


def raised_by(ticket: Ticket, depth: Depth, size: Decimal) -> list[str]:
    """Name the questions that a ticket raises; `size` is the contract's."""
    asked = []
    limit, quantity = ticket.limit_price, ticket.quantity or Decimal(0)
    if limit is not None and abs(limit - depth.last) > depth.last * _PERCENT:
        asked.append("o163")
    if quantity > _SIZE:
        asked.append("o383")
    if quantity * depth.last * size > _VALUE:
        asked.append("o451")
    if ticket.type in _STOPS:
        asked.append("o10331")
    return asked
