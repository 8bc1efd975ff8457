"""What a caller asks for, decoded and normalised, and the fingerprint that tells two requests apart."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache, cached_property
from operator import attrgetter
from typing import Any, ClassVar, Final

from brokergw.model.money import format_decimal
from brokergw.model.terms import OrderTerms

_FINGERPRINT_VERSION: Final = "1"
_NOT_PRINTED: Final = frozenset({"idempotency_key"})
_PRINTED_WHEN_SET: Final = frozenset({"reduce_only", "allow_duplicate"})
"""Flags that came later: keys of before must find their fingerprints again."""


@dataclass(frozen=True, kw_only=True)
class KeyedCommand:
    """A command that changes something at a broker, once per key."""

    method: ClassVar[str]
    idempotency_key: str

    @cached_property
    def fingerprint(self) -> str:
        """A hash of every field but the key, in a form that does not depend on how the client encoded it."""
        text = f"{_FINGERPRINT_VERSION}|{self.method}|{_canonical(self)}"
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class SubmitOrder(KeyedCommand):
    """Place one order: decided on at `client_time_ns`; with `allow_duplicate` it may repeat the last one."""

    method = "SubmitOrder"
    account_id: str
    terms: OrderTerms
    client_order_id: str = ""
    strategy_id: str = ""
    run_id: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    validate_only: bool = False
    client_time_ns: int | None = None
    allow_duplicate: bool = False


@dataclass(frozen=True, kw_only=True)
class ModifyOrder(KeyedCommand):
    """Change a working order; None leaves a field as it is, `quantity` is the new total."""

    method = "ModifyOrder"
    order_id: str
    etag: str = ""
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class CancelOrder(KeyedCommand):
    """Cancel one order."""

    method = "CancelOrder"
    order_id: str
    etag: str = ""


@dataclass(frozen=True, kw_only=True)
class CancelAllOrders(KeyedCommand):
    """Cancel every open order of an account, or of one symbol in it."""

    method = "CancelAllOrders"
    account_id: str
    symbol: str = ""


@dataclass(frozen=True, kw_only=True)
class Flatten(KeyedCommand):
    """Cancel the open orders of a symbol (all symbols when empty) in an account, then close its position."""

    method = "Flatten"
    account_id: str
    symbol: str = ""


@dataclass(frozen=True, kw_only=True)
class CloseAll(KeyedCommand):
    """The panic button: cancel everything and flatten everything over every account of the caller."""

    method = "CloseAll"


@dataclass(frozen=True, kw_only=True)
class SettleOrder(KeyedCommand):
    """Say what became of an order in doubt, as an operator knows it; `placed_as` empty means that it was not placed."""

    method = "SettleOrder"
    order_id: str
    etag: str
    placed_as: str
    evidence: str
    override_mismatch: bool = False


def _canonical(value: Any) -> str:
    """Write a value in one form only: sorted fields, plain decimals, absent apart from empty."""
    kind = value.__class__
    # Most values of a command are texts, and each is spared a call.
    return f"{len(value)}:{value}" if kind is str else _writer(kind)(value)


@cache
def _writer(kind: type[Any]) -> Callable[[Any], str]:
    if issubclass(kind, Decimal):
        return format_decimal
    if issubclass(kind, Enum):
        words = {member: str(member.value) for member in kind}
        return words.__getitem__
    if issubclass(kind, tuple):
        return lambda value: "[" + ",".join(map(_canonical, value)) + "]"
    if issubclass(kind, str):
        return lambda value: f"{len(value)}:{value}"
    if is_dataclass(kind):
        return _dataclass_writer(tuple(sorted(field.name for field in fields(kind) if field.name not in _NOT_PRINTED)))
    return str


def _dataclass_writer(names: tuple[str, ...]) -> Callable[[Any], str]:
    values = _values_of(names)

    def write(value: Any) -> str:
        # What is absent is left out, so that a field added later changes no fingerprint of before.
        present = [
            f"{name}={_canonical(each)}"
            for name, each in zip(names, values(value), strict=True)
            if each is not None and (each or name not in _PRINTED_WHEN_SET)
        ]
        return "{" + ",".join(present) + "}"

    return write


def _values_of(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    # `attrgetter` gives a tuple for two names or more only.
    return lambda value: tuple(getattr(value, name) for name in names)
