"""What a handler gets: the request, who makes it, and the world."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from brokergw.sim.dialects.ctrader.accounts import Account
from brokergw.sim.dialects.ctrader.brokerage import Brokerage
from brokergw.sim.dialects.ctrader.link import Link
from brokergw.sim.dialects.ctrader.refusals import OpenApiError

Answer: TypeAlias = dict[str, Any] | None
"""The payload of the answer; None where events answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request on one connection."""

    brokerage: Brokerage
    link: Link
    body: dict[str, Any]
    message_id: str

    @property
    def account(self) -> Account:
        """The account that it is about; raises OpenApiError unless the connection is authorised for it."""
        ctid = self.body["ctidTraderAccountId"]
        if ctid not in self.link.tokens:
            raise OpenApiError("INVALID_REQUEST", f"Trading account is not authorized, ctid: {ctid}")
        return self.brokerage.accounts[ctid]
