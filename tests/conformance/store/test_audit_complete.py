"""No change of state without its audit row: every write of the store is named here, and tells or says why not."""

import ast
import inspect
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

import brokergw.store
from brokergw.model.account import BrokerRevocation, Environment
from brokergw.model.broker_config import BrokerConfig
from brokergw.model.certificates import CertificateMapping, CertificateMatch
from brokergw.model.mfa import Authenticator
from brokergw.model.modes import Acknowledgement
from brokergw.model.oauth import Grant, GrantState
from brokergw.model.principal import Role, Scope
from brokergw.model.reconciliation import Finding, ReconciliationPolicy
from brokergw.model.trading import PLATFORM, HaltCause
from brokergw.model.whose import only
from brokergw.ports.broker import Credentials
from brokergw.ports.journal import Commit
from brokergw.ports.oauth import Claim
from brokergw.store import Store
from tests.conformance.store.making import (
    ACCOUNT,
    START_NS,
    USER,
    add_accounts,
    admit,
    an_order,
    connection_for,
    settle,
)
from tests.conformance.store.test_directories import a_key
from tests.conformance.store.test_halts import wish
from tests.conformance.store.test_limits import a_version
from tests.conformance.store.test_reconciliations import a_finding
from tests.fixtures.audit_log import a_row

ROW: Final = a_row("step")
SOON: Final = START_NS * 2
Act = Callable[[Store], Awaitable[object]]

WRITERS: Final = {
    "_run",
    "_run_grouped",
    "_opened_for",
    "_changed",
    "_tell",
    "_say",
    "_written",
    "insert_new",
    "commit",
    "run",
}
"""What a method of the store hands its writes to."""

EXEMPT: Final = {
    "Acts.__call__": "it runs the write of another, which tells",
    "SqlAlertOutbox.add": "an alert waits for its delivery; what it tells of has its own row",
    "SqlAlertOutbox.delivered": "an alert was delivered",
    "SqlAlertOutbox.put_off": "an alert was not delivered",
    "SqlAlertOutbox.take_due": "one process takes an alert to deliver it",
    "AuditRetention._remove": "each piece tells what it removed",
    "AuditRetention.prune": "a chain of which nothing is left, and nothing signed names, is no longer looked at",
    "LonelyHaltBook._changed": "how `place` and `lift` write",
    "LonelyHaltBook.report": "how far a sweep has come; each of its steps has its row",
    "SharedHaltBook._changed": "how `place` and `lift` write",
    "SharedHaltBook._say": "how a process confirms, and asks who has not",
    "SharedHaltBook._tell": "how the others write",
    "SharedHaltBook.close": "a process is no longer counted on",
    "SharedHaltBook.confirm": "a process has heard of a halt, a few times a second",
    "SharedHaltBook.fence": "a process is no longer counted on",
    "SharedHaltBook.findings": "reads",
    "SharedHaltBook.lift": "as `LonelyHaltBook.lift`, proved for each database",
    "SharedHaltBook.open": "a process is counted on",
    "SharedHaltBook.place": "as `LonelyHaltBook.place`, proved for each database",
    "SharedHaltBook.report": "how far a sweep has come; each of its steps has its row",
    "SharedHaltBook.sweeps": "reads",
    "SharedHaltBook.unconfirmed": "reads",
    "SqlAuditLog.verify": "reads",
    "SqlJournal.forget_repeats": "which order was the latest of its kind is a note for ten minutes; the orders stay",
    "SqlKeyDirectory.touch": "when a key was last used; each of its calls has its row",
    "SqlLeases.outlive_others": "which processes live, several times a second",
    "SqlLeases.release": "which processes live",
    "SqlLeases.renew": "which processes live, and which does the background work of a connection",
    "SqlLeases.report": "how a connection's feed fares, every second",
    "SqlModes._written": "how `change` and `acknowledge` write",
    "SqlAttempts.begin": "the call that begins an authorization has its row",
    "SqlAttempts.take": "what comes of the callback has its row",
    "SqlGrants.claim": "a process is about to refresh; what comes of it has its row",
    "SqlGrants.warned": "which process tells a person of an end ahead",
    "SqlReconciliations.answered": "a question between processes has been answered",
    "SqlReconciliations.want": "a question between processes; the call that asks has its row",
    "SqlRiskDays.keep": "what an account is worth, every few seconds; a crossing halts, and that has its row",
    "SqlRiskDays.open": "what an account is worth at the beginning of its day",
    "SqlVault.tell_keys": "which keys living processes have",
    "Rotation._pass_over": "what is sealed stays what it is; that a rotation ran is told at its end",
    "Rotation._written": "how `_pass_over` writes",
    "SqlVault.rotate": "tells at its end",
    "SqlConnectionDirectory.credentials": "tells of an opening, and changes nothing",
    "Writer.prove": "looks whether the database can be written, and changes nothing",
}

