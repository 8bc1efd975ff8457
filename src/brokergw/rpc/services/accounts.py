"""AccountService."""

from typing import Final

from brokerapi.v1 import accounts_pb2 as pb
from brokerapi.v1 import trading_settings_pb2 as settings_pb

from brokergw.model.account import Connection, Transaction
from brokergw.ports.clock import Clock
from brokergw.rpc.call import Call
from brokergw.rpc.needs import DeskFace
from brokergw.rpc.wire.accounts import account_to_proto, summary_to_proto, transaction_to_proto
from brokergw.rpc.wire.found import Found
from brokergw.rpc.wire.paging import PageTokens
from brokergw.rpc.wire.times import NANOSECONDS, time_from
from brokergw.rpc.wire.trading_settings import settings_to_proto

_HISTORY_NS: Final = 30 * 86_400 * NANOSECONDS


class AccountService:
    """Accounts, as the gateway and as the brokers know them."""

    def __init__(self, desk: DeskFace, pages: PageTokens, clock: Clock) -> None:
        self._desk = desk
        self._pages = pages
        self._clock = clock

    async def list_accounts(self, call: Call) -> bytes:
        """List the caller's accounts."""
        accounts = await self._desk.list_accounts(call.caller)
        page, token = self._pages.slice(call.caller.user_id, call.command, accounts, _account_id)
        return pb.ListAccountsResponse(
            accounts=[summary_to_proto(connection) for connection in page], next_page_token=token
        ).SerializeToString()

    async def get_account(self, call: Call) -> bytes:
        """Ask the broker for one account."""
        request: pb.GetAccountRequest = call.command
        connection, state = await self._desk.get_account(call.caller, request.account_id)
        return pb.GetAccountResponse(account=account_to_proto(connection, state)).SerializeToString()

    async def list_transactions(self, call: Call) -> bytes:
        """Ask the broker for an account's history."""
        request: pb.ListTransactionsRequest = call.command
        since_ns, until_ns = self._span(request)
        lines = await self._desk.list_transactions(call.caller, request.account_id, since_ns, until_ns)
        page, token = self._pages.slice(call.caller.user_id, request, lines, _transaction_id)
        return pb.ListTransactionsResponse(
            transactions=[transaction_to_proto(line) for line in page], next_page_token=token
        ).SerializeToString()

    async def get_trading_settings(self, call: Call) -> bytes:
        """Ask the broker how a symbol is traded."""
        request: settings_pb.GetTradingSettingsRequest = call.command
        told = await self._desk.settings.get(call.caller, request.account_id, request.symbol)
        return settings_pb.GetTradingSettingsResponse(settings=settings_to_proto(*told)).SerializeToString()

    async def update_trading_settings(self, call: Call) -> bytes:
        """Choose how a symbol is traded."""
        told = await self._desk.settings.update(call.caller, call.command)
        return settings_pb.UpdateTradingSettingsResponse(settings=settings_to_proto(*told)).SerializeToString()

    def _span(self, request: pb.ListTransactionsRequest) -> tuple[int, int]:
        found = Found()
        now = self._clock.now_ns()
        until = time_from(request.until_time, "until_time", found) if request.HasField("until_time") else now
        if request.HasField("since_time"):
            return time_from(request.since_time, "since_time", found), until
        return until - _HISTORY_NS, until


def _account_id(connection: Connection) -> str:
    return connection.account_id


def _transaction_id(line: Transaction) -> str:
    return line.transaction_id
