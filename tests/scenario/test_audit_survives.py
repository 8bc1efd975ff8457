"""The audit log of real processes: whole while they write, after a SIGKILL, and with several of them."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brokergw.store.notary.tails import tails_in
from tests.fixtures.audit_log import Forger
from tests.fixtures.bare_client import ClientOpener
from tests.fixtures.gateway_process import GatewayProcess, GatewayStarter
from tests.fixtures.replica_processes import ReplicasAtSim
from tests.scenario.load import Load

BROKERGW = str(Path(sys.executable).with_name("brokergw"))
LOAD_S = 1.5
SIGNED_WITHIN_S = 3.0


def verified(gateway: GatewayProcess, *words: str) -> Mapping[str, Any]:
    """Verify the log of a gateway with the command, beside whatever runs."""
    done = subprocess.run(
        [BROKERGW, "audit", "verify", "--json", *words],
        env=gateway.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    report: Mapping[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if report["whole"] else 4), done.stderr
    return report


async def signed(gateway: GatewayProcess) -> Mapping[str, Any]:
    """Wait until somebody has signed every row, and give the report."""
    for _ in range(10):
        report = await asyncio.to_thread(verified, gateway)
        if not report["unsigned"] or not report["whole"]:
            break
        await asyncio.sleep(SIGNED_WITHIN_S / 10)
    return report


def without_its_end(gateway: GatewayProcess, place: Path) -> Mapping[str, Any]:
    """Verify a copy of a killed gateway's database whose rows somebody has cut off, from the last noted one on."""
    place.mkdir()
    for path in gateway.directory.glob("gateway.db*"):
        shutil.copy(path, place)
    url = f"sqlite:///{place / 'gateway.db'}"
    (_, noted), *_ = tails_in(gateway.directory / "data" / "audit")
    last = max((each.head for each in noted), key=lambda head: head.sequence)
    forger = Forger(url)
    forger.remove(last.chain, last.sequence, len(forger.rows(last.chain)))
    forger.close()
    return verified(gateway, "--database-url", url)


def told(gateway: GatewayProcess, path: Path) -> list[Any]:
    """Export a gateway's log and read its rows."""
    subprocess.run([BROKERGW, "audit", "export", "--out", str(path)], env=gateway.environment, timeout=60, check=True)
    lines = map(json.loads, path.read_text().splitlines())
    return [line for line in lines if line["kind"] == "row"]


def actions_by_order(rows: Sequence[Any]) -> dict[str, list[str]]:
    """Give what is on record of each order."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["order_id"] and row["outcome"] != "UNAVAILABLE":
            found.setdefault(row["order_id"], []).append(row["action"])
    return found


async def test_a_killed_gateway_leaves_a_log_that_is_whole(
    start_gateway: GatewayStarter, open_client: ClientOpener, tmp_path: Path
) -> None:
    """O7: whole under load, right after a SIGKILL, and when the next process has signed what was left; no row lost.

    Rows that are cut off right after the SIGKILL, before anybody has signed them, are missed. A commit that the SIGKILL
    overtook before its end was noted is not asked for.
    """
    gateway = start_gateway()
    key = gateway.api_key()
    clients = [open_client(gateway, key) for _ in range(4)]
    load = Load(await clients[0].mock_account())
    load.start(clients)
    await asyncio.sleep(LOAD_S / 2)
    assert (await asyncio.to_thread(verified, gateway))["problems"] == []
    await asyncio.sleep(LOAD_S / 2)
    gateway.kill()
    await load.ended()
    killed = await asyncio.to_thread(verified, gateway)
    assert killed["problems"] == []
    bent = await asyncio.to_thread(without_its_end, gateway, tmp_path / "bent")
    assert [problem["fault"] for problem in bent["problems"]] == ["ROW_MISSING"]

    gateway.start()
    report = await signed(gateway)
    assert (report["problems"], report["unsigned"]) == ([], 0)
    assert report["found"] >= killed["unsigned"]
    gateway.stop()
    report = await asyncio.to_thread(verified, gateway)
    assert (report["problems"], report["unsigned"]) == ([], 0)
    rows = actions_by_order(await asyncio.to_thread(told, gateway, tmp_path / "log.jsonl"))
    assert len(load.acknowledged) > len(clients)
    for order_id in load.acknowledged.values():
        assert {"order.admitted", "order.accepted"} <= set(rows[order_id])


async def test_the_log_of_several_processes_is_whole(replicas_at_sim: ReplicasAtSim, open_client: ClientOpener) -> None:
    """Three processes write beside each other, one is killed; the others bear witness for it, and the log is whole."""
    gateways = replicas_at_sim.gateways
    clients = [open_client(gateway, replicas_at_sim.api_key) for gateway in gateways]
    load = Load(replicas_at_sim.account)
    load.start(clients)
    await asyncio.sleep(LOAD_S)
    gateways[2].kill()
    await load.stopped()
    folders = [word for each in gateways for word in ("--checkpoints", str(each.directory / "data" / "audit"))]
    report = await asyncio.to_thread(verified, gateways[0], *folders)
    assert report["problems"] == []
    assert report["chains"] >= 3
    report = await signed(gateways[0])
    assert (report["problems"], report["unsigned"]) == ([], 0)
