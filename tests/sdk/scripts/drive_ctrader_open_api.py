"""Trade with Spotware's ctrader-open-api; every answer and event is printed as it came, by the step that it belongs to.

Requests that do not wait for each other leave together, because the SDK empties its queue once a second.
"""

import json
import sys
import time
from typing import Any

from ctrader_open_api import Auth, Client, Protobuf, TcpProtocol
from google.protobuf.json_format import MessageToDict
from twisted.internet import defer, reactor

facts: dict[str, Any] = json.loads(sys.argv[1])
ctid = facts["ctid"]
seen: dict[str, Any] = {"events": []}
client = Client("127.0.0.1", facts["port"], TcpProtocol, numberOfMessagesToSendPerSecond=50)


def read(message: Any) -> dict[str, Any]:
    """Read a message with the SDK's own classes."""
    content = Protobuf.extract(message)
    return {"name": type(content).__name__, "id": message.clientMsgId, **MessageToDict(content)}


def heard(_: Any, message: Any) -> None:
    """Keep what comes, heartbeats aside."""
    if message.payloadType != 51:
        seen["events"].append(read(message))


def send(name: str, message_id: str | None = None, **fields: Any) -> Any:
    """Send a request and give its first answer."""
    answer = client.send(Protobuf.get(name, **fields), clientMsgId=message_id, responseTimeoutInSeconds=20)
    return answer.addCallback(read)


@defer.inlineCallbacks  # type: ignore[untyped-decorator]
def together(**requests: Any) -> Any:
    """Wait for several answers and keep each under its step's name."""
    answers = yield defer.gatherResults(list(requests.values()))
    seen.update(zip(requests, answers, strict=True))


