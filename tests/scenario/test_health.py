"""A gateway before a broker that says no to everything: what the connection's card says, and that nothing is sent.

What is done to the broker, and what it answers then, is the exam's (`tests/conformance/adapter`, cards C120 to C125).
Logins that end and sessions elsewhere are told in the scenarios of the brokers that have them.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from brokergw.app.keys import add_key, request_of
from brokergw.client import Client
from brokergw.model.remedy import WORDS, Remedy
from tests.conformance.adapter import bench_alpaca, bench_binance
from tests.conformance.adapter.bench import Ail, Bench
from tests.scenario.sick_broker import Scene, hasty_gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """A broker that is reached with a key: its bench, the gateway's settings by its port, and what is bought there."""

    bench: Callable[[], AbstractAsyncContextManager[Bench]]
    settings: Callable[[int], Mapping[str, Any]]
    key: str
    secret: str
    time_in_force: str = "DAY"


def _alpaca(port: int) -> Mapping[str, Any]:
    url = f"http://127.0.0.1:{port}"
    return {"alpaca_paper_url": url, "alpaca_data_url": url, "alpaca_requests_per_minute": 0}


def _binance(port: int) -> Mapping[str, Any]:
    at = f"127.0.0.1:{port}"
    return {"binance_paper_url": f"http://{at}", "binance_paper_stream_url": f"ws://{at}/ws-api/v3"}


BROKERS: Final = {
    "alpaca": Keyed(
        bench=bench_alpaca.alpaca_bench, settings=_alpaca, key=bench_alpaca.KEY, secret=bench_alpaca.SECRET
    ),
    "binance": Keyed(
        bench=bench_binance.spot_bench,
        settings=_binance,
        key=bench_binance.KEY,
        secret=bench_binance.SECRET,
        time_in_force="GTC",
    ),
}


@asynccontextmanager
async def scene_at(name: str, directory: Path) -> AsyncIterator[Scene]:
    """Run a gateway before one broker, with an account there whose stream is up."""
    broker = BROKERS[name]
    async with (
        broker.bench() as bench,
        hasty_gateway(directory, **broker.settings(bench.port)) as (gateway, target),
    ):
        _, key = await add_key(gateway.store, gateway.secrets, "alice", request_of("scenario", (), 1))
        async with Client(target, key) as client:
            made = await client.create_connection(name, "PAPER", key=broker.key, secret=broker.secret)
            scene = Scene(client, bench, made.connection_id, made.account_id, broker.time_in_force)
            await scene.shows("HEALTHY", "")
            yield scene


@pytest.mark.parametrize("name", BROKERS)
async def test_the_card_says_what_to_do_and_nothing_is_sent_meanwhile(tmp_path: Path, name: str) -> None:
    """Refused or away: the broker's own answer is one word on the card, and over when it is over."""
    async with scene_at(name, tmp_path) as scene:
        await scene.buy()
        bench = scene.bench

        bench.say(bench.says[Ail.REVOKED_TOKEN][0])
        await scene.shows("REAUTHORIZATION_REQUIRED", f": {WORDS[Remedy.NEW_CREDENTIALS]}")
        error = await scene.nothing_leaves("CONNECTION_NOT_USABLE")
        assert WORDS[Remedy.NEW_CREDENTIALS] in str(error)
        bench.recover()
        await scene.shows("HEALTHY", "")
        await scene.buy()

        bench.say(bench.says[Ail.MAINTENANCE][0])
        await scene.shows("DEGRADED", f": {WORDS[Remedy.WAIT]}")
        # After some failures in a row the breaker answers in the broker's place.
        error = await scene.nothing_leaves("RISK_DATA_UNAVAILABLE", "BROKER_SESSION_DOWN")
        assert error.retry == "SAME_KEY"
        bench.recover()
        await scene.shows("HEALTHY", "")
        await scene.buy()


async def test_a_ban_is_shown_with_its_end_and_kept(tmp_path: Path) -> None:
    """After a 418 nothing at all is sent until its time, which the card names, though the broker is well again."""
    async with scene_at("binance", tmp_path) as scene:
        (saying,) = scene.bench.says[Ail.BANNED]
        scene.bench.say(replace(saying, retry_after_s=600))
        await scene.shows("DEGRADED", ", then it goes on by itself")
        scene.bench.recover()
        arrived = scene.bench.arrived()
        error = await scene.nothing_leaves("RISK_DATA_UNAVAILABLE")
        assert (error.metadata["cause"], error.retry) == ("BROKER_RATE_LIMITED", "SAME_KEY")
        assert scene.bench.arrived() == arrived
