"""Schwab's dialect, driven by schwab-py and schwabdev: clients that we did not write judge its wire protocol."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from brokergw.sim.dialects.schwab import DEFAULT_LOGIN, DEFAULT_NUMBER, DEFAULT_TOKEN, SchwabOptions, serve_schwab
from brokergw.sim.oauth import AuthorizationServer, Client
from brokergw.sim.oauth.grants import Code
from brokergw.sim.server import SimServer
from tests.fixtures.sdk_environments import drive

KEY, SECRET = "simulated-application-key-000001", "simulated-secret"


@dataclass
class World:
    """A simulator with its authorization server, and a login that was made there."""

    server: SimServer
    authorization: AuthorizationServer

    def tokens(self) -> dict[str, Any]:
        """Give tokens as a client keeps them: one that is good, one that is about to end, one that is wrong."""
        grant = self.authorization.memory.new_grant(
            Code(KEY, "https://127.0.0.1", "api", DEFAULT_LOGIN, time.time_ns() + 30_000_000_000)
        )
        common = {"token_type": "Bearer", "scope": "api", "expires_in": 1800, "id_token": "eyJ"}
        current = {**common, "access_token": DEFAULT_TOKEN, "refresh_token": "none", "expires_at": time.time() + 1700}
        return {
            "current": current,
            "wrong": {**current, "access_token": "I0.of-nobody"},
            "ending": {
                **common,
                "access_token": grant.access_token,
                "refresh_token": grant.refresh_token,
                "expires_at": time.time() + 10,
            },
        }


@pytest.fixture
async def world() -> AsyncIterator[World]:
    client = Client(client_id=KEY, client_secret=SECRET, redirect_uris=("https://127.0.0.1",), account=DEFAULT_LOGIN)
    authorization = AuthorizationServer.named("schwab", client)
    async with await serve_schwab(options=SchwabOptions(authorization=authorization)) as server:
        yield World(server, authorization)


async def _driven(program: str, world: World) -> dict[str, Any]:
    """Run a program beside the simulator, and give what it saw."""
    told = (world.server.url, json.dumps(world.tokens()))
    return await asyncio.to_thread(drive, "schwab/requirements.txt", f"schwab/{program}", *told)


async def test_schwab_py_trades_reads_streams_and_renews(world: World) -> None:
    """schwab-py places, replaces, cancels, groups and lists orders, reads accounts, streams, and renews its token."""
    seen = await _driven("drive_schwab_py.py", world)
    _judge_account(seen["account"])
    _judge_singles(seen["singles"])
    _judge_groups(seen["groups"])
    _judge_spread(seen["spread"])
    _judge_refusals(seen["refusals"])
    _judge_data(seen["data"])
    _judge_stream(seen["stream"])
    assert seen["renewed"]["status"] == 200
    (fields,) = seen["renewed"]["written"]
    assert {"access_token", "refresh_token", "expires_in"} <= set(fields)


def _judge_account(seen: dict[str, Any]) -> None:
    assert seen["numbers"]["accountNumber"] == DEFAULT_NUMBER
    assert len(seen["numbers"]["hashValue"]) == 64
    account = seen["account"]["securitiesAccount"]
    assert account["currentBalances"]["cashBalance"] == 100_000
    assert account["positions"] == []
    assert seen["all"] == 1


def _judge_singles(seen: dict[str, Any]) -> None:
    filled = seen["market"]
    assert (filled["status"], filled["filledQuantity"]) == ("FILLED", 10)
    (execution,) = filled["orderActivityCollection"]
    assert (execution["executionType"], execution["quantity"]) == ("FILL", 10)
    working = seen["working"]
    assert (working["status"], working["price"], working["duration"]) == ("WORKING", 10.0, "GOOD_TILL_CANCEL")
    assert working["orderLegCollection"][0]["instruction"] == "BUY"
    assert "orderActivityCollection" not in working
    assert seen["replaced"] == "REPLACED"
    assert (seen["successor"]["quantity"], seen["successor"]["price"]) == (7, 11.0)
    taken, again, words = seen["canceled"]
    assert (taken, again) == (200, 400)
    assert "message" in words
    (end,) = seen["ended"]["orderActivityCollection"]
    assert (end["executionType"], end["executionLegs"][0]["price"]) == ("CANCELED", 0.0)
    assert len(seen["listed"]) == 3
    (held,) = seen["positions"]
    assert (held["longQuantity"], held["instrument"]["symbol"]) == (10, "AAPL")
    (trade,) = seen["trades"]
    assert (trade["orderId"], trade["transferItems"][0]["amount"]) == (filled["orderId"], 10)


def _judge_groups(seen: dict[str, Any]) -> None:
    bracket = seen["bracket"]
    (node,) = bracket["childOrderStrategies"]
    profit, stop = node["childOrderStrategies"]
    first = bracket["orderId"]
    assert [node["orderId"], profit["orderId"], stop["orderId"]] == [first + 1, first + 2, first + 3]
    assert (bracket["orderStrategyType"], node["orderStrategyType"]) == ("TRIGGER", "OCO")
    assert profit["status"] == stop["status"] == "AWAITING_PARENT_ORDER"
    kept = seen["kept"]
    assert kept["status"] == "WORKING"
    assert {each["status"] for each in kept["childOrderStrategies"][0]["childOrderStrategies"]} == {"CANCELED"}
    assert seen["over"] == "CANCELED"
    assert [each["status"] for each in seen["oco"]["childOrderStrategies"]] == ["WORKING", "AWAITING_STOP_CONDITION"]


def _judge_spread(seen: dict[str, Any]) -> None:
    assert (seen["status"], seen["orderType"], seen["quantity"]) == ("FILLED", "NET_DEBIT", 2)
    assert [leg["legId"] for leg in seen["orderActivityCollection"][0]["executionLegs"]] == [1, 2]


def _judge_refusals(seen: dict[str, Any]) -> None:
    assert seen["poor"]["status"] == seen["oversold"]["status"] == "REJECTED"
    assert "buying power" in seen["poor"]["statusDescription"]
    assert "Position_Sys_0001" in seen["oversold"]["statusDescription"]
    assert seen["unknown"][0] == 400
    assert seen["raw"] == [400, {"message": "Invalid account number"}]
    assert (seen["missing"], seen["denied"]) == (404, 401)


def _judge_data(seen: dict[str, Any]) -> None:
    quotes = seen["quotes"]
    assert quotes["errors"] == {"invalidSymbols": ["ZZZZ"]}
    assert quotes["AAPL"]["quote"]["bidPrice"] < quotes["AAPL"]["quote"]["askPrice"]
    assert quotes["SPY"]["assetSubType"] == "ETF"
    assert quotes["AAPL  270115C00230000"]["reference"]["multiplier"] == 100
    assert list(seen["one"]) == ["MSFT"]
    assert seen["instruments"]["instruments"][0]["symbol"] == "AAPL"


def _judge_stream(seen: dict[str, Any]) -> None:
    kinds = [each["MESSAGE_TYPE"] for each in seen["told"]]
    assert kinds[0] == "SUBSCRIBED"
    ours = [each for each in seen["told"] if seen["order_id"] in each["MESSAGE_DATA"]]
    assert [each["MESSAGE_TYPE"] for each in ours] == [
        "OrderCreated",
        "OrderAccepted",
        "ExecutionCreated",
        "OrderFillCompleted",
    ]
    assert {each["ACCOUNT"] for each in ours} == {DEFAULT_NUMBER}


async def test_schwabdev_renews_trades_and_streams(world: World) -> None:
    """Schwabdev renews an ending token, places, lists and cancels an order, and hears of it with its bare login."""
    seen = await _driven("drive_schwabdev.py", world)
    assert (seen["placed"], seen["canceled"], seen["ended"]) == (201, 200, "CANCELED")
    assert (seen["shown"]["price"], seen["shown"]["quantity"]) == (10.5, 2)
    assert seen["listed"] == [int(seen["order_id"])]
    assert seen["quote"] == ["AAPL"]
    assert any("SUBSCRIBED" in each for each in seen["told"])
    assert any(seen["order_id"] in each for each in seen["told"])
    assert world.authorization.memory.grants[0].refreshes == 1
