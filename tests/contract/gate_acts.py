"""What happens before an order that is to be refused: acts upon a gate world."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from brokerapi.v1 import connections_pb2, halts_pb2

from brokergw.desk.live.risk_text import VERSION
from brokergw.model.account import Environment
from brokergw.model.errors import Reason
from brokergw.model.limits import LimitSource, LimitsScope, ScopeLimits
from brokergw.model.mfa import Authenticator
from brokergw.model.modes import Standing
from brokergw.model.outcome import Outcome, Rejected, Unknown
from brokergw.model.reconciliation import Difference, DifferenceKind, Finding, Reconciliation, Trigger
from brokergw.model.terms import OrderTerms
from brokergw.ports.broker import BrokerUnavailable
from tests.fixtures.clock import START_NS
from tests.fixtures.edge import KEY
from tests.fixtures.edge_samples import ACCOUNT, USER
from tests.fixtures.gate_world import GateWorld
from tests.fixtures.questions import position

Act = Callable[[GateWorld], Awaitable[Any]]
D = Decimal
S = 1_000_000_000


def limits(**values: Any) -> Act:
    """Let the user set limits for itself."""
    return lambda world: world.limit(**values)


def used_by_one(**values: Any) -> Act:
    """Let one order be taken under limits that leave no room for a second one."""

    async def act(world: GateWorld) -> None:
        await world.limit(**values)
        await world.place()

    return act


def broker(**words: Any) -> Act:
    """Let the broker say something else from now on."""

    async def act(world: GateWorld) -> None:
        for name, value in words.items():
            setattr(world.broker, name, value)

    return act


def holding(quantity: int, available: int | None = None) -> Act:
    """Let the broker tell of a position."""
    return broker(positions=[position(D(quantity), None if available is None else D(available))])


async def lost(_client_order_id: str, _terms: OrderTerms) -> Outcome:
    return Unknown("no reply in time")


async def one_in_doubt(world: GateWorld) -> None:
    world.broker.submit = lost
    await world.place()


async def orders_on_their_way(world: GateWorld) -> None:
    """Leave an order without an answer that costs most of what the account can pay."""
    world.broker.buying_power = D(700)
    await one_in_doubt(world)


async def storm(world: GateWorld) -> None:
    """Let the broker refuse ten orders of a strategy."""

    async def refuse(_client_order_id: str, _terms: OrderTerms) -> Outcome:
        return Rejected("40310000", "wash trade")

    world.broker.submit = refuse
    for _ in range(10):
        await world.refuse(call={"strategy_id": "s1"})


async def five_failures(world: GateWorld) -> None:
    """Ask a broker that does not answer until it is left alone."""
    await broker(away=BrokerUnavailable(Reason.BROKER_UNREACHABLE, "down"))(world)
    for _ in range(5):
        await world.refuse()


async def revoke(world: GateWorld) -> None:
    request = connections_pb2.RevokeConnectionRequest(connection_id=f"con_{ACCOUNT}")
    await world.connections.RevokeConnection(request, metadata=KEY, timeout=20)


def killed(state: halts_pb2.TradingState.ValueType) -> Act:
    """Throw the platform's kill switch."""

    async def act(world: GateWorld) -> None:
        scope = halts_pb2.HaltScope(kind=halts_pb2.HALT_SCOPE_KIND_PLATFORM)
        request = halts_pb2.SetKillSwitchRequest(scope=scope, state=state, reason="a drill")
        await world.admin.SetKillSwitch(request, metadata=KEY, timeout=20)

    return act


async def lose(world: GateWorld) -> None:
    """Begin the day, then lose what may be lost."""
    await world.place()
    world.broker.equity = D(95_000)


async def contradict(world: GateWorld) -> None:
    """Begin the day, then let the broker tell an equity that cash and positions do not come to."""
    await world.place()
    world.broker.cash_apart = D(1_000)


async def limits_not_read(world: GateWorld) -> None:
    """Let ten seconds pass in which the limits cannot be read."""
    world.limits.down = True
    await world.clock.pass_time(11)


async def differ(world: GateWorld) -> None:
    """Find a mismatch that nobody has settled."""
    found = Difference(kind=DifferenceKind.POSITION, subject="ACME", record="3", broker="5")
    await world.reconciliations.put(
        Reconciliation(
            reconciliation_id="rec_1",
            user_id=USER,
            account_id=ACCOUNT,
            trigger=Trigger.PERIODIC,
            finding=Finding.MISMATCH,
            first_ns=START_NS,
            as_of_ns=START_NS,
            differences=(found,),
        )
    )
    await world.desk._reconciling.drift.refresh()  # type: ignore[union-attr]


async def rest_a_buy(world: GateWorld) -> None:
    await holding(10)(world)
    await world.place(limit_price="50.01")


def unreadable(world: GateWorld) -> None:
    """Leave limits on record that are none."""
    scope = LimitsScope(source=LimitSource.USER, user_id=USER)
    world.limits.limits[scope] = ScopeLimits(scope=scope, version=1, fault="exposure_max is -1")


def traded_live(world: GateWorld, code_age_s: int = 10) -> None:
    """Let the user have taken every step to live money; its last code was taken so long ago."""
    world.modes.standings[USER] = Standing(
        user_id=USER,
        mode=Environment.LIVE,
        grant_by="root",
        grant_time_ns=START_NS,
        live_risk_version=VERSION,
        acknowledged=(VERSION,),
    )
    world.authenticators.known[USER] = Authenticator(
        user_id=USER,
        authenticator_id="mfa_1",
        secret="JBSWY3DPEHPK3PXP",
        enroll_time_ns=1,
        confirm_time_ns=1,
        code_time_ns=START_NS - code_age_s * S,
    )


def skewed(ahead_s: float) -> Callable[[GateWorld], None]:
    """Let the database's clock be ahead."""

    def arrange(world: GateWorld) -> None:
        world.database.ahead_s = ahead_s

    return arrange


def configured(**config: Any) -> Act:
    """Let an administrator configure the broker."""
    return lambda world: world.configure(**config)


async def one_order(world: GateWorld) -> None:
    await world.place()
