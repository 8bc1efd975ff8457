"""The audit log listed and exported."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from brokergw.ports.audit import AuditEntry, AuditQuery
from brokergw.ports.journal import Commit
from brokergw.store import Store
from brokergw.store.audit.canonical import row_hash
from brokergw.store.audit.signing import TrustedKeys
from brokergw.store.database.engine import parse_url, writer_engine
from brokergw.store.encoding.rows import audit_row
from brokergw.store.migrations import upgrade
from brokergw.store.notary.export import ExportUnreadable, export, verify_export
from brokergw.store.notary.log import _wanted
from brokergw.store.notary.pages import LogPages
from tests.conformance.store.making import ACCOUNT, OTHER_ACCOUNT, START_NS, add_accounts, connection_for
from tests.fixtures.audit_log import KEYS, a_row, signed_store, write_and_sign

ROWS = [
    a_row("order.admitted", user_id="ann", order_id="ord_1", account_id=ACCOUNT, time_ns=START_NS + 1),
    a_row("brokerapi.v1.OrderService/SubmitOrder", user_id="ann", account_id=ACCOUNT, time_ns=START_NS + 2),
    a_row("order.settled", user_id="bob", order_id="ord_2", account_id=OTHER_ACCOUNT, time_ns=START_NS + 3),
    a_row("order.settled", user_id="ann", order_id="ord_1", time_ns=START_NS + 3, detail="it's \u20ac 5"),
    a_row("orders", user_id="ann", account_id="acc_at_broker", time_ns=START_NS + 4, payload='{"a":"b"}'),
]
"""By number, from 0."""


@pytest.fixture
async def listed(store: Store) -> Store:
    """Give a store with the rows above, in two commits."""
    await add_accounts(store)
    await store.connections.add(connection_for("acc_at_broker", broker="alpaca"), None)
    for rows in (ROWS[:2], ROWS[2:]):
        await store.journal.commit(Commit(audit=tuple(rows)))
    return store


def which(found: Sequence[AuditEntry]) -> list[int]:
    """Give the numbers of the rows, in the order found."""
    return [ROWS.index(each.row) for each in found if each.row in ROWS]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [4, 3, 2, 1, 0]),
        ({"user_id": "ann"}, [4, 3, 1, 0]),
        ({"user_id": "nobody"}, []),
        ({"account_ids": frozenset({ACCOUNT})}, [1, 0]),
        ({"account_ids": frozenset({ACCOUNT, OTHER_ACCOUNT})}, [2, 1, 0]),
        ({"account_ids": frozenset()}, []),
        ({"order_id": "ord_1"}, [3, 0]),
        ({"order_id": "ord_1", "user_id": "bob"}, []),
        ({"broker": "alpaca"}, [4]),
        ({"broker": "mock"}, [2, 1, 0]),
        ({"action": "order."}, [3, 2, 0]),
        ({"action": "order.settled"}, [3, 2]),
        ({"action": "SubmitOrder"}, [1]),
        ({"action": "brokerapi.v1.OrderService/"}, [1]),
        ({"action": "Order"}, []),
        ({"action": "order%"}, []),
        ({"since_ns": START_NS + 3}, [4, 3, 2]),
        ({"until_ns": START_NS + 3}, [1, 0]),
        ({"since_ns": START_NS + 2, "until_ns": START_NS + 4}, [3, 2, 1]),
        ({"limit": 2}, [4, 3]),
        ({"user_id": "a\0nn"}, []),
    ],
    ids=lambda value: (
        str({k: sorted(v) if isinstance(v, frozenset) else v for k, v in value.items()})
        if value and isinstance(value, dict)
        else str(value)
    ),
)
async def test_rows_are_found_by_everything_one_may_ask(
    listed: Store, asked: dict[str, Any], expected: list[int]
) -> None:
    """Newest first, each filter by itself and several together."""
    if "limit" in asked:
        asked = asked | {"since_ns": START_NS + 1}
    assert which(await listed.audit.list(AuditQuery(**asked))) == expected


async def test_pages_lose_and_repeat_nothing(listed: Store) -> None:
    """Page by page the list is the same, also among rows of one moment."""
    whole = await listed.audit.list(AuditQuery())
    found: list[AuditEntry] = []
    while page := await listed.audit.list(AuditQuery(limit=1, before=found[-1].position if found else None)):
        found += page
    assert found == list(whole)


async def test_a_listed_row_carries_its_hash(listed: Store) -> None:
    """Whoever reads a row can work out its hash from what it read."""
    for each in await listed.audit.list(AuditQuery()):
        place = each.position
        assert each.hash == row_hash(place.chain, place.sequence, each.previous_hash, audit_row(each.row))


@pytest.fixture(params=["log.jsonl", "log.csv"])
async def exported(request: pytest.FixtureRequest, store_url: str, checkpoints_folder: Path, tmp_path: Path) -> Path:
    """Export a signed log of two processes, one of them with text of every kind."""
    async with signed_store(store_url, checkpoints_folder) as store:
        awkward = a_row("odd", detail='a,"b"\r\n\N{EURO SIGN};', payload='{"x":"\u00e9"}', duration_ns=0)
        await store.journal.commit(Commit(audit=(awkward,)))
        await write_and_sign(store, 2, 2)
    async with signed_store(store_url, checkpoints_folder) as store:
        await write_and_sign(store, 1)
        path = tmp_path / str(request.param)
        assert await export(LogPages(store._reader, store._writing.dialect.name), path) == 8
    return path


async def test_an_export_is_verified_alone(exported: Path) -> None:
    """The file is enough, with the public key."""
    report = await verify_export(exported, KEYS)
    assert report.whole
    assert (report.rows, report.chains, report.unsigned) == (8, 2, 0)


async def test_an_export_is_not_believed_with_another_key(exported: Path) -> None:
    """What another key signed proves nothing."""
    assert not (await verify_export(exported, TrustedKeys("ab" * 32))).whole


def rewritten(path: Path, change: Callable[[list[str], int], list[str]]) -> None:
    """Write a file again after a change of its lines, given where a certain row stands."""
    # As bytes: a text within may have line ends of its own.
    lines = path.read_bytes().decode().splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if "step.1." in line)
    path.write_bytes("".join(change(lines, place)).encode())


async def test_a_changed_export_is_recognised(exported: Path) -> None:
    """A changed line, a removed line and a repeated line are all found."""
    rewritten(exported, lambda lines, place: [*lines, lines[place]])
    with pytest.raises(ExportUnreadable, match="twice"):
        await verify_export(exported, KEYS)
    rewritten(exported, lambda lines, _: lines[:-1])
    assert (await verify_export(exported, KEYS)).whole
    rewritten(exported, lambda lines, _: [line.replace("step.1.1", "step.1.7") for line in lines])
    assert not (await verify_export(exported, KEYS)).whole
    rewritten(exported, lambda lines, place: lines[:place] + lines[place + 1 :])
    assert not (await verify_export(exported, KEYS)).whole


@pytest.mark.parametrize("line", ["no json\n", "{}\n", '{"kind": "row"}\n', '{"kind": "row", "sequence": "x"}\n'])
async def test_a_file_that_is_no_export_is_refused(tmp_path: Path, line: str) -> None:
    """The line that is none of ours is named."""
    path = tmp_path / "log.jsonl"
    path.write_text(line)
    with pytest.raises(ExportUnreadable, match="line 1"):
        await verify_export(path, KEYS)
    path = tmp_path / "log.csv"
    path.write_text(line)
    with pytest.raises(ExportUnreadable, match="first line"):
        await verify_export(path, KEYS)


async def test_an_export_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    """A file that is there stays as it is."""
    path = tmp_path / "log.jsonl"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        await export(LogPages(store._reader, store._writing.dialect.name), path)
    assert path.read_text() == "mine"


async def test_lines_are_json_with_the_columns_names(store: Store, tmp_path: Path) -> None:
    """Each line of JSON says what kind it is and names its columns."""
    await store.journal.commit(Commit(audit=(a_row("one"),)))
    path = tmp_path / "log.jsonl"
    await export(LogPages(store._reader, store._writing.dialect.name), path)
    first, second = map(json.loads, path.read_text().splitlines())
    assert (first["kind"], first["action"], second["action"]) == ("row", "audit.opened", "one")
    assert second["previous_hash"] == first["hash"]


@pytest.mark.parametrize("user_id", ["usr_1", None])
def test_rows_about_an_order_are_found_by_their_index(tmp_path: Path, user_id: str | None) -> None:
    """On SQLite too, where an index over a part of the rows serves only who says so in its own words."""
    engine = writer_engine(parse_url(f"sqlite:///{tmp_path / 'log.db'}"))
    upgrade(engine)
    wanted = _wanted(AuditQuery(user_id=user_id, order_id="ord_1")).compile(engine)
    given = tuple(wanted.params[name] for name in wanted.positiontup or ())
    with engine.connect() as database:
        (plan, *_) = database.exec_driver_sql(f"EXPLAIN QUERY PLAN {wanted}", given).all()
    engine.dispose()
    assert "USING INDEX ix_broker_audit_log_order_id_user_id" in plan[-1]
