"""Binance's own SDK for USDⓈ-M futures, unchanged but for its addresses; prints what it saw."""

import argparse
import asyncio
import json
from typing import Any

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_common.errors import BadRequestError
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)


def plain(model: Any) -> Any:
    """Write one of the SDK's models, by its wire names."""
    return model if isinstance(model, dict) else json.loads(model.to_json())


def refusal(call: Any, **arguments: Any) -> str:
    """Make a call that the broker refuses, and give its words."""
    try:
        call(**arguments)
    except BadRequestError as error:
        return str(error)
    return ""


async def listen(client: DerivativesTradingUsdsFutures, until: Any) -> list[dict[str, Any]]:
    """Listen to the user data stream while something is done."""
    events: list[dict[str, Any]] = []
    key = client.rest_api.start_user_data_stream().data().listen_key
    await client.websocket_streams.create_connection()
    stream = await client.websocket_streams.user_data(key)
    stream.on("message", lambda event: events.append(plain(event)))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(until)
    for _ in range(200):
        if any('"FILLED"' in json.dumps(event) for event in events):
            break
        await asyncio.sleep(0.02)
    await client.websocket_streams.close_connection()
    return events


def main() -> None:
    """Trade, change, look, listen, be refused."""
    parser = argparse.ArgumentParser()
    for name in ("url", "key", "secret"):
        parser.add_argument(f"--{name}", required=True)
    chosen = parser.parse_args()
    client = DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(
            api_key=chosen.key, api_secret=chosen.secret, base_path=chosen.url, timeout=5000, retries=0
        ),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=chosen.url.replace("http", "ws")),
    )
    api = client.rest_api
    seen: dict[str, Any] = {"symbols": len(plain(api.exchange_information().data())["symbols"])}
    seen["leverage"] = plain(api.change_initial_leverage("BTCUSDT", 10).data())
    seen["margin"] = plain(api.change_margin_type("BTCUSDT", "ISOLATED").data())
    seen["margin_again"] = refusal(api.change_margin_type, symbol="BTCUSDT", margin_type="ISOLATED")
    seen["config"] = [plain(each) for each in api.symbol_configuration("BTCUSDT").data()]
    # The SDK takes the list, and keeps of its rows that they are there.
    seen["brackets"] = len(api.notional_and_leverage_brackets("BTCUSDT").data().actual_instance)
    seen["hedged"] = plain(api.change_position_mode("true").data())
    seen["hedged_again"] = refusal(api.change_position_mode, dual_side_position="true")
    seen["mode"] = plain(api.get_current_position_mode().data())
    seen["one_way"] = plain(api.change_position_mode("false").data())
    limit = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 0.01}
    seen["resting"] = plain(api.new_order(**limit, price=90000.0, new_client_order_id="sdk-resting").data())
    seen["modified"] = plain(
        api.modify_order("BTCUSDT", "BUY", 0.02, 90500.0, orig_client_order_id="sdk-resting").data()
    )
    seen["duplicate"] = refusal(api.new_order, **limit, price=90000.0, new_client_order_id="sdk-resting")
    seen["found"] = plain(api.query_order("BTCUSDT", orig_client_order_id="sdk-resting").data())
    seen["canceled"] = plain(api.cancel_order("BTCUSDT", orig_client_order_id="sdk-resting").data())

    def sell() -> None:
        order = api.new_order("BTCUSDT", "SELL", "MARKET", quantity=0.5, new_order_resp_type="RESULT")
        seen["market"] = plain(order.data())

    seen["events"] = asyncio.run(listen(client, sell))
    seen["positions"] = [plain(each) for each in api.position_information_v3().data()]
    seen["account"] = plain(api.account_information_v3().data())
    seen["balances"] = [plain(each) for each in api.futures_account_balance_v3().data()]
    seen["algo"] = plain(
        api.new_algo_order(
            "CONDITIONAL", "BTCUSDT", "BUY", "STOP_MARKET", quantity=0.5, trigger_price=110000.0,
            reduce_only="true", client_algo_id="sdk-algo",
        ).data()
    )  # fmt: skip
    seen["algo_found"] = plain(api.query_algo_order(client_algo_id="sdk-algo").data())
    seen["algo_canceled"] = plain(api.cancel_algo_order(client_algo_id="sdk-algo").data())
    seen["moved"] = refusal(api.new_order, symbol="BTCUSDT", side="BUY", type="STOP_MARKET", quantity=0.5)
    seen["reduce"] = refusal(
        api.new_order, symbol="BTCUSDT", side="SELL", type="MARKET", quantity=0.5, reduce_only="true"
    )
    seen["poor"] = refusal(api.new_order, **{**limit, "quantity": 5000.0}, price=90000.0)
    print(json.dumps(seen))  # noqa: T201 - this is the program's voice


if __name__ == "__main__":
    main()
