import json
from typing import Any

import httpx
import pytest

from brokergw.adapters.schwab.api import Api
from brokergw.adapters.schwab.config import SchwabConfig
from brokergw.adapters.schwab.session import Session
from brokergw.adapters.schwab.streamer import Heard, Streamer
from brokergw.model.account import Environment
from brokergw.ports.broker import BrokerLink, Credentials
from brokergw.transport.http import Http
from brokergw.transport.websocket import LinkError
from tests.fixtures.schwab_wire import TOKEN, ScriptedSchwab, answer, sample


class Line:
    """A fresh link whose other side answers in turn."""

    def __init__(self, *codes: int | None) -> None:
        self.sent: list[Any] = []
        self._codes = list(codes)

    async def send(self, text: str) -> None:
        self.sent.append(json.loads(text)["requests"][0])

    async def receive(self) -> str:
        request, code = self.sent[-1], self._codes.pop(0)
        if code is None:
            return json.dumps({"notify": [{"heartbeat": "1"}]})
        response = {"requestid": request["requestid"], "content": {"code": code, "msg": ""}}
        return json.dumps({"response": [response]})


async def streamer(schwab: ScriptedSchwab) -> Streamer:
    """Make a streamer that knows where it is."""
    link = BrokerLink(
        connection_id="con_1",
        account_id="acc_1",
        environment=Environment.LIVE,
        credentials=Credentials(access_token=TOKEN),
    )
    session = Session(link, SchwabConfig(), Http(transport=httpx.MockTransport(schwab._handle)), schwab.clock)
    return Streamer(Api(session, ""), session)


@pytest.fixture
def schwab() -> ScriptedSchwab:
    script = ScriptedSchwab()
    script.on("GET", "/trader/v1/userPreference", answer(sample("preferences")))
    return script


@pytest.mark.parametrize("subscribed", [0, 26])
async def test_it_logs_in_and_subscribes(schwab: ScriptedSchwab, subscribed: int) -> None:
    """The token of the moment, the names of the preferences, then account activity; both words for success count."""
    stream, line = await streamer(schwab), Line(None, 0, subscribed)
    assert await stream.locate() == "wss://streamer.example/ws"
    await stream.greet(line)
    login, subscription = line.sent
    assert login["parameters"] == {
        "Authorization": TOKEN,
        "SchwabClientChannel": "N9",
        "SchwabClientFunctionId": "APIAPP",
    }
    assert (login["SchwabClientCustomerId"], login["SchwabClientCorrelId"]) == ("customer-1", "correl-1")
    assert (subscription["service"], subscription["command"]) == ("ACCT_ACTIVITY", "SUBS")


@pytest.mark.parametrize(
    ("codes", "words"), [((3,), "denied"), ((0, 22), "refused"), ((0, 20), "login was lost"), ((12,), "took its place")]
)
async def test_a_refusal_is_told_in_words(schwab: ScriptedSchwab, codes: tuple[int, ...], words: str) -> None:
    """Every code that is no success ends the greeting, and says why."""
    stream = await streamer(schwab)
    await stream.locate()
    with pytest.raises(LinkError, match=words):
        await stream.greet(Line(*codes))


async def test_without_preferences_there_is_no_stream(schwab: ScriptedSchwab) -> None:
    """Where the streamer is, Schwab says; when it says nothing, the link fails and no address is guessed."""
    for said in (answer({"streamerInfo": []}), answer("[]"), answer({"message": "away"}, 503)):
        schwab.on("GET", "/trader/v1/userPreference", said)
        with pytest.raises(LinkError):
            await (await streamer(schwab)).locate()


@pytest.mark.parametrize(
    ("frame", "heard"),
    [
        ({"notify": [{"heartbeat": "1"}]}, Heard()),
        ({"data": [{"service": "ACCT_ACTIVITY", "content": [{"1": "", "2": "SUBSCRIBED", "3": ""}]}]}, Heard()),
        ({"data": [{"service": "ACCT_ACTIVITY", "content": [{"1": "12345678", "2": "OrderCreated"}]}]}, Heard(True)),
        ({"data": [{"service": "ACCT_ACTIVITY", "content": [{"1": "99999999", "2": "OrderCreated"}]}]}, Heard()),
        ({"data": [{"service": "ACCT_ACTIVITY", "content": [{"1": "", "2": "BrandNew"}]}]}, Heard(True)),
        ({"data": [{"service": "LEVELONE_EQUITIES", "content": [{"1": 5}]}]}, Heard()),
        ({"response": [{"content": {"code": 0}}]}, Heard()),
    ],
    ids=["heartbeat", "subscribed", "ours", "another-account", "no-account", "another-service", "success"],
)
async def test_only_what_may_be_about_the_account_rings(
    schwab: ScriptedSchwab, frame: dict[str, Any], heard: Heard
) -> None:
    """What is about the account, or does not say, rings; nothing else does."""
    stream = await streamer(schwab)
    await stream.locate()
    assert stream.read(json.dumps(frame)) == heard


async def test_what_cannot_be_read_rings(schwab: ScriptedSchwab) -> None:
    """A frame that makes no sense may have told of a trade, so the records are read."""
    stream = await streamer(schwab)
    assert stream.read("{ half") == Heard(activity=True, unclear="the answer is no JSON")
    assert stream.read(b"[]") == Heard(activity=True, unclear="an item is no object")


@pytest.mark.parametrize("code", [12, 30])
async def test_the_end_of_a_stream_is_heard(schwab: ScriptedSchwab, code: int) -> None:
    """Schwab closes a stream by a response that nobody asked for: another connection, or nothing subscribed."""
    stream = await streamer(schwab)
    told = stream.read(json.dumps({"response": [{"content": {"code": code}}]}))
    assert f"code {code}" in told.ended
