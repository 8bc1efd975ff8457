"""A gateway before Schwab, where a login ends and money is live: what the card says then, and that nothing is sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from brokergw.app.keys import add_key, request_of
from brokergw.client import Client
from brokergw.model.principal import Role, Scope
from brokergw.model.remedy import WORDS, Remedy
from brokergw.sim.dialects.schwab import DEFAULT_LOGIN, SchwabOptions, serve_schwab
from brokergw.sim.oauth import AuthorizationServer
from brokergw.sim.oauth import Client as Application
from tests.conformance.adapter.bench import Ail
from tests.conformance.adapter.bench_schwab import SchwabBench
from tests.fixtures.oauth_world import visit
from tests.fixtures.phone import Phone
from tests.scenario.sick_broker import Scene, hasty_gateway

BASE = "https://127.0.0.1:8183"
APPLICATION = Application(
    client_id="application-of-the-scenario",
    client_secret="a secret of the application's",
    redirect_uris=(f"{BASE}/oauth/callback/schwab",),
    account=DEFAULT_LOGIN,
)


@dataclass(slots=True)
class Login:
    """A user's login at Schwab, and who gives out its tokens."""

    scene: Scene
    server: AuthorizationServer

    async def renew(self) -> None:
        """Log in again, as the card asks for."""
        begun = await self.scene.client.begin_oauth(connection_id=self.scene.connection_id)
        await _came_back(self.scene.client, begun.authorization_url)


@asynccontextmanager
async def logged_in(directory: Path) -> AsyncIterator[Login]:
    """Run a gateway before Schwab, with a user who trades live money there."""
    server = AuthorizationServer.named("schwab", APPLICATION)
    options = SchwabOptions(tokens={}, authorization=server, tick_interval_s=None)
    async with (
        await serve_schwab(options=options) as sim,
        hasty_gateway(
            directory,
            schwab_url=sim.url,
            schwab_data_url=sim.url,
            schwab_oauth_url=sim.url,
            schwab_queries_per_minute=0,
            schwab_orders_per_minute=0,
            oauth_redirect_base_url=BASE,
        ) as (gateway, target),
    ):
        scopes = (Scope.ADMIN_READ, Scope.ADMIN_WRITE)
        _, key = await add_key(gateway.store, gateway.secrets, "alice", request_of("scenario", (), 1))
        _, root = await add_key(gateway.store, gateway.secrets, "root", request_of("root", scopes, 1), (Role.ADMIN,))
        async with Client(target, key) as alice, Client(target, root) as admin:
            await _come_to_live(alice, admin)
            begun = await alice.begin_oauth(
                "schwab", "LIVE", client_id=APPLICATION.client_id, client_secret=APPLICATION.client_secret
            )
            connection_id, account_id = await _came_back(alice, begun.authorization_url)
            scene = Scene(alice, SchwabBench(sim), connection_id, account_id, "DAY")
            await scene.shows("HEALTHY", "")
            yield Login(scene, server)


async def _come_to_live(alice: Client, admin: Client) -> None:
    await admin.grant_live_trading("alice")
    await alice.acknowledge_risk((await alice.get_risk_text()).version)
    phone = Phone((await alice.enroll_mfa()).secret)
    await alice.confirm_mfa(phone.code())
    await alice.escalate_to_live(phone.code())


async def _came_back(alice: Client, url: str) -> tuple[str, str]:
    told = await visit(url)
    made = await alice.complete_oauth("schwab", told["state"], code=told["code"])
    return made.connection_id, made.account_id


async def test_a_login_that_was_ended_asks_for_a_person_and_sends_nothing(tmp_path: Path) -> None:
    """Refused tokens that cannot be renewed are a person's matter; after the new login orders go through again."""
    async with logged_in(tmp_path) as login:
        scene = login.scene
        await scene.buy()
        for grant in login.server.memory.grants:
            login.server.memory.end(grant)
        await scene.shows("REAUTHORIZATION_REQUIRED", f": {WORDS[Remedy.AUTHORIZE_AGAIN]}")
        error = await scene.nothing_leaves("CONNECTION_NOT_USABLE")
        assert WORDS[Remedy.AUTHORIZE_AGAIN] in str(error)
        await login.renew()
        await scene.shows("HEALTHY", "")
        await scene.buy()

        scene.bench.say(scene.bench.says[Ail.MAINTENANCE][0])
        await scene.shows("DEGRADED", f": {WORDS[Remedy.WAIT]}")
        await scene.nothing_leaves("RISK_DATA_UNAVAILABLE", "BROKER_SESSION_DOWN")
        scene.bench.recover()
        await scene.shows("HEALTHY", "")
        await scene.buy()
