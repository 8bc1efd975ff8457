"""The simulator's JSON wire, spoken to by hand: sign-in, refusals, budgets, faults, and who is told what."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from brokergw.sim.dialects.ctrader import (
    DEFAULT_CLIENT_ID,
    DEFAULT_CLIENT_SECRET,
    DEFAULT_TOKEN,
    DEMO_ACCOUNT,
    CtraderOptions,
    CtraderServer,
    Holder,
    Token,
    serve_ctrader,
)
from brokergw.sim.dialects.ctrader.enums import SCOPE_VIEW, AccountKind
from brokergw.sim.faults import Fault, FaultName

Row = dict[str, Any]
CTID = DEMO_ACCOUNT.ctid
BUY = {"ctidTraderAccountId": CTID, "symbolId": 1, "orderType": 1, "tradeSide": 1, "volume": 100_000}


class Caller:
    """One websocket, spoken to frame by frame."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, kind: int, payload: Row | None = None, message_id: str = "m") -> Row:
        """Send a request and give the next frame that is no price."""
        await self.socket.send_json({"clientMsgId": message_id, "payloadType": kind, "payload": payload or {}})
        return await self.hear()

    async def hear(self) -> Row:
        """Give the next frame that is no price."""
        while True:
            frame: Row = json.loads(await self.socket.receive_str(timeout=5))
            if frame["payloadType"] != 2131:
                return frame

    async def sign_in(self, *, token: str = DEFAULT_TOKEN, ctid: int = CTID) -> Row:
        """Sign application and account in, and give the last answer."""
        await self.ask(2100, {"clientId": DEFAULT_CLIENT_ID, "clientSecret": DEFAULT_CLIENT_SECRET})
        return await self.ask(2102, {"ctidTraderAccountId": ctid, "accessToken": token})


@asynccontextmanager
async def simulator(**options: Any) -> AsyncIterator[CtraderServer]:
    """Run a simulator that ticks only when it is told to."""
    async with await serve_ctrader(options=CtraderOptions(tick_interval_s=None, **options)) as server:
        yield server


@asynccontextmanager
async def caller(server: CtraderServer) -> AsyncIterator[Caller]:
    """Open one more websocket."""
    async with aiohttp.ClientSession() as session, session.ws_connect(server.stream_url) as socket:
        yield Caller(socket)


def code(frame: Row) -> str:
    """Give the error code of a frame."""
    return str(frame["payload"].get("errorCode", ""))


async def test_frames_look_as_they_were_recorded() -> None:
    """An answer without content has no payload; a wrong secret is refused in the recorded words, with its id."""
    async with simulator() as server, caller(server) as wire:
        refused = await wire.ask(2100, {"clientId": "x", "clientSecret": "y"}, "cm_id_1")
        assert refused == {
            "payloadType": 2142,
            "clientMsgId": "cm_id_1",
            "payload": {
                "errorCode": "CH_CLIENT_AUTH_FAILURE",
                "description": "clientId or clientSecret is incorrect",
            },
        }
        proof = {"clientId": DEFAULT_CLIENT_ID, "clientSecret": DEFAULT_CLIENT_SECRET}
        assert await wire.ask(2100, proof, "cm_id_2") == {"payloadType": 2101, "clientMsgId": "cm_id_2"}


async def test_malformed_json_ends_the_connection() -> None:
    """What is no JSON is answered with where it broke, and then the connection is closed."""
    async with simulator() as server, caller(server) as wire:
        await wire.socket.send_str('{"a":x}')
        told = await wire.hear()
        assert code(told) == "INVALID_REQUEST"
        assert told["payload"]["description"].startswith("Malformed JSON message at 1:")
        assert (await wire.socket.receive(timeout=5)).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}


