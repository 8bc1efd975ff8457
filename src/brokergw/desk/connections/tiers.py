"""What a connection may be used for, judged as the gates judge an order through it."""

from dataclasses import dataclass

from brokergw.desk.results import ConnectionStatus
from brokergw.model.account import ConnectionHealth, Environment
from brokergw.model.broker_config import BrokerConfig
from brokergw.model.connections import Tier, TierStanding, TierState
from brokergw.model.modes import LiveStep, Standing, above
from brokergw.model.trading import Halt

_ENVIRONMENTS = {Tier.PAPER: Environment.PAPER, Tier.LIVE: Environment.LIVE}
_UNUSABLE = {
    ConnectionHealth.ERROR: "the connection cannot be used as it is",
    ConnectionHealth.REAUTHORIZATION_REQUIRED: "the broker refuses the stored credentials",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What decides about a connection: how it and its user stand, what is halted, what is set for the broker.

    `risk_version` is the present risk text's, `initial` the mode of users that have chosen none, `region` the user's.
    """

    status: ConnectionStatus
    standing: Standing
    risk_version: str
    initial: Environment
    halt: Halt | None
    config: BrokerConfig
    region: str = ""


def tiers_of(known: Known) -> tuple[TierStanding, ...]:
    """Judge each tier."""
    return tuple(_judged(tier, known) for tier in Tier)


def _judged(tier: Tier, known: Known) -> TierStanding:
    connection = known.status.connection
    if connection.revoked:
        return TierStanding(tier, TierState.REVOKED, "access was revoked")
    unusable = _UNUSABLE.get(known.status.health)
    if tier is Tier.READ_ONLY:
        return TierStanding(tier, TierState.BLOCKED, unusable) if unusable else TierStanding(tier, TierState.GRANTED)
    if _ENVIRONMENTS[tier] is not connection.environment:
        words = f"orders through it reach {connection.environment.value.lower()} money only"
        return TierStanding(tier, TierState.NOT_GRANTED, words)
    refused = _not_granted(tier, known)
    if refused is not None:
        return refused
    blocked = unusable or _obstacle(known)
    return TierStanding(tier, TierState.BLOCKED, blocked) if blocked else TierStanding(tier, TierState.GRANTED)


def _not_granted(tier: Tier, known: Known) -> TierStanding | None:
    """Say what is missing of the leave to trade: first the steps of live money, then mode and bindings."""
    connection, standing = known.status.connection, known.standing
    if tier is Tier.LIVE:
        missing = standing.open_steps(known.risk_version)
        if missing:
            state = TierState.NOT_GRANTED if LiveStep.GRANT in missing else TierState.BLOCKED
            words = f"these steps to live trading are open: {' '.join(missing)}"
            return TierStanding(tier, state, words, missing)
    mode = standing.reach(known.risk_version, known.initial)
    for what, held in (
        ("the user's mode is", mode),
        ("its account is bound to", standing.bound(connection.account_id, "")),
    ):
        if held is not None and above(connection.environment, held):
            return TierStanding(tier, TierState.NOT_GRANTED, f"{what} {held.value}")
    return None


def _obstacle(known: Known) -> str:
    """Say what stands in the way of orders that have every leave; empty where nothing does."""
    if not known.config.enabled:
        return "the platform takes no orders that add risk at this broker"
    if not known.config.permits(known.region):
        return "the broker may not be traded at from the user's region"
    if known.halt is not None:
        return f"trading is {known.halt.state.value} ({known.halt.cause.value}): {known.halt.reason}"
    return ""
