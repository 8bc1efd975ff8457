"""One admitted request on its way to an endpoint."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from brokergw.sim.dialects.ibkr.brokerage import Brokerage
from brokergw.sim.dialects.ibkr.questions import Questions
from brokergw.sim.dialects.ibkr.refusals import ApiError, bad_account
from brokergw.sim.dialects.ibkr.shapes import JsonObject
from brokergw.sim.faults import Fault, FaultName
from brokergw.sim.wire import WireRequest


@dataclass(slots=True)
class Call:
    """The request and the variable parts of its path."""

    brokerage: Brokerage
    questions: Questions
    request: WireRequest
    arguments: tuple[str, ...] = ()

    def strike(self, name: FaultName) -> Fault | None:
        """Give the fault of a name that hits this request, if one does, and note it on the journal entry."""
        return self.brokerage.faults.touch(name, self.request)

    def body(self) -> JsonObject:
        """Read the body as an object; raises ApiError."""
        document = self.document()
        if not isinstance(document, dict):
            raise ApiError(500, "invalid request content", coded=True)
        return document

    def document(self) -> Any:
        """Read the body; raises ApiError."""
        try:
            return json.loads(self.request.body or b"{}", parse_float=Decimal)
        except ValueError:
            raise ApiError(500, "invalid request content", coded=True) from None

    def own_account(self, account_id: str) -> str:
        """Insist on the user's account; raises ApiError."""
        if account_id != self.brokerage.account_id:
            raise bad_account(account_id)
        return account_id
