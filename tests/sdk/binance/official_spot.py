"""Binance's own spot SDK, unchanged but for its addresses: orders, account and user data; prints what it saw."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI
from binance_common.errors import BadRequestError, UnauthorizedError
from binance_sdk_spot.spot import Spot


def plain(model: Any) -> Any:
    """Write one of the SDK's models, by its wire names."""
    return model if isinstance(model, dict) else json.loads(model.to_json())


def refusal(call: Any, **arguments: Any) -> dict[str, Any]:
    """Make a call that the broker refuses, and give how the SDK tells it."""
    try:
        call(**arguments)
    except (BadRequestError, UnauthorizedError) as error:
        return {"kind": type(error).__name__, "words": str(error)}
    return {"kind": "none"}


async def listen(client: Spot, until: Any, word: str = '"FILLED"') -> list[dict[str, Any]]:
    """Listen to the user data stream while something is done, until it tells of a word."""
    events: list[dict[str, Any]] = []
    await client.websocket_api.create_connection()
    response = await client.websocket_api.user_data_stream_subscribe_signature()
    response.stream.on("message", lambda event: events.append(plain(event)))
    await asyncio.to_thread(until)
    for _ in range(200):
        if any(word in json.dumps(event) for event in events):
            break
        await asyncio.sleep(0.02)
    await client.websocket_api.close_connection()
    return events


def lists(client: Spot, seen: dict[str, Any]) -> None:
    """Place a pair of exits and an entry with two, look at them, and cancel them while the stream is heard."""
    api = client.rest_api

    def act() -> None:
        pair = api.order_list_oco(
            "BTCUSDT", "SELL", 0.1, "LIMIT_MAKER", "STOP_LOSS", list_client_order_id="sdk-pair",
            above_client_order_id="sdk-above", above_price=120000.0, below_stop_price=80000.0,
        )  # fmt: skip
        seen["pair"] = plain(pair.data())
        seen["pair_found"] = plain(api.get_order_list(orig_client_order_id="sdk-pair").data())
        group = api.order_list_otoco(
            "BTCUSDT", "LIMIT", "BUY", 90000.0, 0.01, "SELL", 0.01, "LIMIT_MAKER",
            list_client_order_id="sdk-group", working_time_in_force="GTC", pending_above_price=120000.0,
            pending_below_type="STOP_LOSS_LIMIT", pending_below_stop_price=80000.0, pending_below_price=79000.0,
            pending_below_time_in_force="GTC",
        )  # fmt: skip
        seen["group"] = plain(group.data())
        seen["open_lists"] = [plain(each) for each in api.open_order_list().data()]
        seen["pair_gone"] = plain(api.delete_order_list("BTCUSDT", list_client_order_id="sdk-pair").data())
        seen["group_gone"] = plain(api.delete_order_list("BTCUSDT", list_client_order_id="sdk-group").data())

    seen["list_events"] = asyncio.run(listen(client, act, '"ALL_DONE"'))


def main() -> None:
    """Trade, look, listen, be refused."""
    parser = argparse.ArgumentParser()
    for name in ("url", "key", "secret", "private-key"):
        parser.add_argument(f"--{name}", default="")
    chosen = parser.parse_args()
    sign: dict[str, Any] = {"api_secret": chosen.secret}
    if chosen.private_key:
        sign = {"private_key": Path(chosen.private_key).read_text("utf-8")}
    rest = ConfigurationRestAPI(api_key=chosen.key, base_path=chosen.url, timeout=5000, retries=0, **sign)
    socket = ConfigurationWebSocketAPI(
        api_key=chosen.key, stream_url=chosen.url.replace("http", "ws") + "/ws-api/v3", **sign
    )
    client = Spot(config_rest_api=rest, config_ws_api=socket)
    api = client.rest_api
    seen: dict[str, Any] = {}
    info = plain(api.exchange_info(symbol="BTCUSDT").data())
    seen["symbol"] = info["symbols"][0]["symbol"]
    limit = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 0.01}
    seen["resting"] = plain(api.new_order(**limit, price=90000.0, new_client_order_id="sdk-resting").data())
    seen["found"] = plain(api.get_order("BTCUSDT", orig_client_order_id="sdk-resting").data())
    seen["open"] = [plain(each) for each in api.get_open_orders("BTCUSDT").data()]
    seen["duplicate"] = refusal(api.new_order, **limit, price=90000.0, new_client_order_id="sdk-resting")
    seen["canceled"] = plain(api.delete_order("BTCUSDT", orig_client_order_id="sdk-resting").data())
    seen["gone"] = refusal(api.get_order, symbol="BTCUSDT", orig_client_order_id="sdk-resting")

    def buy() -> None:
        order = api.new_order("BTCUSDT", "BUY", "MARKET", quantity=0.5, new_client_order_id="sdk-market")
        seen["market"] = plain(order.data())

    seen["events"] = asyncio.run(listen(client, buy))
    seen["trades"] = [plain(each) for each in api.my_trades("BTCUSDT").data()]
    seen["account"] = plain(api.get_account().data())
    seen["history"] = [plain(each) for each in api.all_orders("BTCUSDT").data()]
    seen["stop"] = plain(
        api.new_order(
            "BTCUSDT", "SELL", "STOP_LOSS_LIMIT", time_in_force="GTC", quantity=0.1, price=80000.0, stop_price=81000.0
        ).data()
    )
    seen["canceled_all"] = [plain(each) for each in api.delete_open_orders("BTCUSDT").data()]
    lists(client, seen)
    seen["off_tick"] = refusal(api.new_order, **limit, price=90000.123)
    seen["too_small"] = refusal(api.new_order, **{**limit, "quantity": 0.0001}, price=40000.0)
    seen["poor"] = refusal(api.new_order, **{**limit, "quantity": 500.0}, price=90000.0)
    seen["symbol_unknown"] = refusal(api.new_order, **{**limit, "symbol": "NOPEUSDT"}, price=90000.0)
    stranger = Spot(ConfigurationRestAPI(api_key=chosen.key, api_secret="wrong", base_path=chosen.url, retries=0))
    seen["bad_signature"] = refusal(stranger.rest_api.get_account)
    nobody = Spot(ConfigurationRestAPI(api_key="nobody", api_secret="wrong", base_path=chosen.url, retries=0))
    seen["bad_key"] = refusal(nobody.rest_api.get_account)
    print(json.dumps(seen))  # noqa: T201 - this is the program's voice


if __name__ == "__main__":
    main()
