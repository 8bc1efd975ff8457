"""The tools of chaos do what they say: otherwise its trials would prove nothing."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from brokergw.sim.wire import WireRequest
from tests.chaos.brokers.alpaca import AlpacaChaos
from tests.chaos.brokers.schwab import SchwabChaos
from tests.chaos.cutter import CommitCutter, Cut
from tests.chaos.gateways import Zygote
from tests.chaos.postgresql import PostgresqlServer, open_directory, url_at
from tests.chaos.prepared import SECRETS, SqliteGrounds


async def test_a_forked_gateway_serves_stands_still_and_dies_like_any_other(tmp_path: Path) -> None:
    """The zygote forks gateways that serve, tells when one stops or ends, and passes a refusal to start through."""
    ground = await SqliteGrounds(tmp_path, AlpacaChaos).fresh(tmp_path)
    environment = {
        **SECRETS,
        "BROKERGW_LISTEN": "127.0.0.1:0",
        "BROKERGW_METRICS_LISTEN": "",
        "BROKERGW_DATABASE_URL": ground.url,
        "BROKERGW_DATA_DIR": str(tmp_path),
    }
    log = tmp_path / "gateway.log"
    async with Zygote() as zygote, asyncio.timeout(60):
        refused = await zygote.start({**environment, "BROKERGW_CHAOS": "nonsense"}, log)
        await refused.ended.wait()
        assert refused.status == 1
        assert "chaos is POINT" in refused.said()

        targets = set()
        for _ in range(2):
            gateway = await zygote.start(environment, log)
            await gateway.serving()
            targets.add(gateway.target)
            assert "chaos is POINT" not in gateway.said()
            gateway.signal(signal.SIGSTOP)
            await gateway.stopped.wait()
            await gateway.kill()
            assert gateway.status == -signal.SIGKILL
        assert len(targets) == 2


@pytest.fixture
async def server() -> AsyncIterator[PostgresqlServer]:
    with open_directory() as directory:
        made = PostgresqlServer(directory / "data")
        await made.make()
        await made.start()
        yield made
        await made.kill()


def _commit(url: str, number: int) -> bool:
    """Insert a number; tells whether the reply to the commit came."""
    try:
        with psycopg.connect(url) as connection:
            connection.execute("INSERT INTO numbers VALUES (%s)", (number,))
    except psycopg.OperationalError:
        return False
    return True


def _numbers(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT number FROM numbers ORDER BY number")]


async def test_a_commit_is_lost_on_its_way_there_or_back_and_a_killed_server_keeps_what_was_acknowledged(
    server: PostgresqlServer,
) -> None:
    """A lost request leaves nothing, a lost reply leaves everything, and neither does the caller hear of."""
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE numbers (number int)")
    cutter = await CommitCutter(server.port).open()
    url = url_at(cutter.port)
    assert await asyncio.to_thread(_commit, url, 1)
    cutter.cut(Cut.REQUEST)
    assert not await asyncio.to_thread(_commit, url, 2)
    cutter.cut(Cut.REPLY)
    assert not await asyncio.to_thread(_commit, url, 3)
    assert await asyncio.to_thread(_commit, url, 4)
    await server.kill()
    assert not await asyncio.to_thread(_commit, url, 5)
    await server.start()
    assert await asyncio.to_thread(_numbers, url) == [1, 3, 4]
    await cutter.close()


class _Record:
    """A record that has no order, and whose first answer may not be had."""

    def __init__(self, *, away: bool) -> None:
        self.unanswered = 0
        self._away = away

    def named(self, _symbol: str, _quantity: Decimal) -> str:
        self.unanswered += self._away
        return ""

    def state_of_submitted(self, _client_order_id: str) -> str:
        return ""


@pytest.mark.parametrize(("away", "seen"), [(True, None), (False, "")])
async def test_a_witness_who_could_not_ask_has_seen_nothing(*, away: bool, seen: str | None) -> None:
    """An order that no id of ours names is looked up by its content; without that answer nobody says what stood."""
    broker = await SchwabChaos.open(1, _Record(away=away), time.time_ns)  # type: ignore[arg-type] # all that is asked
    try:
        leg = {"instrument": {"symbol": "KO"}, "quantity": 3}
        body = json.dumps({"orderLegCollection": [leg]}).encode()
        broker.witness(WireRequest("POST", "/trader/v1/accounts/1/orders", {}, {}, body), [])
        assert [state for _, state in broker._seen] == [seen]
    finally:
        await broker.close()