NEW: Final = Authenticator(user_id=USER, authenticator_id="mfa_1", secret="S", enroll_time_ns=1)
MAPPING: Final = CertificateMapping(
    certificate_id="crt_1",
    user_id=USER,
    name="one",
    match=CertificateMatch.DNS,
    value="one.example",
    scopes=frozenset({Scope.ORDERS_READ}),
    create_time_ns=START_NS,
)

ACKNOWLEDGEMENT: Final = Acknowledgement(version="1", text_hash="hash", time_ns=1, key_id="key_1", request_id="req_1")
CONFIG: Final = BrokerConfig(broker="mock", version=1, set_by="root", set_time_ns=1)
CREDENTIALS: Final = Credentials(key="key", secret="secret")


GRANT: Final = Grant(connection_id="con_9", user_id=USER, version=1, authorize_time_ns=START_NS)


async def _granted(store: Store) -> None:
    await store.grants.open(connection_for("acc_9", connection_id="con_9"), CREDENTIALS, GRANT)


async def _grant_replaced(store: Store) -> None:
    connection = await store.connections.get(only(USER), "con_9")
    assert connection is not None
    await store.grants.replace(connection, CREDENTIALS, GRANT, since=1)


async def _claimed(store: Store) -> None:
    await _granted(store)
    assert await store.grants.claim(USER, "con_9", 1, 30.0) is not None


async def _refresh_failed(store: Store) -> None:
    claim = Claim(grant=GRANT, holder=store.leases.instance_id, asked_at=0.0, life_s=30.0)
    await store.grants.release(claim, replace(GRANT, state=GrantState.REAUTHORIZATION_REQUIRED))


async def _enrolled(store: Store) -> None:
    await store.authenticators.enroll(NEW, ROW)


async def _with_key(store: Store) -> None:
    await store.keys.add(a_key(), "hash", ROW)


async def _halted(store: Store) -> None:
    await store.halts.place(wish())


async def _found(store: Store) -> None:
    await store.reconciliations.put(replace(a_finding(1), user_id=USER), ROW)


async def _traded(store: Store) -> None:
    order = an_order()
    await store.journal.commit(admit(order))
    await store.journal.commit(settle(order))


async def _rested(store: Store) -> None:
    await _traded(store)
    clock: Any = store.journal._clock
    clock.advance(3 * 86_400.0)


async def _retired(store: Store) -> None:
    await _rested(store)
    await store.journal.retire_keys(SOON, 9)


async def _agreed(store: Store) -> None:
    for number in (1, 2):
        await store.reconciliations.put(replace(a_finding(number, Finding.AGREED), user_id=USER), ROW)


async def _credentials_changed(store: Store) -> None:
    known = await store.connections.get(only(USER), "con_acc_9")
    assert known is not None
    await store.connections.put_credentials(known, CREDENTIALS, ROW)


def _connected(store: Store) -> Any:
    return store.connections.add(connection_for("acc_9"), CREDENTIALS, ROW)


