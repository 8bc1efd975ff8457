"""What is there for a credential that is restricted to some accounts or environments: everything else is missing."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from brokergw.desk.keys.sends import key_reused
from brokergw.desk.results import OrderResult, Result, SweepResult
from brokergw.desk.sessions import Sessions
from brokergw.model.commands import KeyedCommand, SettleOrder
from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.principal import Caller
from brokergw.model.whose import Whose, everyone, only
from brokergw.ports.journal import Journal

Shown = TypeVar("Shown", OrderResult, SweepResult, Result)


class Reach:
    """Keeps idempotency keys, which belong to the user, from telling a restricted credential of other accounts."""

    def __init__(self, sessions: Sessions, journal: Journal) -> None:
        self._sessions = sessions
        self._journal = journal

    async def recalled(
        self, caller: Caller, command: KeyedCommand, recall: Callable[[], Awaitable[Result | None]]
    ) -> Result | None:
        """Give what a command's key stands for; raises IDEMPOTENCY_KEY_REUSED where that lies out of reach."""
        await self.require(caller, command)
        try:
            known = await recall()
        except GatewayError as error:
            order = await self._journal.order(_whose(caller, command), error.order_id) if error.order_id else None
            if order is not None and not await self._sessions.reaches(caller, order.account_id):
                raise key_reused("") from None
            raise
        return None if known is None else await self.showable(caller, known)

    async def require(self, caller: Caller, command: KeyedCommand) -> None:
        """Raise NotFound, as for what does not exist, where a command names what is not there for its caller."""
        account_id = getattr(command, "account_id", "")
        if account_id and not await self._sessions.reaches(caller, account_id):
            raise NotFound(Reason.ACCOUNT_NOT_FOUND, "account", account_id)
        order_id = getattr(command, "order_id", "")
        if not order_id:
            return
        order = await self._journal.order(_whose(caller, command), order_id)
        if order is None or not await self._sessions.reaches(caller, order.account_id):
            raise NotFound(Reason.ORDER_NOT_FOUND, "order", order_id)

    async def showable(self, caller: Caller, result: Shown) -> Shown:
        """Give a result back; raises IDEMPOTENCY_KEY_REUSED for one that tells of other accounts."""
        for account_id in _accounts(result):
            if not await self._sessions.reaches(caller, account_id):
                raise key_reused("")
        return result


def _whose(caller: Caller, command: KeyedCommand) -> Whose:
    if isinstance(command, SettleOrder):
        return everyone("an operator's verdict is about the order of any user")
    return only(caller.user_id)


def _accounts(result: Result) -> set[str]:
    told = {*result.positions}
    if isinstance(result, OrderResult):
        return told | {result.order.account_id}
    orders = (*result.orders, *(item.order for item in result.cancels))
    return told | {order.account_id for order in orders} | {item.account_id for item in result.residuals}
