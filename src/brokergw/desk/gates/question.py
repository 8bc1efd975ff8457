"""One order before the gates: what is asked, by whom, and what the gates learn on the way."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Protocol, TypeAlias

from brokergw.desk.results import NO_ADMISSION, NO_HOLD, BrokerState, Hold
from brokergw.desk.sessions import Session
from brokergw.model.commands import ModifyOrder, SubmitOrder
from brokergw.model.errors import GatewayError, Objection
from brokergw.model.instrument import Instrument, Quote
from brokergw.model.likeness import Likeness
from brokergw.model.limits import EffectiveLimits, Limits
from brokergw.model.order import Order
from brokergw.model.principal import Caller
from brokergw.model.sessions import SessionKind
from brokergw.model.terms import OrderTerms
from brokergw.ports.journal import Admission

_NOT_LOOKED_UP: Final = EffectiveLimits(values=Limits(), sources={})


@dataclass(slots=True, kw_only=True)
class Question:
    """An order, or a change of one, on its way through the gates.

    `terms` are the order's as it would stand; `before` is the order that a change is about. `admission`, `hold` and
    `trading_day` are what the gates have for the commit: caps to be checked there, and what the order holds.
    `session_now` is the session of the instrument's market, as gate 2 found it; `leaves_before_ns` when an order that
    cannot wait for the next one must be past the gates (Unix nanoseconds).
    `state` is the broker's own word on the account for this order; where it did not come, `state_error` says why. By it
    the order `reduces` or not, which is known before any check speaks; a change that only makes an order `smaller`
    reduces too, and the broker is not asked for it. Checks that an order passes only because it reduces set `excused`:
    the commit refuses it then if by the record's count it does not reduce. `references` are prices to judge the order
    by, of its symbol or of each leg, None where there is none. The commit refuses the order if the same was admitted
    by its `likeness` a moment before. A check that keeps something for the order adds to
    `undo` how to take it back, for when the order does not get past the gates.
    """

    caller: Caller
    command: SubmitOrder | ModifyOrder
    session: Session
    terms: OrderTerms
    strategy_id: str = ""
    before: Order | None = None
    instrument: Instrument | None = None
    legs: tuple[Instrument, ...] = ()
    limits: EffectiveLimits = _NOT_LOOKED_UP
    state: BrokerState | None = None
    session_now: SessionKind = SessionKind.REGULAR
    leaves_before_ns: int | None = None
    state_error: GatewayError | None = None
    quote: Quote | None = None
    references: tuple[Decimal | None, ...] = ()
    reduces: bool = False
    smaller: bool = False
    excused: bool = False
    hold: Hold = NO_HOLD
    admission: Admission = NO_ADMISSION
    trading_day: str = ""
    likeness: Likeness | None = None
    undo: list[Callable[[], None]] = field(default_factory=list)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbol of the order, or those of its legs."""
        terms = self.terms
        return tuple(leg.symbol for leg in terms.legs) if terms.legs else (terms.symbol,)

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """What the symbols are; empty where one of them is not known."""
        return (self.instrument,) if self.instrument is not None else self.legs

    @property
    def reference_price(self) -> Decimal | None:
        """A fresh price to judge the order by; None for several legs, and where there is none."""
        return self.references[0] if len(self.references) == 1 else None


Said: TypeAlias = Sequence[Objection] | Coroutine[Any, Any, Sequence[Objection]]
"""What a check says: its objections, or, where something must be waited for first, the coroutine that gives them."""


class Check(Protocol):
    """One check of a gate. Nearly all that an order is judged by is at hand; who has it answers at once."""

    def __call__(self, question: Question) -> Said:
        """Give every objection; what it learns it writes into the question.

        Raises GatewayError where the order cannot be judged now: nothing is recorded, the key is not used up.
        """
        ...


async def heard(said: Said) -> Sequence[Objection]:
    """Give what a check objects to, waited for if need be."""
    return await said if isinstance(said, Coroutine) else said