@pytest.mark.parametrize(
    ("kind", "payload", "expected"),
    [
        (2999, {}, "UNSUPPORTED_MESSAGE"),
        (2181, {"ctidTraderAccountId": CTID}, "INVALID_REQUEST"),
        (2102, {"ctidTraderAccountId": CTID, "accessToken": DEFAULT_TOKEN}, "ALREADY_LOGGED_IN"),
        (2102, {"ctidTraderAccountId": 1, "accessToken": DEFAULT_TOKEN}, "CH_CTID_TRADER_ACCOUNT_NOT_FOUND"),
        (2106, BUY | {"clientOrderId": "x" * 51}, "INVALID_REQUEST"),
        (2106, BUY | {"orderType": 2}, "INVALID_REQUEST"),
        (2106, BUY | {"orderType": 2, "limitPrice": 1, "timeInForce": 1}, "TRADING_BAD_EXPIRATION_DATE"),
        (2106, BUY | {"stopLoss": 1.0}, "INVALID_REQUEST"),
        (2106, BUY | {"positionId": 5}, "POSITION_NOT_FOUND"),
        (2111, {"ctidTraderAccountId": CTID, "positionId": 5, "volume": 1}, "POSITION_NOT_FOUND"),
        (2129, {"ctidTraderAccountId": CTID, "symbolId": [1]}, "NOT_SUBSCRIBED_TO_SPOTS"),
        (2127, {"ctidTraderAccountId": CTID, "symbolId": [1, 999]}, "SYMBOL_NOT_FOUND"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_code(kind: int, payload: Row, expected: str) -> None:
    """Each request of no sense has its code, and nothing comes of it."""
    async with simulator() as server, caller(server) as wire:
        await wire.sign_in()
        assert code(await wire.ask(kind, payload)) == expected
        assert not server.dialect.brokerage.accounts[CTID].notes


@pytest.mark.parametrize(("length", "taken"), [(49, True), (50, True), (51, False)])
async def test_a_client_order_id_has_fifty_characters_at_most(length: int, taken: bool) -> None:  # noqa: FBT001
    """An id of fifty is taken, and the same one again: nobody looks for duplicates."""
    async with simulator() as server, caller(server) as wire:
        await wire.sign_in()
        resting = BUY | {"orderType": 2, "limitPrice": 1.0, "clientOrderId": "x" * length}
        answers = [await wire.ask(2106, resting) for _ in range(2)]
        assert [code(answer) for answer in answers] == ([""] * 2 if taken else ["INVALID_REQUEST"] * 2)
        assert len(server.dialect.brokerage.accounts[CTID].notes) == (2 if taken else 0)


@pytest.mark.parametrize(("asked", "expected"), [(3, ""), (4, "REQUEST_FREQUENCY_EXCEEDED")])
async def test_requests_have_a_budget_by_the_second(asked: int, expected: str) -> None:
    """The last request within the budget is answered, the one above it is told when to come again."""
    now = [10**18]
    async with simulator(requests_per_second=5, now_ns=lambda: now[0]) as server, caller(server) as wire:
        await wire.sign_in()
        answers = [await wire.ask(2121, {"ctidTraderAccountId": CTID}) for _ in range(asked)]
        assert code(answers[-1]) == expected
        assert answers[-1]["payload"].get("retryAfter") == (1 if expected else None)
        now[0] += 10**9
        assert code(await wire.ask(2121, {"ctidTraderAccountId": CTID})) == ""


async def test_a_view_only_token_trades_nothing() -> None:
    """A token that may look is told everything and trades nothing."""
    tokens = {DEFAULT_TOKEN: Token(accounts=(CTID,), scope=SCOPE_VIEW)}
    async with simulator(tokens=tokens) as server, caller(server) as wire:
        await wire.sign_in()
        assert code(await wire.ask(2121, {"ctidTraderAccountId": CTID})) == ""
        assert code(await wire.ask(2106, BUY)) == "TRADING_NOT_ALLOWED"


async def test_an_account_of_the_other_environment_is_not_to_be_reached() -> None:
    """The list shows accounts of both environments; a host serves its own."""
    live = Holder(ctid=77, login=77_001, live=True)
    options: Row = {
        "accounts": (DEMO_ACCOUNT, live),
        "tokens": {DEFAULT_TOKEN: Token(accounts=(CTID, live.ctid))},
    }
    async with simulator(**options) as server, caller(server) as wire:
        assert code(await wire.sign_in(ctid=live.ctid)) == "CANT_ROUTE_REQUEST"
        listed = await wire.ask(2149, {"accessToken": DEFAULT_TOKEN})
        assert [row["isLive"] for row in listed["payload"]["ctidTraderAccount"]] == [False, True]


async def test_events_reach_every_connection_and_carry_an_id_on_one() -> None:
    """What one connection's request brings about is told to the account's others too, there without the id."""
    async with simulator() as server, caller(server) as one, caller(server) as other:
        await one.sign_in()
        await other.sign_in()
        told = [await one.ask(2106, BUY, "mine"), await one.hear()]
        overheard = [await other.hear(), await other.hear()]
    assert [frame["payload"]["executionType"] for frame in told] == [2, 3]
    assert [frame["payload"]["executionType"] for frame in overheard] == [2, 3]
    assert {frame.get("clientMsgId") for frame in told} == {"mine"}
    assert {frame.get("clientMsgId") for frame in overheard} == {None}


@pytest.mark.parametrize(("kind", "positions"), [(AccountKind.HEDGED, [2_000, 1_000]), (AccountKind.NETTED, [1_000])])
async def test_accounts_keep_their_positions_in_their_own_way(kind: AccountKind, positions: list[int]) -> None:
    """A sale beside a purchase is a position of its own where the account hedges, and closes where it nets."""
    async with simulator(accounts=(replace(DEMO_ACCOUNT, kind=kind),)) as server, caller(server) as wire:
        await wire.sign_in()
        for order in (BUY | {"volume": 200_000}, BUY | {"tradeSide": 2}):
            await wire.ask(2106, order)
            await wire.hear()
        held = await wire.ask(2124, {"ctidTraderAccountId": CTID})
    assert [row["tradeData"]["volume"] // 100 for row in held["payload"]["position"]] == positions


async def test_a_closed_market_takes_no_market_order_and_lets_others_rest() -> None:
    """While the doors are shut market orders are refused, and a limit order waits for them to open."""
    async with simulator() as server, caller(server) as wire:
        await wire.sign_in()
        server.dialect.set_market("shut")
        assert code(await wire.ask(2106, BUY)) == "MARKET_CLOSED"
        resting = await wire.ask(2106, BUY | {"orderType": 2, "limitPrice": 2.0})
        assert resting["payload"]["executionType"] == 2
        server.dialect.set_market("open")
        server.dialect.tick()
        assert (await wire.hear())["payload"]["executionType"] == 3


async def test_a_fault_strikes_the_request_that_it_names() -> None:
    """Faults go by a request's verb and name; what was taken before its answer was lost stays taken."""
    async with simulator() as server, caller(server) as wire:
        await wire.sign_in()
        server.faults.arm(Fault(name=FaultName.ERROR_BEFORE, method="NEW", answer="NO_QUOTES: none"))
        server.faults.arm(Fault(name=FaultName.LOST_REPLY, path="/NewOrderReq"))
        assert code(await wire.ask(2106, BUY)) == "NO_QUOTES"
        await wire.socket.send_json({"payloadType": 2106, "payload": BUY})
        assert (await wire.socket.receive(timeout=5)).type is not aiohttp.WSMsgType.TEXT
        assert len(server.dialect.brokerage.accounts[CTID].notes) == 1
        (entry, *_) = server.journal.select(method="NEW")
        assert entry.path == "/NewOrderReq"


async def test_no_secret_is_written_into_the_journal_s_file() -> None:
    """Tokens and secrets of a sign-in are masked wherever the journal is shown."""
    async with simulator() as server, caller(server) as wire:
        await wire.sign_in()
        shown = json.dumps([entry.as_json() for entry in server.journal])
    assert DEFAULT_TOKEN not in shown
    assert DEFAULT_CLIENT_SECRET not in shown
