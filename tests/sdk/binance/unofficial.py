"""python-binance, unchanged but for its addresses, at spot and futures, REST and streams; prints what it saw."""

import argparse
import asyncio
import json
import os
from typing import Any

from binance import AsyncClient, BinanceSocketManager, Client
from binance.base_client import BaseClient
from binance.exceptions import BinanceAPIException


def point_at(url: str) -> None:
    """Let every client talk to one server."""
    socket = url.replace("http", "ws")
    BaseClient.API_URL = f"{url}/api"
    BaseClient.FUTURES_URL = f"{url}/fapi"
    BaseClient.WS_API_URL = f"{socket}/ws-api/v3"
    BaseClient.WS_FUTURES_URL = f"{socket}/ws-fapi/v1"
    BinanceSocketManager.STREAM_URL = f"{socket}/"
    BinanceSocketManager.FSTREAM_URL = f"{socket}/"


def refusal(call: Any, **arguments: Any) -> list[Any]:
    """Make a call that the broker refuses, and give code and words."""
    try:
        call(**arguments)
    except BinanceAPIException as error:
        return [error.status_code, error.code, error.message]
    return []


def trade(client: Client, seen: dict[str, Any]) -> None:
    """Order, look, cancel, at spot."""
    order = {"symbol": "ETHUSDT", "quantity": "0.5", "price": "3000", "newClientOrderId": "pb-limit"}
    seen["limit"] = client.order_limit_buy(**order)
    seen["found"] = client.get_order(symbol="ETHUSDT", origClientOrderId="pb-limit")
    seen["open"] = client.get_open_orders()
    seen["canceled"] = client.cancel_order(symbol="ETHUSDT", orderId=seen["limit"]["orderId"])
    seen["late_cancel"] = refusal(client.cancel_order, symbol="ETHUSDT", orderId=seen["limit"]["orderId"])
    seen["account"] = client.get_account()
    seen["unread"] = refusal(client.get_account, nonsense="1")


def trade_lists(client: Client, seen: dict[str, Any]) -> None:
    """Place a pair of exits at spot, find it, and end it by cancelling one of its orders."""
    client.order_market_buy(symbol="BTCUSDT", quantity="0.1")
    seen["pair"] = client.order_oco_sell(
        symbol="BTCUSDT", quantity="0.1", listClientOrderId="pb-pair",
        aboveType="LIMIT_MAKER", abovePrice="120000", aboveClientOrderId="pb-above",
        belowType="STOP_LOSS_LIMIT", belowStopPrice="80000", belowPrice="79000", belowTimeInForce="GTC",
    )  # fmt: skip
    seen["open_lists"] = client.get_open_oco_orders()
    seen["pair_open"] = client.get_open_orders(symbol="BTCUSDT")
    seen["pair_gone"] = client.cancel_order(symbol="BTCUSDT", origClientOrderId="pb-above")
    seen["lists_left"] = client.get_open_oco_orders()
    seen["wrong_pair"] = refusal(
        client.order_oco_sell, symbol="BTCUSDT", quantity="0.1",
        aboveType="LIMIT_MAKER", abovePrice="70000", belowType="STOP_LOSS", belowStopPrice="80000",
    )  # fmt: skip


def trade_futures(client: Client, seen: dict[str, Any]) -> None:
    """The same at futures, and a stop, which the client sends to the place for conditional orders by itself."""
    seen["f_stop"] = client.futures_create_order(
        symbol="ETHUSDT", side="BUY", type="STOP_MARKET", quantity="0.5", triggerPrice="4000"
    )
    seen["f_open_stops"] = client.futures_get_open_algo_orders(symbol="ETHUSDT")
    seen["f_limit"] = client.futures_create_order(
        symbol="ETHUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.5", price="3000"
    )
    seen["f_canceled"] = client.futures_cancel_order(symbol="ETHUSDT", orderId=seen["f_limit"]["orderId"])
    seen["f_account"] = client.futures_account()
    seen["f_leverage"] = client.futures_change_leverage(symbol="ETHUSDT", leverage=7)


async def listen(key: str, secret: str, seen: dict[str, Any]) -> None:
    """Hear of a trade at spot and at futures."""
    client = await AsyncClient.create(key, secret)
    sockets = BinanceSocketManager(client)
    for name, stream, order in (
        ("spot_events", sockets.user_socket(), client.order_market_buy),
        ("futures_events", sockets.futures_user_socket(), client.futures_create_order),
    ):
        heard: list[Any] = []
        socket = await stream.__aenter__()
        await asyncio.sleep(0.3)
        terms = {"symbol": "ETHUSDT", "quantity": "0.5"}
        if name == "futures_events":
            terms |= {"side": "BUY", "type": "MARKET"}
        await order(**terms)
        while not any('"FILLED"' in json.dumps(each) for each in heard):
            heard.append(await asyncio.wait_for(socket.recv(), 10))
        seen[name] = heard


def main() -> None:
    """Do it all."""
    parser = argparse.ArgumentParser()
    for name in ("url", "key", "secret"):
        parser.add_argument(f"--{name}", required=True)
    chosen = parser.parse_args()
    point_at(chosen.url)
    client = Client(chosen.key, chosen.secret)
    seen: dict[str, Any] = {}
    trade(client, seen)
    trade_lists(client, seen)
    trade_futures(client, seen)
    stranger = Client(chosen.key, "wrong", ping=False)
    seen["bad_signature"] = refusal(stranger.get_account)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(listen(chosen.key, chosen.secret, seen))
    print(json.dumps(seen), flush=True)  # noqa: T201 - this is the program's voice
    # The client's sockets would wait ten seconds each for another message before they close.
    os._exit(0)


if __name__ == "__main__":
    main()
