"""Drives ibind through a day at the gateway and prints what it got, as JSON; runs in ibind's own environment.

`python drive.py <REST url> <websocket url> <account>`
"""

import importlib
import json
import queue
import sys
import time
from collections.abc import Callable
from typing import Any

ibind = importlib.import_module("ibind")
sinks = importlib.import_module("ibind.ws.ws_sinks")
events = importlib.import_module("ibind.ibkr_ws.ibkr_events")
subscriptions = importlib.import_module("ibind.ibkr_ws.ibkr_subscriptions")

AAPL = 265598
YES = {
    ibind.QuestionType.PRICE_PERCENTAGE_CONSTRAINT: True,
    ibind.QuestionType.STOP_ORDER_RISKS: True,
    ibind.QuestionType.ORDER_SIZE_LIMIT: True,
}


def main(url: str, stream_url: str, account: str) -> dict[str, Any]:
    """Do everything, one step after the other."""
    client = ibind.IbkrClient(account_id=account, url=url, cacert=False, timeout=10)
    told: dict[str, Any] = {}
    told["early"] = _failure(client.live_orders)
    told["tickle"] = client.tickle().data
    told["healthy"] = client.check_health()
    told["init"] = client.initialize_brokerage_session().data
    told["accounts"] = client.receive_brokerage_accounts().data
    told["portfolio"] = client.portfolio_accounts().data
    told["stock"] = client.stock_conid_by_symbol("AAPL").data
    told["search"] = client.search_contract_by_symbol("AAPL").data
    told["rules"] = client.search_contract_rules(str(AAPL), is_buy=True).data
    told["cold_quote"] = client.live_marketdata_snapshot([str(AAPL)], ["31", "84", "86"]).data
    told["quote"] = client.live_marketdata_snapshot([str(AAPL)], ["31", "84", "86"]).data
    told["cold_orders"] = client.live_orders(account_id=account).data
    _stream(client, stream_url, account, told)
    told["summary"] = client.account_summary(account).data
    told["cold_positions"] = client.positions(account).data
    told["positions"] = client.positions(account).data
    told["ledger"] = client.get_ledger(account).data
    told["suppress"] = client.suppress_messages(["o163"]).data
    told["suppressed"] = _place(client, "ref-6", orderType="LMT", price=100, answers={}).data
    told["all"] = client.cancel_order("-1", account).data
    told["after_all"] = [row["status"] for row in client.live_orders(account_id=account).data["orders"]]
    told["logout"] = client.logout().data
    told["after_logout"] = _failure(client.tickle)
    return told


def _stream(client: Any, stream_url: str, account: str, told: dict[str, Any]) -> None:
    heard: queue.Queue[Any] = queue.Queue()
    sink = sinks.CallbackSink()
    sink.on(events.Orders, lambda event: heard.put(("sor", event.data)))
    sink.on(events.Trades, lambda event: heard.put(("str", event.data)))
    stream = ibind.IbkrWsClient(account_id=account, url=stream_url, ibkr_client=client, cacert=False, sink=sink)
    stream.start()
    try:
        for each in (subscriptions.OrdersSubscription(), subscriptions.TradesSubscription()):
            stream.subscribe(each)
        _until(lambda: stream.is_ready() and _subscribed(stream, heard))
        _trade(client, account, told)
        told["frames"] = _drain(heard, told["market"]["order_id"])
    finally:
        stream.shutdown()


def _subscribed(stream: Any, heard: "queue.Queue[Any]") -> bool:
    """The trades' replay is the first frame of its topic, and comes after the orders' subscription."""
    return any(topic == "str" for topic, _ in list(heard.queue))


def _trade(client: Any, account: str, told: dict[str, Any]) -> None:
    told["market"] = _place(client, "ref-1", orderType="MKT").data
    told["limit"] = _place(client, "ref-2", orderType="LMT", price=100, tif="GTC").data
    told["declined"] = _failure(
        lambda: _place(
            client,
            "ref-3",
            orderType="LMT",
            price=100,
            answers={ibind.QuestionType.PRICE_PERCENTAGE_CONSTRAINT: False},
        )
    )
    told["duplicate"] = _said(lambda: _place(client, "ref-2", orderType="LMT", price=100, tif="GTC").data)
    told["stop"] = _place(client, "ref-4", orderType="STP", price=300, tif="GTC").data
    told["poor"] = _said(lambda: _place(client, "ref-5", orderType="MKT", quantity=1_000_000).data)
    told["orders"] = client.live_orders(account_id=account).data
    told["modified"] = client.modify_order(
        told["limit"]["order_id"], _request(client, "ref-2", orderType="LMT", price=101, quantity=2, tif="GTC"), YES
    ).data
    told["status"] = client.order_status(told["limit"]["order_id"]).data
    told["canceled"] = client.cancel_order(told["limit"]["order_id"], account).data
    told["cancel_again"] = _failure(lambda: client.cancel_order(told["limit"]["order_id"], account))
    told["cancel_unknown"] = _failure(lambda: client.cancel_order("12345", account))
    told["foreign"] = _failure(lambda: client.cancel_order(told["stop"]["order_id"], "DU7654321"))
    told["cold_trades"] = client.trades(days="1").data
    told["trades"] = client.trades(days="1").data
    told["end"] = {row["order_ref"]: row["status"] for row in client.live_orders(account_id=account).data["orders"]}


def _request(client: Any, reference: str, **fields: Any) -> Any:
    base = {"conid": AAPL, "side": "BUY", "quantity": 1, "acct_id": client.account_id, "coid": reference}
    names = {"orderType": "order_type"}
    return ibind.OrderRequest(**base | {names.get(name, name): value for name, value in fields.items()})


def _place(client: Any, reference: str, answers: Any = None, **fields: Any) -> Any:
    return client.place_order(_request(client, reference, **fields), YES if answers is None else answers)


def _failure(act: Callable[[], Any]) -> dict[str, Any]:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - the SDK's own errors are what is asked for
        return {"kind": type(error).__name__, "status": getattr(error, "status_code", None), "words": str(error)}
    return {}


def _said(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - as above
        return {"error": str(error)}


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def _drain(heard: "queue.Queue[Any]", order_id: str) -> list[Any]:
    """Wait until the order was told as filled and its trade too, and give what was heard."""
    frames: list[Any] = []

    def whole() -> bool:
        while not heard.empty():
            frames.append(heard.get())
        text = json.dumps(frames, default=str)
        return '"status": "Filled"' in text and '"execution_id"' in text and order_id in text

    _until(whole)
    return frames


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:]), default=str))  # noqa: T201 - the answer
