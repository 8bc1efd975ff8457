"""What a dialect and the server hand each other: a request as it arrived, the answer, and the dialect's face."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Protocol, runtime_checkable

from aiohttp import web

from brokergw.exchange import Exchange

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
JSON_TYPE: Final = "application/json; charset=utf-8"


def encode_json(document: Any) -> bytes:
    """Write a document as compact JSON."""
    return _ENCODER.encode(document).encode()


@dataclass(slots=True)
class WireRequest:
    """One HTTP request: `path` and `query_string` are still percent-encoded, as signatures need them; `faults` collects
    the names of faults that touched it.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    faults: list[str] = field(default_factory=list)
    query_string: str = ""


@dataclass(slots=True)
class WireReply:
    """One HTTP answer, encoded."""

    status: int
    body: bytes = b""
    headers: dict[str, str] | None = None
    content_type: str = JSON_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something that moves an account without an order: a split, a dividend, a deposit, or an error of the broker's.

    `quantity` is what a symbol's position changes by, `money` what the cash does, both signed. `activity` is the
    broker's word for the line of its history that tells of it; empty tells nobody. `told_quantity` is what the line
    says instead of the quantity, where that is not the same; `key_id` names the account, the only one when empty.
    """

    symbol: str = ""
    quantity: Decimal = Decimal(0)
    money: Decimal = Decimal(0)
    activity: str = ""
    told_quantity: Decimal | None = None
    key_id: str = ""


class Dialect(Protocol):
    """A broker's wire protocol over the exchange."""

    name: str
    stream_path: str

    @property
    def exchange(self) -> Exchange:
        """The exchange behind it."""
        ...

    def answer(self, request: WireRequest) -> WireReply:
        """Answer one request, at once; events it causes leave after the answer."""
        ...

    def failure(self, status: int) -> WireReply:
        """Word a failure as this broker does: 401, 429 or a 5xx."""
        ...

    def refuse_stream(self, headers: Mapping[str, str]) -> WireReply | None:
        """Decide on a websocket handshake; None lets it in."""
        ...

    async def converse(self, socket: web.WebSocketResponse, headers: Mapping[str, str]) -> None:
        """Hold the conversation on one websocket until it ends."""
        ...

    def tick(self) -> None:
        """Let time pass: the market moves, what is due happens."""
        ...

    def set_market(self, mode: str) -> None:
        """Hold the market `open` or `shut`, or keep its `hours`; raises ValueError for anything else."""
        ...

    def force_fill(self, order_id: str, quantity: Decimal | None, price: Decimal | None) -> dict[str, Any]:
        """Trade an open order of any account now and describe it; raises Refused, or ValueError without one."""
        ...

    def amend(self, order_id: str, execution_id: str, quantity: Decimal, price: Decimal | None) -> dict[str, Any]:
        """Change an execution of any account, the order's latest when not named, or bust it with quantity 0, tell of
        it, and describe the order; raises Refused, or ValueError without one.
        """
        ...

    def enter(self, entry: Entry) -> dict[str, Any]:
        """Move an account without an order, and describe where that leaves it; raises ValueError."""
        ...

    def close(self) -> None:
        """Drop whatever was to happen later."""
        ...

    async def drop_streams(self) -> int:
        """Cut every websocket and tell how many there were."""
        ...

    def state(self) -> dict[str, Any]:
        """Describe accounts, positions and orders for the control plane, in JSON types."""
        ...


@runtime_checkable
class ManyStreams(Protocol):
    """A dialect with more websockets than the one at its `stream_path`."""

    def takes_stream(self, path: str) -> bool:
        """Tell whether a websocket is at a path."""
        ...

    async def converse_at(self, socket: web.WebSocketResponse, request: WireRequest) -> None:
        """Hold the conversation on one websocket, at the path it was asked for, until it ends."""
        ...
