"""One request on its way to an endpoint: its parameters, read by name and type."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from brokergw.exchange import Listing
from brokergw.sim.dialects.binance.listings import Kind, listed_as
from brokergw.sim.dialects.binance.refusals import ID_LEGAL, NO_SUCH_SYMBOL, ApiError, illegal, missing
from brokergw.sim.faults import Fault, FaultName

if TYPE_CHECKING:
    from brokergw.sim.dialects.binance.brokerage import Brokerage
    from brokergw.sim.dialects.binance.room import Room

_NUMBER: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
_NUMBER_LEGAL: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_ID: Final = {kind: re.compile(legal) for kind, legal in ID_LEGAL.items()}


@dataclass(slots=True)
class Call:
    """`room` is the account of a signed request; public ones have none."""

    brokerage: "Brokerage"
    kind: Kind
    method: str
    path: str
    values: Mapping[str, str]
    maybe_room: "Room | None" = None
    body: bytes = b""
    faults: list[str] = field(default_factory=list)

    @property
    def room(self) -> "Room":
        """The account that the request speaks for."""
        assert self.maybe_room is not None, "only signed endpoints ask for the account"
        return self.maybe_room

    def strike(self, name: FaultName) -> Fault | None:
        """Give the fault of a name that hits this request, if one does, and note it on the journal entry."""
        faults = self.brokerage.faults
        if not faults:
            return None
        fault = faults.strike(name, self.method, self.path, self.body)
        if fault is not None:
            self.faults.append(name)
        return fault

    def text(self, name: str, default: str = "") -> str:
        """Give a text."""
        return self.values.get(name, default)

    def required(self, name: str) -> str:
        """Give a text that must be there; raises -1102."""
        if name not in self.values:
            raise missing(name)
        return self.values[name]

    def word(self, name: str, known: Mapping[str, Any], code: int, message: str) -> Any:
        """Translate a word that must be there and known."""
        word = self.required(name)
        if word not in known:
            raise ApiError(code, message)
        return known[word]

    def number(self, name: str) -> Decimal | None:
        """Give a number; raises -1100 for anything but plain digits."""
        text = self.values.get(name)
        if text is None:
            return None
        if _NUMBER.fullmatch(text) is None:
            raise illegal(name, _NUMBER_LEGAL)
        try:
            return Decimal(text)
        except InvalidOperation:
            raise illegal(name, _NUMBER_LEGAL) from None

    def whole(self, name: str) -> int | None:
        """Give a whole number."""
        text = self.values.get(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 20:
            raise illegal(name, "^[0-9]{1,20}$")
        return int(text)

    def flag(self, name: str) -> bool:
        """Give a boolean, which is the word `true` or `false`."""
        text = self.values.get(name, "false").lower()
        if text not in {"true", "false"}:
            raise illegal(name, "true|false")
        return text == "true"

    def order_name(self, name: str) -> str:
        """Give a client order id, or nothing; raises -1100 or -4015."""
        text = self.values.get(name, "")
        if text and _ID[self.kind].fullmatch(text) is None:
            if self.kind is Kind.FUTURES and len(text) > 36:
                raise ApiError(-4015, "Client order id length should be less than 36 chars")
            raise illegal(name, ID_LEGAL[self.kind])
        return text

    def listing(self) -> Listing:
        """Give the listing of `symbol`; raises -1102 or -1121."""
        found = self.find_listing(self.required("symbol"))
        if found is None:
            raise ApiError(*NO_SUCH_SYMBOL)
        return found

    def find_listing(self, symbol: str) -> Listing | None:
        """Give the listing of a symbol of this product, or None."""
        return self.brokerage.exchange.listing(listed_as(self.kind, symbol))
