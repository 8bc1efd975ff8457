"""The broker behind the wire: accounts over the exchange, and who is told of what happens to them."""

from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from typing import Any, Final

from brokergw.exchange import EventKind, Exchange, ExchangeEvent, Refused
from brokergw.model.terms import Side
from brokergw.sim.dialects.ctrader import shapes, terms
from brokergw.sim.dialects.ctrader.accounts import Account, Note
from brokergw.sim.dialects.ctrader.enums import Happening, Life, OrderKind
from brokergw.sim.dialects.ctrader.link import Link
from brokergw.sim.dialects.ctrader.options import CtraderOptions, Holder
from brokergw.sim.dialects.ctrader.positions import HeldPosition, PositionBook, Trade
from brokergw.sim.dialects.ctrader.refusals import OpenApiError, from_exchange, order_error
from brokergw.sim.dialects.ctrader.schema import TYPES
from brokergw.sim.dialects.ctrader.symbols import BY_NAME, CENTS, SYMBOLS
from brokergw.sim.faults import FaultName, Faults
from brokergw.sim.hours import Doors, Hours

_MS: Final = 1_000_000
_EXECUTION: Final = TYPES["ExecutionEvent"]
_HAPPENINGS: Final = {
    EventKind.ACCEPTED: Happening.ACCEPTED,
    EventKind.NEW: Happening.ACCEPTED,
    EventKind.PARTIAL_FILL: Happening.PARTIAL_FILL,
    EventKind.FILL: Happening.FILLED,
    EventKind.CANCELED: Happening.CANCELLED,
    EventKind.EXPIRED: Happening.EXPIRED,
    EventKind.REJECTED: Happening.REJECTED,
}
_AT_MARKET: Final = frozenset({OrderKind.MARKET, OrderKind.MARKET_RANGE})


@dataclass(frozen=True, slots=True)
class Cause:
    """The request that brings events about: they carry its id on its own link."""

    link: Link
    message_id: str


