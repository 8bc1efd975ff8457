"""Trade through schwab-py, unchanged but for the address, and print what it saw as JSON.

Run by `tests/sdk/test_schwab_sdks.py` in an environment of its own: `python drive_schwab_py.py URL TOKENS_JSON`.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import schwab  # type: ignore[import-not-found]
from authlib.integrations.httpx_client import AsyncOAuth2Client
from schwab.orders import equities  # type: ignore[import-not-found]
from schwab.orders.common import (  # type: ignore[import-not-found]
    Duration,
    OptionInstruction,
    OrderType,
    Session,
    first_triggers_second,
    one_cancels_other,
)
from schwab.orders.generic import OrderBuilder  # type: ignore[import-not-found]

KEY, SECRET = "simulated-application-key-000001", "simulated-secret"
CALL, PUT = "AAPL  270115C00230000", "AAPL  270115P00230000"


class Elsewhere(httpx.AsyncHTTPTransport):
    """Leads every request to the simulator."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._to = httpx.URL(url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme=self._to.scheme, host=self._to.host, port=self._to.port)
        return await super().handle_async_request(request)


def open_client(url: str, token: dict[str, Any], written: list[dict[str, Any]]) -> Any:
    def write(new: dict[str, Any], *_: Any, **__: Any) -> None:
        written.append(dict(new.get("token", new)))

    metadata = schwab.auth.TokenMetadata(token, int(time.time()), write)

    async def update(new: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        metadata.wrapped_token_write_func()(new, *args, **kwargs)

    session = AsyncOAuth2Client(
        KEY,
        client_secret=SECRET,
        token=token,
        token_endpoint=schwab.auth.TOKEN_ENDPOINT,
        update_token=update,
        leeway=300,
        transport=Elsewhere(url),
    )
    return schwab.client.AsyncClient(KEY, session, token_metadata=metadata)


def limit(quantity: int, price: str) -> Any:
    return equities.equity_buy_limit("AAPL", quantity, price).set_duration(Duration.GOOD_TILL_CANCEL)


class Drive:
    """One walk through everything; what it saw is in `seen`."""

    def __init__(self, url: str, tokens: dict[str, Any]) -> None:
        self.url, self.tokens = url, tokens
        self.written: list[dict[str, Any]] = []
        self.client = open_client(url, tokens["current"], self.written)
        self.seen: dict[str, Any] = {}

    async def run(self) -> dict[str, Any]:
        await self.account()
        await self.singles()
        await self.groups()
        await self.spread()
        await self.refusals()
        await self.data()
        await self.stream()
        await self.tokens_renewed()
        return self.seen

    async def place(self, order: Any) -> str:
        answer = await self.client.place_order(self.hash, order)
        assert answer.status_code == 201, answer.text
        assert answer.content == b""
        return str(schwab.utils.Utils(self.client, self.hash).extract_order_id(answer))

    async def shown(self, order_id: str) -> dict[str, Any]:
        answer = await self.client.get_order(order_id, self.hash)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def account(self) -> None:
        (row,) = (await self.client.get_account_numbers()).json()
        self.hash = row["hashValue"]
        account = (await self.client.get_account(self.hash, fields=[self.client.Account.Fields.POSITIONS])).json()
        every = (await self.client.get_accounts()).json()
        self.seen["account"] = {"numbers": row, "account": account, "all": len(every)}

    async def singles(self) -> None:
        market = await self.place(equities.equity_buy_market("AAPL", 10))
        rests = await self.place(limit(5, "10.00"))
        working = await self.shown(rests)
        answer = await self.client.replace_order(self.hash, rests, limit(7, "11.00"))
        new = str(schwab.utils.Utils(self.client, self.hash).extract_order_id(answer))
        replaced, successor = await self.shown(rests), await self.shown(new)
        canceled = (await self.client.cancel_order(new, self.hash)).status_code
        again = await self.client.cancel_order(new, self.hash)
        listed = await self.client.get_orders_for_account(
            self.hash,
            from_entered_datetime=datetime.now(UTC) - timedelta(days=1),
            to_entered_datetime=datetime.now(UTC) + timedelta(minutes=1),
        )
        account = (await self.client.get_account(self.hash, fields=[self.client.Account.Fields.POSITIONS])).json()
        trades = await self.client.get_transactions(
            self.hash, transaction_types=[self.client.Transactions.TransactionType.TRADE]
        )
        self.seen["singles"] = {
            "market": await self.shown(market),
            "working": working,
            "replaced": replaced["status"],
            "successor": successor,
            "canceled": [canceled, again.status_code, again.json()],
            "ended": await self.shown(new),
            "listed": [row["orderId"] for row in listed.json()],
            "positions": account["securitiesAccount"]["positions"],
            "trades": trades.json(),
        }

    async def groups(self) -> None:
        profit = equities.equity_sell_limit("AAPL", 3, "900.00").set_duration(Duration.GOOD_TILL_CANCEL)
        stop = (
            OrderBuilder()
            .set_order_type(OrderType.STOP)
            .set_session(Session.NORMAL)
            .set_duration(Duration.GOOD_TILL_CANCEL)
            .set_stop_price("5.00")
            .set_order_strategy_type(schwab.orders.common.OrderStrategyType.SINGLE)
            .add_equity_leg(schwab.orders.common.EquityInstruction.SELL, "AAPL", 3)
        )
        pair = one_cancels_other(profit, stop)
        bracket = await self.place(first_triggers_second(limit(3, "10.00"), pair))
        waiting = await self.shown(bracket)
        child = waiting["childOrderStrategies"][0]["childOrderStrategies"][0]["orderId"]
        await self.client.cancel_order(child, self.hash)
        kept = await self.shown(bracket)
        await self.client.cancel_order(bracket, self.hash)
        oco = await self.place(one_cancels_other(profit, stop))
        self.seen["groups"] = {
            "bracket": waiting,
            "kept": kept,
            "over": (await self.shown(bracket))["status"],
            "oco": await self.shown(oco),
        }
        await self.client.cancel_order(oco, self.hash)

    async def spread(self) -> None:
        order = (
            OrderBuilder()
            .set_order_type(OrderType.NET_DEBIT)
            .set_session(Session.NORMAL)
            .set_duration(Duration.DAY)
            .set_price("90.00")
            .set_quantity(2)
            .set_order_strategy_type(schwab.orders.common.OrderStrategyType.SINGLE)
            .set_complex_order_strategy_type(schwab.orders.common.ComplexOrderStrategyType.STRADDLE)
            .add_option_leg(OptionInstruction.BUY_TO_OPEN, CALL, 2)
            .add_option_leg(OptionInstruction.BUY_TO_OPEN, PUT, 2)
        )
        self.seen["spread"] = await self.shown(await self.place(order))

    async def refusals(self) -> None:
        poor = await self.place(equities.equity_buy_limit("AAPL", 100_000, "300.00"))
        oversold = await self.place(equities.equity_sell_market("MSFT", 1))
        unknown = await self.client.place_order(self.hash, equities.equity_buy_market("ZZZZ", 1))
        raw = await self.client.get_account("12345678")
        missing = await self.client.get_order(1, self.hash)
        stranger = open_client(self.url, self.tokens["wrong"], [])
        denied = await stranger.get_account_numbers()
        self.seen["refusals"] = {
            "poor": await self.shown(poor),
            "oversold": await self.shown(oversold),
            "unknown": [unknown.status_code, unknown.json()],
            "raw": [raw.status_code, raw.json()],
            "missing": missing.status_code,
            "denied": denied.status_code,
        }

    async def data(self) -> None:
        quotes = await self.client.get_quotes(["AAPL", "SPY", "ZZZZ", CALL])
        one = await self.client.get_quote("MSFT")
        instruments = await self.client.get_instruments(["AAPL"], self.client.Instrument.Projection.SYMBOL_SEARCH)
        self.seen["data"] = {"quotes": quotes.json(), "one": one.json(), "instruments": instruments.json()}

    async def stream(self) -> None:
        stream = schwab.streaming.StreamClient(self.client)
        told: list[dict[str, Any]] = []
        stream.add_account_activity_handler(lambda message: told.extend(message["content"]))
        await stream.login()
        await stream.account_activity_sub()
        order_id = await self.place(equities.equity_buy_market("MSFT", 1))
        async with asyncio.timeout(10):
            while not any(each.get("MESSAGE_TYPE") == "OrderFillCompleted" for each in told):
                await stream.handle_message()
        await stream.logout()
        self.seen["stream"] = {"order_id": order_id, "told": told}

    async def tokens_renewed(self) -> None:
        written: list[dict[str, Any]] = []
        client = open_client(self.url, self.tokens["ending"], written)
        answer = await client.get_account_numbers()
        self.seen["renewed"] = {"status": answer.status_code, "written": [sorted(each) for each in written]}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(Drive(sys.argv[1], json.loads(sys.argv[2])).run())))  # noqa: T201 - its answer