ACTS: Final[dict[str, tuple[Act | None, Act]]] = {
    "SqlAuthenticators.enroll": (None, _enrolled),
    "SqlAuthenticators.reset": (_enrolled, lambda store: store.authenticators.reset(USER, ROW)),
    "SqlAuthenticators.take_code": (
        _enrolled,
        lambda store: store.authenticators.take_code(USER, "mfa_1", 1, 2, 3, lambda _: ROW),
    ),
    "SqlAuthenticators.unlock": (_enrolled, lambda store: store.authenticators.unlock(USER, ROW)),
    "SqlCertificates.add": (None, lambda store: store.certificates.add(MAPPING, ROW)),
    "SqlCertificates.revoke": (
        lambda store: store.certificates.add(MAPPING, ROW),
        lambda store: store.certificates.revoke("crt_1", 2, ROW),
    ),
    "SqlConnectionDirectory.add": (None, _connected),
    "SqlConnectionDirectory.put_credentials": (_connected, _credentials_changed),
    "SqlConnectionDirectory.note_broker_revocation": (
        _connected,
        lambda store: store.connections.note_broker_revocation(USER, "con_acc_9", BrokerRevocation.ENDED, ROW),
    ),
    "SqlConnectionDirectory.revoke": (_connected, lambda store: store.connections.revoke(USER, "con_acc_9", 2, ROW)),
    "SqlConnectionDirectory.set_label": (
        _connected,
        lambda store: store.connections.set_label(USER, "con_acc_9", "mine", ROW),
    ),
    "LonelyHaltBook.lift": (
        _halted,
        lambda store: store.halts.lift(PLATFORM, HaltCause.KILL_SWITCH, epoch=None, audit=ROW),
    ),
    "LonelyHaltBook.place": (None, _halted),
    "SqlJournal.anchor": (
        None,
        lambda store: store.journal.anchor(USER, ACCOUNT, "AAPL", Decimal(5), Decimal(1), Decimal(0)),
    ),
    "SqlJournal.commit": (None, lambda store: store.journal.commit(Commit(audit=(ROW,)))),
    "SqlJournal.drop_retired_keys": (_retired, lambda store: store.journal.drop_retired_keys(SOON, 9)),
    "SqlJournal.prune_events": (_traded, lambda store: store.journal.prune_events(USER, ACCOUNT, SOON, 9)),
    "SqlJournal.renew_epoch": (None, lambda store: store.journal.renew_epoch(ROW)),
    "SqlJournal.retire_keys": (_rested, lambda store: store.journal.retire_keys(SOON, 9)),
    "SqlGrants.open": (None, _granted),
    "SqlGrants.release": (_claimed, _refresh_failed),
    "SqlGrants.replace": (_granted, _grant_replaced),
    "SqlKeyDirectory.add": (None, _with_key),
    "SqlKeyDirectory.add_first_admin": (None, lambda store: store.keys.add_first_admin(a_key(), "hash", ROW)),
    "SqlKeyDirectory.revoke": (_with_key, lambda store: store.keys.revoke("key_1", 2, ROW)),
    "SqlKeyDirectory.rotate": (_with_key, lambda store: store.keys.rotate("key_1", "other", 2, ROW)),
    "SqlLimits.put_broker": (
        None,
        lambda store: store.limits.put_broker(CONFIG, ROW),
    ),
    "SqlLimits.put_limits": (None, lambda store: store.limits.put_limits(a_version(1), ROW)),
    "SqlModes.acknowledge": (
        None,
        lambda store: store.modes.acknowledge(USER, ACKNOWLEDGEMENT, ROW),
    ),
    "SqlModes.change": (
        None,
        lambda store: store.modes.change(USER, lambda before: replace(before, mode=Environment.PAPER), ROW),
    ),
    "SqlReconciliations.prune": (_agreed, lambda store: store.reconciliations.prune(SOON, 9)),
    "SqlReconciliations.put": (None, _found),
    "SqlReconciliations.set_policy": (
        None,
        lambda store: store.reconciliations.set_policy(USER, ReconciliationPolicy(), 1, ROW),
    ),
    "SqlReconciliations.settle": (
        _found,
        lambda store: store.reconciliations.settle(USER, "rec_0001", "carol", 2, "seen", ROW),
    ),
    "SqlRoles.grant": (None, lambda store: store.roles.grant(USER, Role.OPERATOR, ROW)),
    "SqlRoles.revoke": (
        lambda store: store.roles.grant(USER, Role.OPERATOR, ROW),
        lambda store: store.roles.revoke(USER, Role.OPERATOR, ROW),
    ),
    "SqlTokens.revoke": (None, lambda store: store.tokens.revoke("tok_1", 1, 2, ROW)),
}
"""What comes before, and the write itself."""


