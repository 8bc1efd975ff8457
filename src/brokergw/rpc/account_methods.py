"""The RPCs about accounts, one row each."""

from typing import Final

from brokerapi.v1 import accounts_pb2, trading_settings_pb2
from google.protobuf.message import Message

from brokergw.model.principal import Scope
from brokergw.rpc.policy import Decoder, MethodPolicy
from brokergw.rpc.settings import Budget
from brokergw.rpc.wire import accounts, trading_settings

_SERVICE: Final = "brokerapi.v1.AccountService"


def _read(name: str, request: type[Message], decode: Decoder, *, cost: int = 1) -> MethodPolicy:
    return MethodPolicy(
        method=f"/{_SERVICE}/{name}",
        request=request,
        decode=decode,
        scope=Scope.ACCOUNTS_READ,
        budget=Budget.READS,
        cost=cost,
    )


ACCOUNTS: Final = (
    _read("ListAccounts", accounts_pb2.ListAccountsRequest, accounts.list_from_proto),
    _read(
        "GetAccount",
        accounts_pb2.GetAccountRequest,
        accounts.get_from_proto,
        cost=2,
    ),
    _read(
        "ListTransactions",
        accounts_pb2.ListTransactionsRequest,
        accounts.transactions_from_proto,
        cost=5,
    ),
    _read(
        "GetTradingSettings",
        trading_settings_pb2.GetTradingSettingsRequest,
        trading_settings.get_from_proto,
        cost=2,
    ),
    # What it chooses is what shall be, so that it needs no key.
    MethodPolicy(
        method=f"/{_SERVICE}/UpdateTradingSettings",
        request=trading_settings_pb2.UpdateTradingSettingsRequest,
        decode=trading_settings.update_from_proto,
        scope=Scope.ORDERS_WRITE,
        budget=Budget.ORDERS,
        audited=True,
    ),
)
