"""Who may see and change which limits.

A user sets its own and its strategies', never looser than wider scopes; the administrator sets the platform's, the
brokers' and a user's. Whatever is set, an order meets the strictest of all: this is where mistakes are told early, not
what the safety rests on. Making something stricter is at once; making it looser needs a fresh code of those who have
an authenticator. Every change names the version that it replaces.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from brokergw.desk.limits.book import LimitsBook
from brokergw.desk.limits.compare import config_differences, differences, excesses, loosened, opens
from brokergw.desk.telling import audit_row
from brokergw.model.broker_config import BrokerConfig
from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.limits import EffectiveLimits, Limits, LimitSource, LimitsScope, ScopeLimits
from brokergw.model.principal import Caller
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Measure
from brokergw.ports.limits import LimitsStore

CodeCheck = Callable[[str, str, str], Awaitable[None]]
"""Raises unless a user's code lets it do what is said in words."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used now: by the user, by the strategy that was asked for, and what the user has lost today."""

    user: Mapping[Measure, Decimal]
    strategy: Mapping[Measure, Decimal]
    loss: Decimal | None = None


UsageOf = Callable[[str, str], Awaitable[Usage]]
"""Tells what a user, and a strategy of it, use now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsView:
    """A user's limits in every scope, and what they come to."""

    mandatory: Limits
    platform: ScopeLimits
    admin: ScopeLimits
    user: ScopeLimits
    strategy: ScopeLimits
    effective: EffectiveLimits
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsChange:
    """New limits of a scope, in place of those with this etag; `region` is set with what the administrator sets."""

    scope: LimitsScope
    limits: Limits
    etag: str
    region: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerChange:
    """A new configuration, in place of the one with this etag."""

    config: BrokerConfig
    etag: str
    code: str = ""


class LimitsVerbs:
    """The desk's part for limits and broker configurations; `loss_of` tells what a user has lost today."""

    def __init__(
        self,
        store: LimitsStore,
        book: LimitsBook,
        brokers: Collection[str],
        clock: Clock,
        codes: CodeCheck,
        usage: UsageOf,
    ) -> None:
        self._store = store
        self._book = book
        self._brokers = brokers
        self._clock = clock
        self._codes = codes
        self._usage = usage
        self.loss_of: Callable[[str], Decimal | None] = lambda _: None

    async def view(self, user_id: str, broker: str, strategy_id: str) -> LimitsView:
        """Show a user's limits as the record has them now; raises NotFound for an unknown broker."""
        if broker:
            self._require_broker(broker)
        await self._book.look()
        scope = self._book.scope
        return LimitsView(
            mandatory=self._book.hard,
            platform=scope(LimitsScope(source=LimitSource.PLATFORM)),
            admin=scope(LimitsScope(source=LimitSource.ADMIN, user_id=user_id)),
            user=scope(LimitsScope(source=LimitSource.USER, user_id=user_id)),
            strategy=scope(LimitsScope(source=LimitSource.STRATEGY, user_id=user_id, strategy_id=strategy_id)),
            effective=self._book.effective(user_id, broker, strategy_id),
            usage=replace(await self._usage(user_id, strategy_id), loss=self.loss_of(user_id)),
        )

    async def view_of_user(self, user_id: str, broker: str, strategy_id: str) -> LimitsView:
        """Show anybody's limits, for the administrator; raises NotFound for an unknown user."""
        await self._require_user(user_id)
        return await self.view(user_id, broker, strategy_id)

    async def set_limits(self, caller: Caller, change: LimitsChange) -> ScopeLimits:
        """Replace a scope's limits; who may do so for which scope is the caller's scope's matter.

        Raises ETAG_MISMATCH, LIMIT_ABOVE_PLATFORM, MFA_REQUIRED, MFA_CODE_INVALID or USER_NOT_FOUND.
        """
        scope = change.scope
        if scope.source is LimitSource.ADMIN:
            await self._require_user(scope.user_id)
        await self._book.look()
        before = self._book.scope(scope)
        _require_etag(before.etag, change.etag)
        self._require_bounded(change.limits, scope)
        looser = loosened(before.limits, change.limits)
        if before.fault or looser or (before.region and before.region != change.region):
            purpose = f"loosen {', '.join(looser) or 'limits'}"
            await self._codes(caller.user_id, change.code, purpose)
        now = self._clock.now_ns()
        after = ScopeLimits(
            scope=scope,
            limits=change.limits,
            region=change.region,
            version=before.version + 1,
            set_by=caller.user_id,
            set_time_ns=now,
        )
        said = differences(before.limits, after.limits)
        if before.region != after.region:
            said.append(f"region: {before.region or 'unset'} -> {after.region or 'unset'}")
        subject = "/".join(filter(None, (scope.source.value, scope.user_id, scope.strategy_id)))
        audit = audit_row(caller, now, "limits.set", f"version {after.version}", detail=f"{subject}: {'; '.join(said)}")
        if not await self._store.put_limits(after, audit):
            raise _etag_mismatch()
        await self._book.refresh()
        return after

    async def broker_configs(self) -> Sequence[BrokerConfig]:
        """List every broker's configuration, by id."""
        await self._book.look()
        return [self._book.broker(broker) for broker in sorted(self._brokers)]

    async def set_broker(self, caller: Caller, change: BrokerChange) -> BrokerConfig:
        """Replace a broker's configuration; raises as `set_limits` does, and BROKER_NOT_FOUND."""
        self._require_broker(change.config.broker)
        await self._book.look()
        before = self._book.broker(change.config.broker)
        _require_etag(before.etag, change.etag)
        self._require_bounded(change.config.limits, LimitsScope(source=LimitSource.BROKER))
        if before.fault or opens(before, change.config):
            await self._codes(caller.user_id, change.code, f"open {before.broker}")
        now = self._clock.now_ns()
        after = replace(change.config, version=before.version + 1, set_by=caller.user_id, set_time_ns=now, fault="")
        said = "; ".join(config_differences(before, after))
        detail = f"BROKER/{after.broker}: {said}"
        audit = audit_row(caller, now, "broker.configured", f"version {after.version}", detail=detail)
        if not await self._store.put_broker(after, audit):
            raise _etag_mismatch()
        await self._book.refresh()
        return after

    def _require_bounded(self, limits: Limits, scope: LimitsScope) -> None:
        found = list(excesses(limits, self._book.bound(scope)))
        if not found:
            return
        first = found[0]
        raise GatewayError(
            Reason.LIMIT_ABOVE_PLATFORM,
            "; ".join(f"{each.field} {each.asked} is looser than {each.source}'s {each.bound}" for each in found),
            metadata={
                "field": first.field,
                "asked": first.asked,
                "bound": first.bound,
                "source": first.source.value,
                "fields": ",".join(each.field for each in found),
            },
        )

    def _require_broker(self, broker: str) -> None:
        if broker not in self._brokers:
            raise NotFound(Reason.BROKER_NOT_FOUND, "broker", broker)

    async def _require_user(self, user_id: str) -> None:
        if not await self._store.knows_user(user_id):
            raise NotFound(Reason.USER_NOT_FOUND, "user", user_id)


def _require_etag(stands: str, given: str) -> None:
    if stands != given:
        raise _etag_mismatch(stands)


def _etag_mismatch(stands: str = "") -> GatewayError:
    now = f"the limits are now {stands}" if stands else "somebody else has just changed the limits"
    return GatewayError(Reason.ETAG_MISMATCH, now, metadata={"etag": stands} if stands else {})
