"""Sign in, trade and listen with pynesys-pynecore-ctrader's wire client and its OAuth calls; print what came."""

import asyncio
import json
import sys
import urllib.request
from typing import Any

from google.protobuf.json_format import MessageToDict
from pynecore_ctrader import auth, helpers
from pynecore_ctrader.messages import OpenApiMessages_pb2 as api
from pynecore_ctrader.wire import CTraderProtocolError, WireClient

facts: dict[str, Any] = json.loads(sys.argv[1])
helpers.TOKEN_URI = facts["url"] + "/apps/token"
ctid = facts["ctid"]
seen: dict[str, Any] = {}


def control(verb: str, document: dict[str, Any]) -> None:
    """Steer the simulator."""
    request = urllib.request.Request(f"{facts['url']}/_sim/{verb}", data=json.dumps(document).encode(), method="POST")
    urllib.request.urlopen(request, timeout=10).close()


async def event(wire: WireClient, name: str, **wanted: str) -> dict[str, Any]:
    """Wait for an event of a kind."""
    while True:
        message = await asyncio.wait_for(wire.events.get(), 10)
        content: dict[str, Any] = MessageToDict(message)
        if type(message).__name__ == name and all(content.get(key) == value for key, value in wanted.items()):
            return content


async def refused(wire: WireClient, request: Any) -> str:
    """Give the code that a request is refused with."""
    try:
        await wire.send_request(request)
    except CTraderProtocolError as error:
        return str(error.error_code)
    return ""


async def trade(wire: WireClient) -> None:
    """Rest a limit order, let the price come, and close what it opened."""
    request = api.ProtoOANewOrderReq(
        ctidTraderAccountId=ctid, symbolId=1, orderType=2, tradeSide=1, volume=300_000, limitPrice=1.05,
        clientOrderId="pyne-1", label="pyne-1",
    )  # fmt: skip
    accepted = MessageToDict(await wire.send_request(request))
    seen["accepted"] = accepted
    await wire.send_request(api.ProtoOASubscribeSpotsReq(ctidTraderAccountId=ctid, symbolId=[1]))
    seen["first_spot"] = await event(wire, "ProtoOASpotEvent")
    control("price", {"symbol": "EURUSD", "price": "1.04"})
    seen["filled"] = await event(wire, "ProtoOAExecutionEvent", executionType="ORDER_FILLED")
    seen["spot"] = await event(wire, "ProtoOASpotEvent")
    close = api.ProtoOAClosePositionReq(
        ctidTraderAccountId=ctid, positionId=int(seen["filled"]["position"]["positionId"]), volume=300_000
    )
    await wire.send_request(close)
    seen["closed"] = await event(wire, "ProtoOAExecutionEvent", executionType="ORDER_FILLED")
    reconciled = await wire.send_request(api.ProtoOAReconcileReq(ctidTraderAccountId=ctid))
    seen["left"] = MessageToDict(reconciled)


async def main() -> None:
    """Be an account's owner from the login to a token that was replaced."""
    tokens = await auth.exchange_code(
        client_id=facts["client_id"], client_secret=facts["client_secret"], code=facts["code"],
        redirect_uri=facts["redirect"],
    )  # fmt: skip
    seen["life_s"] = tokens.expires_in
    wire = WireClient("127.0.0.1", facts["port"])
    await wire.connect()
    result = await auth.authenticate(
        wire, client_id=facts["client_id"], client_secret=facts["client_secret"], tokens=tokens, account_id=None
    )
    seen["account"] = result.account_id
    await trade(wire)
    fresh = await auth.refresh_via_socket(wire, tokens.refresh_token)
    seen["rotated"] = fresh.refresh_token != tokens.refresh_token
    seen["invalidated"] = await event(wire, "ProtoOAAccountsTokenInvalidatedEvent")
    seen["locked_out"] = await refused(wire, api.ProtoOATraderReq(ctidTraderAccountId=ctid))
    again = api.ProtoOAAccountAuthReq(ctidTraderAccountId=ctid, accessToken=tokens.access_token)
    seen["old_token"] = await refused(wire, again)
    again.accessToken = fresh.access_token
    await wire.send_request(again)
    seen["back"] = MessageToDict(await wire.send_request(api.ProtoOATraderReq(ctidTraderAccountId=ctid)))
    await wire.disconnect()


asyncio.run(main())
print(json.dumps(seen))
