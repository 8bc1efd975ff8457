"""The calls of AccountService and QuotaService."""

from functools import cached_property

from brokerapi.v1 import accounts_pb2, accounts_pb2_grpc, quotas_pb2, quotas_pb2_grpc, trading_settings_pb2

from brokergw.client import encode
from brokergw.client.base import CallGroup
from brokergw.client.encode import Moment


class AccountCalls(CallGroup):
    """Ask for accounts, their history, how symbols are traded in them, and what may still be spent."""

    async def list_accounts(
        self, *, page_size: int = 0, page_token: str = "", timeout_s: float | None = None
    ) -> accounts_pb2.ListAccountsResponse:
        """List one page of the caller's accounts, oldest first."""
        request = accounts_pb2.ListAccountsRequest(page_size=page_size, page_token=page_token)
        return await self._caller.read(self._accounts.ListAccounts, request, timeout_s)

    async def get_account(self, account_id: str, *, timeout_s: float | None = None) -> accounts_pb2.Account:
        """Ask the broker for one account."""
        request = accounts_pb2.GetAccountRequest(account_id=account_id)
        return (await self._caller.read(self._accounts.GetAccount, request, timeout_s)).account

    async def list_transactions(
        self,
        account_id: str,
        *,
        since_time: Moment | None = None,
        until_time: Moment | None = None,
        page_size: int = 0,
        page_token: str = "",
        timeout_s: float | None = None,
    ) -> accounts_pb2.ListTransactionsResponse:
        """List one page of an account's history, newest first."""
        request = accounts_pb2.ListTransactionsRequest(
            account_id=account_id,
            since_time=encode.timestamp("since_time", since_time),
            until_time=encode.timestamp("until_time", until_time),
            page_size=page_size,
            page_token=page_token,
        )
        return await self._caller.read(self._accounts.ListTransactions, request, timeout_s)

    async def get_trading_settings(
        self, account_id: str, symbol: str, *, timeout_s: float | None = None
    ) -> trading_settings_pb2.TradingSettings:
        """Ask the broker for a symbol's leverage, margin type and position mode."""
        request = trading_settings_pb2.GetTradingSettingsRequest(account_id=account_id, symbol=symbol)
        return (await self._caller.read(self._accounts.GetTradingSettings, request, timeout_s)).settings

    async def update_trading_settings(
        self,
        account_id: str,
        symbol: str,
        *,
        leverage: int | None = None,
        margin_type: str = "",
        position_mode: str = "",
        etag: str = "",
        timeout_s: float | None = None,
    ) -> trading_settings_pb2.TradingSettings:
        """Choose leverage, margin type (CROSS, ISOLATED) or position mode (ONE_WAY, HEDGE), and give what then holds.

        The position mode is the whole account's. It is repeated where the gateway cannot be reached: what is so already
        is not sent to the broker again.
        """
        request = trading_settings_pb2.UpdateTradingSettingsRequest(
            account_id=account_id,
            symbol=symbol,
            leverage=leverage,
            margin_type=encode.margin_type(margin_type),
            position_mode=encode.position_mode(position_mode),
            etag=etag,
        )
        return (await self._caller.read(self._accounts.UpdateTradingSettings, request, timeout_s)).settings

    async def get_quota(self, *, timeout_s: float | None = None) -> quotas_pb2.GetQuotaResponse:
        """Get the caller's budgets and those of its brokers."""
        stub = quotas_pb2_grpc.QuotaServiceStub(self._channel)
        return await self._caller.read(stub.GetQuota, quotas_pb2.GetQuotaRequest(), timeout_s)

    @cached_property
    def _accounts(self) -> accounts_pb2_grpc.AccountServiceStub:
        return accounts_pb2_grpc.AccountServiceStub(self._channel)
