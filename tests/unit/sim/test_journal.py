"""The wire journal: what really arrived, in order, without secrets."""

import json
from pathlib import Path

from brokergw.sim.journal import WireJournal
from tests.fixtures.clock import FakeClock
from tests.fixtures.sim_wire import MakeWire, Wire


async def test_every_arrival_is_noted_with_its_answer(wire: Wire) -> None:
    """Method, path, query, body, status and answer are kept in the order of arrival, refused requests too."""
    await wire.placed(client_order_id="mine")
    await wire.order(client_order_id="mine")
    await wire.ask("GET", "/v2/orders", status="all", symbols="AAPL,KO")
    taken, refused, listed = (entry.as_json() for entry in wire.server.journal)
    assert [taken["sequence"], refused["sequence"], listed["sequence"]] == [1, 2, 3]
    assert (taken["method"], taken["path"], taken["status"]) == ("POST", "/v2/orders", 200)
    assert (taken["body"]["client_order_id"], taken["answer"]["status"]) == ("mine", "pending_new")
    assert (refused["status"], refused["answer"]["message"]) == (422, "client_order_id must be unique")
    assert listed["query"] == {"status": "all", "symbols": "AAPL,KO"}
    assert listed["body"] is None


async def test_control_requests_are_not_noted(wire: Wire) -> None:
    """Looking at the journal does not change it."""
    await wire.ask("GET", "/_sim/journal")
    assert len(wire.server.journal) == 0


async def test_secrets_are_masked(wire: Wire) -> None:
    """Of what is said on the stream the key's last four characters remain, and nothing of the secret."""
    async with wire.listening():
        pass
    shown = json.dumps([entry.as_json() for entry in wire.server.journal])
    assert "simulator-secret" not in shown
    assert "PKSIMULATOR" not in shown
    assert "****ATOR" in shown
    handshake, authenticate, listen = wire.server.journal
    assert (handshake.method, handshake.status) == ("GET", 101)
    assert (authenticate.method, listen.path) == ("WS", "/stream")


async def test_the_file_holds_a_line_for_each_answer(make_wire: MakeWire, tmp_path: Path) -> None:
    """The JSON Lines file is complete as soon as the answer has left."""
    file = tmp_path / "journal.jsonl"
    wire = await make_wire(journal_file=file)
    await wire.placed()
    await wire.ask("GET", "/v2/account")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("POST", "/v2/orders", 200),
        ("GET", "/v2/account", 200),
    ]


def test_a_full_journal_forgets_the_oldest(still_clock: FakeClock) -> None:
    """Capacity bounds the memory; the count of arrivals goes on."""
    journal = WireJournal(still_clock.now_ns, capacity=2)
    for path in ("/a", "/b", "/c"):
        journal.close(journal.open("GET", path, {}))
    assert [entry.path for entry in journal] == ["/b", "/c"]
    assert (len(journal), journal.arrived) == (2, 3)
    assert [entry.path for entry in journal.select(after=2)] == ["/c"]
    journal.clear()
    assert (len(journal), journal.arrived) == (0, 3)
