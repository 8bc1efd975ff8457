"""Accounts and their history."""

from brokerapi.v1 import accounts_pb2 as pb

from brokergw.model.account import AccountState, Connection, Transaction
from brokergw.model.money import format_decimal
from brokergw.rpc.wire.decimals import optional_decimal
from brokergw.rpc.wire.found import Found, token_from
from brokergw.rpc.wire.paging import page_size_from
from brokergw.rpc.wire.times import time_from, time_to_proto
from brokergw.rpc.wire.trading import ENVIRONMENT_TO


def list_from_proto(request: pb.ListAccountsRequest, found: Found) -> pb.ListAccountsRequest:
    """Check ListAccountsRequest."""
    page_size_from(request.page_size, found)
    return request


def get_from_proto(request: pb.GetAccountRequest, found: Found) -> pb.GetAccountRequest:
    """Check GetAccountRequest."""
    token_from(request.account_id, "account_id", found)
    return request


def transactions_from_proto(request: pb.ListTransactionsRequest, found: Found) -> pb.ListTransactionsRequest:
    """Check ListTransactionsRequest."""
    token_from(request.account_id, "account_id", found)
    since = time_from(request.since_time, "since_time", found)
    until = time_from(request.until_time, "until_time", found)
    if request.HasField("since_time") and request.HasField("until_time") and since >= until:
        found.add("until_time", "must be after since_time")
    page_size_from(request.page_size, found)
    return request


def summary_to_proto(connection: Connection) -> pb.AccountSummary:
    """Write what the gateway knows of an account."""
    return pb.AccountSummary(
        account_id=connection.account_id,
        connection_id=connection.connection_id,
        broker=connection.broker,
        environment=ENVIRONMENT_TO[connection.environment],
        label=connection.account_label,
    )


def account_to_proto(connection: Connection, state: AccountState) -> pb.Account:
    """Write an account as the broker told it."""
    return pb.Account(
        summary=summary_to_proto(connection),
        currency=state.currency,
        equity=format_decimal(state.equity),
        cash=format_decimal(state.cash),
        buying_power=format_decimal(state.buying_power),
        balances=[
            pb.Balance(
                asset=balance.asset,
                total=format_decimal(balance.total),
                available=format_decimal(balance.available),
                locked=format_decimal(balance.locked),
            )
            for balance in state.balances
        ],
        trading_blocked=state.trading_blocked,
        shorting_enabled=state.shorting_enabled,
        multiplier=format_decimal(state.multiplier),
        as_of=time_to_proto(state.as_of_ns),
    )


def transaction_to_proto(line: Transaction) -> pb.Transaction:
    """Write one line of an account's history."""
    return pb.Transaction(
        transaction_id=line.transaction_id,
        kind=line.kind,
        broker_kind=line.broker_kind,
        time=time_to_proto(line.time_ns),
        symbol=line.symbol,
        quantity=optional_decimal(line.quantity),
        price=optional_decimal(line.price),
        net_amount=optional_decimal(line.net_amount),
        currency=line.currency,
        description=line.description,
        broker_order_id=line.broker_order_id,
    )
