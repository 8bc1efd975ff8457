"""What the bytes that the witness saw say of an acknowledgement: whether an order came after it.

The verdict goes by the kernel's stamps alone: an order is late when its last byte arrived at or after the moment at
which the answer of the switch arrived at the caller's host. There is no tolerance. What a gateway notes when it spends
a permit only says in which of two ways a late order came to be late.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

CLOCK_MOVES_MAX_NS: Final = 1_000_000
"""How far the wall clock may be moved during a round: by more, and its stamps do not tell what came first."""


class Inconclusive(Exception):
    """The stamps do not decide."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """When the switch was asked, and when the answer was here: Unix nanoseconds at the caller's host."""

    asked_ns: int
    answered_ns: int

    @property
    def took_s(self) -> float:
        """How long it took."""
        return (self.answered_ns - self.asked_ns) / 1e9


@dataclass(frozen=True, slots=True)
class Late:
    """An order that arrived after the acknowledgement; `let_out_ns` is empty where no gateway has noted it."""

    words: str
    after_ns: int
    let_out_ns: int | None

    def __str__(self) -> str:
        noted = "nobody has noted that it was let out"
        if self.let_out_ns is not None:
            side = "before" if self.let_out_ns < 0 else "after"
            noted = f"let out {abs(self.let_out_ns) / 1e6:.3f} ms {side} it"
        return f"{self.words} arrived {self.after_ns / 1e6:.3f} ms after the acknowledgement, {noted}"


def acknowledgement(told: Mapping[str, Any]) -> Acknowledgement:
    """Find it; raises Inconclusive where there is not one, or the clock was moved."""
    if told["unstamped"]:
        raise Inconclusive(f"{told['unstamped']} reads had no time of arrival")
    if told["clock_moved_ns"] > CLOCK_MOVES_MAX_NS:
        raise Inconclusive(f"the clock was moved by {told['clock_moved_ns'] / 1e6:.3f} ms")
    if (len(told["asked"]), len(told["answered"])) != (1, 1):
        raise Inconclusive(f"{len(told['asked'])} questions and {len(told['answered'])} answers were seen")
    return Acknowledgement(told["asked"][0], told["answered"][0])


def late(orders: Sequence[Mapping[str, Any]], answered_ns: int, let_out: Mapping[str, int]) -> list[Late]:
    """List the orders that did not arrive before a moment."""
    found = []
    for each in orders:
        if each["last_ns"] < answered_ns:
            continue
        noted = let_out.get(each["client_order_id"])
        words = f"{each['method'] or 'something unreadable'} {each['path']} {each['client_order_id']}".strip()
        found.append(Late(words, each["last_ns"] - answered_ns, None if noted is None else noted - answered_ns))
    return found


def written_after(let_out: Mapping[str, int], answered_ns: int) -> list[str]:
    """List the orders whose permits were spent at or after a moment: there the guard itself has failed."""
    return sorted(order for order, at_ns in let_out.items() if at_ns >= answered_ns)