@defer.inlineCallbacks  # type: ignore[untyped-decorator]
def story() -> Any:
    """Be an account's owner for a while."""
    yield client.whenConnected()
    yield together(
        early=send("TraderReq", ctidTraderAccountId=ctid),
        version=send("VersionReq"),
        wrong_secret=send("ApplicationAuthReq", clientId=facts["client_id"], clientSecret="wrong"),
        application=send("ApplicationAuthReq", clientId=facts["client_id"], clientSecret=facts["client_secret"]),
        again=send("ApplicationAuthReq", clientId=facts["client_id"], clientSecret=facts["client_secret"]),
        unauthorised=send("TraderReq", ctidTraderAccountId=ctid),
        wrong_token=send("AccountAuthReq", ctidTraderAccountId=ctid, accessToken="wrong"),
        accounts=send("GetAccountListByAccessTokenReq", accessToken=facts["token"]),
        account=send("AccountAuthReq", ctidTraderAccountId=ctid, accessToken=facts["token"]),
        trader=send("TraderReq", ctidTraderAccountId=ctid),
        assets=send("AssetListReq", ctidTraderAccountId=ctid),
        classes=send("AssetClassListReq", ctidTraderAccountId=ctid),
        categories=send("SymbolCategoryListReq", ctidTraderAccountId=ctid),
        symbols=send("SymbolsListReq", ctidTraderAccountId=ctid),
        details=send("SymbolByIdReq", ctidTraderAccountId=ctid, symbolId=[1, 41]),
        spots=send("SubscribeSpotsReq", ctidTraderAccountId=ctid, symbolId=[1]),
    )
    order = {"ctidTraderAccountId": ctid, "symbolId": 1, "volume": 200_000}
    yield together(
        market=send("NewOrderReq", "market-1", orderType="MARKET", tradeSide="BUY", clientOrderId="sdk-1",
                    label="mine", **order),
        limit=send("NewOrderReq", "limit-1", orderType="LIMIT", tradeSide="BUY", limitPrice=1.05, clientOrderId="sdk-2",
                   **order),
        stop=send("NewOrderReq", "stop-1", orderType="STOP", tradeSide="BUY", stopPrice=1.2,
                  timeInForce="GOOD_TILL_DATE",
                  expirationTimestamp=int(time.time() * 1000) + 3_600_000, **order),
        stop_limit=send("NewOrderReq", "stoplimit-1", orderType="STOP_LIMIT", tradeSide="SELL", stopPrice=1.01,
                        slippageInPoints=50, **order),
        off_grid=send("NewOrderReq", orderType="LIMIT", tradeSide="BUY", limitPrice=1.0500001, **order),
        off_step=send("NewOrderReq", orderType="MARKET", tradeSide="BUY", **{**order, "volume": 150_000}),
        too_dear=send("NewOrderReq", orderType="MARKET", tradeSide="BUY", **{**order, "volume": 900_000_000}),
        unknown=send("NewOrderReq", orderType="MARKET", tradeSide="BUY", **{**order, "symbolId": 999}),
        halted=send("NewOrderReq", orderType="MARKET", tradeSide="BUY", **{**order, "symbolId": 1006, "volume": 100}),
        no_order=send("CancelOrderReq", ctidTraderAccountId=ctid, orderId=1),
    )  # fmt: skip
    yield together(held=send("ReconcileReq", ctidTraderAccountId=ctid))
    (position,) = seen["held"]["position"]
    limit_id = int(seen["limit"]["order"]["orderId"])
    yield together(
        amended=send("AmendOrderReq", "amend-1", ctidTraderAccountId=ctid, orderId=limit_id, volume=300_000,
                     limitPrice=1.06),
        unchanged=send("AmendOrderReq", ctidTraderAccountId=ctid, orderId=limit_id, limitPrice=1.06),
        profit=send("GetPositionUnrealizedPnLReq", ctidTraderAccountId=ctid),
        closed=send("ClosePositionReq", "close-1", ctidTraderAccountId=ctid, positionId=int(position["positionId"]),
                    volume=100_000),
        cancelled=send("CancelOrderReq", "cancel-1", ctidTraderAccountId=ctid, orderId=limit_id),
        gone=send("CancelOrderReq", ctidTraderAccountId=ctid, orderId=limit_id),
        details_of=send("OrderDetailsReq", ctidTraderAccountId=ctid, orderId=int(seen["market"]["order"]["orderId"])),
    )  # fmt: skip
    now = int(time.time() * 1000) + 1_000
    span = {"ctidTraderAccountId": ctid, "fromTimestamp": now - 600_000, "toTimestamp": now}
    yield together(
        orders=send("OrderListReq", **span),
        deals=send("DealListReq", **span),
        few_deals=send("DealListReq", maxRows=1, **span),
        flows=send("CashFlowHistoryListReq", **span),
        long_flows=send("CashFlowHistoryListReq", **{**span, "fromTimestamp": now - 700_000_000}),
        after=send("TraderReq", ctidTraderAccountId=ctid),
        left=send("ReconcileReq", ctidTraderAccountId=ctid),
        logout=send("AccountLogoutReq", ctidTraderAccountId=ctid),
    )


def tokens() -> None:
    """Go to the token endpoint with the SDK's own client."""
    auth = Auth(facts["client_id"], facts["client_secret"], facts["redirect"])
    seen["authorize_url"] = auth.getAuthUri(baseUri=facts["url"] + "/my/settings/openapi/grantingaccess/")
    seen["granted"] = auth.getToken(facts["code"], baseUri=facts["url"] + "/apps/token")
    seen["refreshed"] = auth.refreshToken(seen["granted"]["refreshToken"], baseUri=facts["url"] + "/apps/token")
    seen["refused"] = auth.refreshToken(seen["granted"]["refreshToken"], baseUri=facts["url"] + "/apps/token")


def finish(failure: Any = None) -> None:
    """Print and leave."""
    if failure is not None:
        seen["failed"] = str(failure)
    print(json.dumps(seen))
    reactor.stop()


if facts.get("code"):
    tokens()
    print(json.dumps(seen))
else:
    client.setMessageReceivedCallback(heard)
    client.startService()
    reactor.callWhenRunning(lambda: story().addCallbacks(lambda _: finish(), finish))
    reactor.run()