def writes_of_the_store() -> Iterator[str]:
    """Name every method of the store that hands something to a writer."""
    root = Path(inspect.getfile(brokergw.store)).parent
    for path in sorted(root.rglob("*.py")):
        for kind in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)):
            for method in (node for node in kind.body if isinstance(node, ast.AsyncFunctionDef)):
                if any(isinstance(node, ast.Call) and _name(node.func) in WRITERS for node in ast.walk(method)):
                    yield f"{kind.name}.{method.name}"


def _name(called: ast.expr) -> str:
    return getattr(called, "attr", getattr(called, "id", ""))


def test_every_write_is_named_once() -> None:
    """Whoever lets the store write something new proves here that it tells, or says why it need not."""
    found = set(writes_of_the_store())
    assert found - ACTS.keys() - EXEMPT.keys() == set()
    assert (ACTS.keys() | EXEMPT.keys()) - found == set()
    assert not ACTS.keys() & EXEMPT.keys()
    assert all(EXEMPT.values())


class Transactions:
    """What a SQLite connection does, as one list of changed tables for each commit."""

    def __init__(self, driver: Any) -> None:
        self.commits: list[list[str]] = []
        self._open: list[str] = []
        driver.set_trace_callback(self._see)

    def _see(self, statement: str) -> None:
        words = statement.split()
        match words[0].upper():
            case "BEGIN" | "ROLLBACK" if "TO" not in words:
                self._open = []
            case "COMMIT":
                self.commits.append(self._open)
                self._open = []
            case "INSERT":
                self._open.append(words[2])
            case "UPDATE":
                self._open.append(words[1])
            case "DELETE":
                self._open.append(words[2])


@pytest.fixture
async def sqlite_store(sqlite_url: str) -> Any:
    """Give an empty store on SQLite, whose only writer can be watched."""
    from tests.fixtures.stores import open_for_test

    async with open_for_test(sqlite_url) as opened:
        yield opened


@pytest.mark.parametrize("name", sorted(ACTS))
async def test_a_change_tells_in_its_own_commit(sqlite_store: Store, name: str) -> None:
    """Each commit that changes anything has its audit row among the changes."""
    await add_accounts(sqlite_store)
    before, act = ACTS[name]
    if before is not None:
        await before(sqlite_store)
    seen = Transactions(sqlite_store._connection._open().connection.driver_connection)
    await act(sqlite_store)
    changed = [commit for commit in seen.commits if commit]
    assert changed
    assert all("broker_audit_log" in commit for commit in changed)


async def test_what_leaves_nothing_tells_nothing(sqlite_store: Store) -> None:
    """Letting go of old things says so only where there was something to let go of."""
    await add_accounts(sqlite_store)
    seen = Transactions(sqlite_store._connection._open().connection.driver_connection)
    await sqlite_store.journal.retire_keys(SOON, 9)
    await sqlite_store.journal.drop_retired_keys(SOON, 9)
    await sqlite_store.journal.prune_events(USER, ACCOUNT, SOON, 9)
    await sqlite_store.reconciliations.prune(SOON, 9)
    assert all("broker_audit_log" not in commit for commit in seen.commits)
