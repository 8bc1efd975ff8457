"""What the chain must know of a method: one row each, in `rpc/methods.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.protobuf.message import Message

from brokergw.model.principal import Scope
from brokergw.rpc.settings import Budget
from brokergw.rpc.wire.found import Found

Decoder: TypeAlias = Callable[[Any, Found], Any]
"""Reads a message into a command, or checks it and gives it back."""

Responder: TypeAlias = Callable[[Any, str], Message]
"""Writes the answer to a mutation from the desk's result and a cursor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodPolicy:
    """One RPC.

    `method` is the full name, `/package.Service/Method`. `public` needs no credential; otherwise one is needed, with
    `scope` if it is set. `cost` is what a call takes from its budget. `keyed` methods change something at a broker once
    per idempotency key, and `respond` writes their answer, also for replays. What `stops` trading must work while the
    database does not, so a key that was good lately is good enough for it.
    """

    method: str
    request: type[Message]
    decode: Decoder
    public: bool = False
    scope: Scope | None = None
    budget: Budget = Budget.NONE
    cost: int = 1
    keyed: bool = False
    audited: bool = False
    preflight: bool = False
    streams: bool = False
    stops: bool = False
    respond: Responder | None = None

    @property
    def service(self) -> str:
        """The full name of the method's service."""
        return self.method[1:].partition("/")[0]

    @property
    def name(self) -> str:
        """The method's own name."""
        return self.method.rpartition("/")[2]
