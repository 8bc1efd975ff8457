"""The gateway's sessions: who gets in, what ends them, and how often one may ask."""

import json
from typing import Any

import aiohttp
import pytest

from brokergw.sim.dialects.ibkr import IbkrDialect, IbkrOptions
from brokergw.sim.faults import Faults
from brokergw.sim.journal import WireJournal
from brokergw.sim.server import SimServer
from brokergw.sim.wire import WireRequest

SECOND = 1_000_000_000


class Gateway:
    """A dialect without a server, at a time of its own."""

    def __init__(self, **options: Any) -> None:
        self.now = 1_795_000_000 * SECOND
        settings = IbkrOptions(now_ns=lambda: self.now, **options)
        self.dialect = IbkrDialect(settings, Faults(), WireJournal(settings.now_ns))

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        """Ask, and read the answer."""
        raw = b"" if body is None else json.dumps(body).encode()
        reply = self.dialect.answer(WireRequest(method, f"/v1/api{path}", query, {}, raw))
        return reply.status, json.loads(reply.body)

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * SECOND)


def test_without_a_login_everything_is_refused() -> None:
    """Whoever has not passed the login page gets 401, and a person passes it."""
    gateway = Gateway(logged_in=False)
    assert gateway.ask("POST", "/tickle")[0] == 401
    assert gateway.ask("GET", "/portfolio/accounts")[0] == 401
    assert gateway.dialect.answer(WireRequest("POST", "/sso/Login", {}, {})).status == 200
    assert gateway.ask("POST", "/tickle")[0] == 200


@pytest.mark.parametrize(("idle_s", "alive"), [(359, True), (360, False), (361, False)])
def test_the_brokerage_session_idles_out(idle_s: float, *, alive: bool) -> None:
    """Silence ends the brokerage session at its limit, and leaves the login."""
    gateway = Gateway(idle_s=360)
    gateway.ask("POST", "/tickle")
    gateway.later(idle_s)
    status = gateway.ask("POST", "/iserver/auth/status")[1]
    assert (status["authenticated"], status["connected"]) == (alive, True)


def test_without_a_brokerage_session_there_is_no_bridge() -> None:
    """Orders and contracts need the brokerage session, the portfolio does not."""
    gateway = Gateway()
    gateway.ask("GET", "/portfolio/accounts")
    gateway.dialect.session.idle_out()
    assert gateway.ask("GET", "/iserver/accounts") == (400, {"error": "Bad Request: no bridge", "statusCode": 400})
    assert gateway.ask("GET", "/portfolio/DU1234567/ledger")[0] == 200


def test_a_new_brokerage_session_forgets_what_was_asked() -> None:
    """After an init the accounts must be asked for again, and suppressions are gone."""
    gateway = Gateway()
    gateway.ask("GET", "/iserver/accounts")
    gateway.ask("POST", "/iserver/questions/suppress", {"messageIds": ["o163"]})
    assert gateway.ask("GET", "/iserver/account/orders")[0] == 200
    gateway.ask("POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    assert gateway.ask("GET", "/iserver/account/orders")[0] == 400
    assert gateway.dialect.session.suppressed == set()


def test_init_must_publish() -> None:
    """An init that does not publish is refused with 500."""
    assert Gateway().ask("POST", "/iserver/auth/ssodh/init", {"publish": False, "compete": True})[0] == 500


@pytest.mark.parametrize("compete", [False, True])
def test_a_session_elsewhere_is_only_ended_by_competing(*, compete: bool) -> None:
    """While the same user is at work elsewhere, an init succeeds only if it competes."""
    gateway = Gateway()
    gateway.dialect.session.elsewhere()
    status = gateway.ask("POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": compete})[1]
    assert (status["authenticated"], status["competing"]) == (compete, not compete)


@pytest.mark.parametrize(("wait_s", "status"), [(4.9, 429), (5.0, 200), (5.1, 200)])
def test_lists_may_be_asked_for_every_five_seconds(wait_s: float, status: int) -> None:
    """The list of orders has a pace of its own."""
    gateway = Gateway(paced=True)
    gateway.ask("GET", "/iserver/accounts")
    gateway.ask("GET", "/iserver/account/orders")
    gateway.later(wait_s)
    assert gateway.ask("GET", "/iserver/account/orders")[0] == status


def test_whoever_asks_too_often_is_put_into_the_box() -> None:
    """The eleventh request of a second is refused, and so is everything until the penalty is over."""
    gateway = Gateway(paced=True, penalty_s=600)
    assert [gateway.ask("POST", "/tickle")[0] for _ in range(11)] == [200] * 10 + [429]
    gateway.later(599)
    assert gateway.ask("POST", "/tickle")[0] == 429
    gateway.later(1)
    assert gateway.ask("POST", "/tickle")[0] == 200


async def heard(socket: aiohttp.ClientWebSocketResponse) -> Any:
    """Read one frame, which is binary."""
    return json.loads(await socket.receive_bytes(timeout=5))


async def test_the_stream_takes_the_right_session_only() -> None:
    """The session of the keep-alive opens the stream, as a cookie or as the first frame; another one does not."""
    server = SimServer.of(IbkrDialect, IbkrOptions(tick_interval_s=None))
    await server.start()
    assert isinstance(server.dialect, IbkrDialect)
    right = server.dialect.session.session_id
    async with server, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        wrong = {"Cookie": 'api={"session":"' + "0" * 32 + '"}'}
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect(server.stream_url, headers=wrong)
        async with client.ws_connect(server.stream_url) as socket:
            assert await heard(socket) == {"message": "waiting for session"}
            await socket.send_str(json.dumps({"session": "0" * 32}))
            await socket.send_str("sor+{}")
            assert (await heard(socket))["topic"] == "error"
            await socket.send_str(json.dumps({"session": right}))
            assert (await heard(socket))["success"] == "simulated"
        async with client.ws_connect(
            server.stream_url, headers={"Cookie": f"api={json.dumps({'session': right})}"}
        ) as socket:
            await heard(socket)
            assert (await heard(socket))["success"] == "simulated"


def test_only_the_latest_question_can_be_answered() -> None:
    """A question that another order made stale is answered with 503, and its order goes live all the same."""
    gateway = Gateway()
    gateway.ask("GET", "/iserver/accounts")

    def order(reference: str) -> Any:
        ticket = {"conid": 265598, "orderType": "LMT", "side": "BUY", "quantity": 1, "price": 100, "tif": "GTC"}
        return gateway.ask("POST", "/iserver/account/DU1234567/orders", {"orders": [{**ticket, "cOID": reference}]})[1]

    first, second = order("a")[0]["id"], order("b")[0]["id"]
    assert gateway.ask("POST", f"/iserver/reply/{first}", {"confirmed": True})[0] == 503
    assert gateway.ask("POST", f"/iserver/reply/{second}", {"confirmed": True})[0] == 200
    assert gateway.ask("POST", f"/iserver/reply/{second}", {"confirmed": True})[0] == 400
    assert [note.reference for note in gateway.dialect.brokerage.notes.values()] == ["a", "b"]
