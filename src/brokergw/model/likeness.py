"""When two orders are the same but for their keys: one of them may have been placed by mistake."""

from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final, TypeAlias

from brokergw.model.lifecycle import State
from brokergw.model.quick import quick
from brokergw.model.terms import OrderTerms

Alike: TypeAlias = tuple[Any, ...]

CAME_TO_NOTHING: Final = frozenset({State.DENIED, State.NOT_SENT, State.REJECTED_BY_BROKER})
"""The states of orders that are certain not to exist, and so are doubled by nothing."""

_PRINT_BYTES: Final = 16


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """What two orders have in common that are the same but for their keys, and how long ago an earlier one must be.

    `print` stands for the account and all terms. What is `meant` to be the same again is taken, and noted like others.
    """

    print: str
    within_ns: int
    meant: bool = False


def likeness(account_id: str, terms: OrderTerms) -> Alike:
    """Give what two orders have in common that are the same: account, symbol, side, type, size, prices and exits."""
    return (
        account_id,
        terms.symbol,
        terms.side,
        terms.type,
        terms.quantity,
        terms.notional,
        terms.limit_price,
        terms.stop_price,
        terms.trail_amount,
        terms.trail_percent,
        terms.order_class,
        terms.take_profit_limit_price,
        terms.stop_loss_stop_price,
        terms.legs,
    )


def print_of(alike: Alike) -> str:
    """Give a likeness as a short text, the same in every process and however its numbers are written."""
    *plain, legs = alike
    parts = [*plain, *(part for leg in legs for part in (leg.symbol, leg.side, leg.ratio, leg.position_effect))]
    text = "\n".join(map(_written, parts))
    return blake2b(text.encode(errors="surrogatepass"), digest_size=_PRINT_BYTES).hexdigest()


def _written(part: object) -> str:
    return str(part.normalize()) if isinstance(part, Decimal) else str(part)
