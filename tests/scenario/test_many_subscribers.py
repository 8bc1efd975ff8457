"""Many subscribers on real connections: some leave and come back, some never read, and nobody misses anything."""

import asyncio

import grpc

from bench.followers import Follower, Readers, Silent
from tests.fixtures.bare_client import ClientOpener
from tests.fixtures.gateway_process import GatewayStarter
from tests.scenario.load import Load

READERS = 108
SILENT = 12
CONNECTIONS = 6
FILLS_BEFORE = 350
"""About as many as fill the buffers of a stream that nobody reads."""

FILLS_MEANWHILE = 60


async def _acknowledged(load: Load, count: int) -> None:
    async with asyncio.timeout(60):
        while len(load.acknowledged) < count:
            await asyncio.sleep(0.05)


async def test_nobody_misses_or_doubles_anything(start_gateway: GatewayStarter, open_client: ClientOpener) -> None:
    """Readers that leave by chance see the whole record in order; those that do not read are let go, and resume."""
    gateway = start_gateway(BROKERGW_STREAMS_MAX="1000", BROKERGW_STREAM_STALL_MAX_S="1.0")
    client = open_client(gateway, gateway.api_key())
    account = await client.mock_account()
    load = Load(account)
    load.start([client] * 8)
    await _acknowledged(load, FILLS_BEFORE)

    def follower(number: int) -> Follower:
        return Follower(account, client.identity, max_batch=64 if number % 2 else 1)

    each = READERS // CONNECTIONS
    readings = [Readers(gateway.target, [follower(n) for n in range(each)], seed, 0.01) for seed in range(CONNECTIONS)]
    for reading in readings:
        reading.start()
    sleepers = [Silent(gateway.target, follower(n)) for n in range(SILENT)]
    await asyncio.gather(*(sleeper.start() for sleeper in sleepers))
    await _acknowledged(load, FILLS_BEFORE + FILLS_MEANWHILE)
    await load.stopped()
    whole = Follower(account, client.identity, max_batch=128)
    await whole.read_all(client.fills)
    last = whole.sequences[-1]
    await asyncio.gather(*(reading.covered(last) for reading in readings))
    await asyncio.gather(*(sleeper.wake(last) for sleeper in sleepers))
    assert {sleeper.follower.status for sleeper in sleepers} == {grpc.StatusCode.ABORTED}
    await asyncio.gather(*(sleeper.catch_up(last) for sleeper in sleepers))

    readers = [one for reading in readings for one in reading.followers]
    everybody = readers + [sleeper.follower for sleeper in sleepers]
    assert [fault for one in everybody for fault in one.faults] == []
    assert {one.digest for one in everybody} == {whole.digest}
    assert len(whole.sequences) >= len(load.acknowledged)
    assert sum(one.resumptions for one in readers) > READERS
    for reading in readings:
        await reading.end()
    for sleeper in sleepers:
        await sleeper.end()