class Brokerage:
    """Every account of one simulator."""

    def __init__(self, options: CtraderOptions, faults: Faults) -> None:
        self.options = options
        self.faults = faults
        self.hours = Hours(Doors.OPEN if options.always_open else Doors.SHUT)
        self.exchange = Exchange(
            seed=options.seed,
            now_ns=options.now_ns,
            listings=tuple(symbol.listing for symbol in SYMBOLS),
            sessions=self.hours,
            id_salt=str(options.now_ns()),
        )
        self.exchange.listen(self._tell)
        # Each life forgets the one before, so its ids begin where no earlier life's can have been.
        self._ids = count(options.now_ns() // _MS % 10**11 * 1_000 + 1)
        self.accounts = {holder.ctid: self._open(holder) for holder in options.accounts}
        self._by_exchange = {account.account_id: account for account in self.accounts.values()}
        self._cause: Cause | None = None
        self._entering: Note | None = None
        self._amending = False

    def now_ns(self) -> int:
        """Give this broker's time."""
        return self.options.now_ns()

    def now_ms(self) -> int:
        """The same in milliseconds."""
        return self.now_ns() // _MS

    def next_id(self) -> int:
        """Give an id that was never used."""
        return next(self._ids)

    def submit(self, account: Account, note: Note, cause: Cause | None) -> None:
        """Take an order; its events tell what becomes of it. Raises OpenApiError."""
        if note.kind in _AT_MARKET and self.hours.doors is Doors.SHUT:
            raise order_error("MARKET_CLOSED", "Market is closed")
        named = account.book.open.get(note.position_id)
        if note.position_id and (named is None or named.symbol is not note.symbol):
            raise order_error("POSITION_NOT_FOUND", f"Position not found with id {note.position_id}")
        note.closing = named is not None and named.side is not note.side
        note.position_id = account.book.place_of(note.symbol, note.position_id)
        if (fault := self.faults.strike(FaultName.LATE_BIRTH, "NEW", "/NewOrderReq")) is not None:
            note.born_ns = self.now_ns() + int(fault.duration_s * 1_000_000_000)
        ticket = terms.ticket_of(note)
        self._during(cause, note, lambda: self.exchange.submit(account.account_id, ticket))

    def amend(self, account: Account, note: Note, new: Note, cause: Cause) -> None:
        """Change a working order in place: it keeps its id. Raises OpenApiError."""
        assert note.shot is not None
        ticket, former = terms.ticket_of(new), replace(note)
        shot = note.shot
        note.quantity, note.limit, note.stop, note.slippage = new.quantity, new.limit, new.stop, new.slippage
        self._amending = True
        try:
            self._during(
                cause,
                note,
                lambda: self.exchange.replace(
                    account.account_id,
                    shot.order_id,
                    quantity=ticket.quantity,
                    limit_price=ticket.limit_price,
                    stop_price=ticket.stop_price,
                ),
            )
        except OpenApiError:
            note.quantity, note.limit, note.stop, note.slippage = (
                former.quantity, former.limit, former.stop, former.slippage,
            )  # fmt: skip
            raise
        finally:
            self._amending = False

    def cancel(self, account: Account, note: Note, cause: Cause | None) -> None:
        """Cancel a working order; raises OpenApiError."""
        assert note.shot is not None
        order_id = note.shot.order_id
        self._during(cause, None, lambda: self.exchange.cancel(account.account_id, order_id))

    def close(self, account: Account, held: HeldPosition, quantity: Decimal, cause: Cause | None) -> None:
        """Close a position, or a part of it, at market; raises OpenApiError."""
        if self.hours.doors is Doors.SHUT:
            raise order_error("MARKET_CLOSED", "Market is closed")
        now_ms = self.now_ms()
        note = Note(
            order_id=self.next_id(),
            symbol=held.symbol,
            side=held.side.opposite,
            kind=OrderKind.MARKET,
            life=Life.IMMEDIATE_OR_CANCEL,
            position_id=held.position_id,
            quantity=quantity,
            label=held.label,
            closing=True,
            opened_ms=now_ms,
            changed_ms=now_ms,
        )
        ticket = terms.ticket_of(note)
        self._during(cause, note, lambda: self.exchange.submit(account.account_id, ticket))

    def book(self, account: Account, symbol: str, quantity: Decimal) -> None:
        """Change what an account holds without an order, at the price of the moment."""
        price = self.exchange.quote(symbol).last
        self.exchange.book(account.account_id, symbol, quantity, price)
        listed, side = BY_NAME[symbol], Side.BUY if quantity > 0 else Side.SELL
        against = next((h for h in account.book.open.values() if h.symbol is listed and h.side is not side), None)
        place = against.position_id if against is not None else account.book.place_of(listed, 0)
        account.book.take(
            Trade(
                position_id=place,
                symbol=listed,
                side=side,
                quantity=abs(quantity),
                price=price,
                time_ms=self.now_ms(),
            )
        )

    def pay(self, account: Account, money: Decimal) -> None:
        """Move an account's money without an order."""
        self.exchange.pay(account.account_id, money)
        account.pay(money, self.now_ns())

    def tick(self) -> None:
        """Let time pass."""
        self.exchange.tick()
        for account in self.accounts.values():
            for link in account.links:
                link.release()

    def _during(self, cause: Cause | None, note: Note | None, act: Any) -> None:
        self._cause, self._entering = cause, note
        try:
            act()
        except Refused as refused:
            raise from_exchange(refused) from None
        finally:
            self._cause = self._entering = None

    def _tell(self, event: ExchangeEvent) -> None:
        account = self._by_exchange[event.order.account_id]
        note, first = self._note_of(account, event)
        if event.kind is EventKind.REPLACED:
            return
        happening = _HAPPENINGS.get(event.kind)
        note.shot = event.order
        note.changed_ms = event.time_ns // _MS
        document: dict[str, Any] = {"ctidTraderAccountId": account.holder.ctid}
        if event.execution is not None:
            document |= self._settled(account, note, event)
        if happening is None or (happening is Happening.ACCEPTED and not first):
            return
        if first and self._amending:
            happening = Happening.REPLACED
        elif first:
            held = account.book.open.get(note.position_id)
            document["position"] = (
                shapes.empty_position(note) if held is None else shapes.position(held, self.options.leverage)
            )
        document |= {"executionType": int(happening), "order": shapes.order(note), "isServerEvent": False}
        self._publish(account, happening, document)

    def _note_of(self, account: Account, event: ExchangeEvent) -> tuple[Note, bool]:
        """Find the order that an event is about; tells whether the exchange names it for the first time."""
        known = account.by_exchange_id.get(event.order.order_id)
        if known is not None:
            return known, False
        assert self._entering is not None, "an order begins with a request"
        account.by_exchange_id[event.order.order_id] = self._entering
        account.notes[self._entering.order_id] = self._entering
        return self._entering, True

    def _settled(self, account: Account, note: Note, event: ExchangeEvent) -> dict[str, Any]:
        execution = event.execution
        assert execution is not None
        held, closing = account.book.take(
            Trade(
                position_id=note.position_id,
                symbol=note.symbol,
                side=note.side,
                quantity=execution.quantity,
                price=execution.price,
                time_ms=execution.time_ns // _MS,
                label=note.label,
                comment=note.comment,
            )
        )
        note.position_id = held.position_id
        deal = account.settle(note, execution, closing, held)
        return {"deal": shapes.deal(deal), "position": shapes.position(held, self.options.leverage)}

    def _publish(self, account: Account, happening: Happening, document: dict[str, Any]) -> None:
        for link in tuple(account.links):
            own = self._cause is not None and self._cause.link is link
            link.tell(_EXECUTION, document, happening.name, self._cause.message_id if own and self._cause else "")

    def _open(self, holder: Holder) -> Account:
        account_id = str(holder.ctid)
        options = self.options
        self.exchange.open_account(account_id, cash=options.cash, multiplier=Decimal(options.leverage), shorting=True)
        account = Account(
            holder=holder,
            account_id=account_id,
            book=PositionBook(holder.kind, self.next_id),
            balance_cents=0,
            next_id=self.next_id,
        )
        account.pay(options.cash, self.now_ns())
        return account


def volume_to_units(volume: int) -> Decimal:
    """Read hundredths of units as units."""
    return volume / CENTS
