"""The pages of OAuth: who is let through with which cookie, and what the answers hold."""

import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from brokergw.desk.oauth.redirect import Redirects
from brokergw.model.events import AuditRow
from brokergw.sim.oauth import MANNERS
from brokergw.web.server import COOKIE, WebServer
from tests.fixtures.oauth_world import BASE, ROTATING, BrokerSide, OAuthWorld, broker_side, oauth_world, visit
from tests.fixtures.stores import open_for_test


@dataclass
class Site:
    """A web server and a browser in front of it."""

    world: OAuthWorld
    url: str
    rows: list[AuditRow] = field(default_factory=list)

    async def get(self, address: str, cookies: dict[str, str] | None = None) -> httpx.Response:
        """Open an address of the gateway's, wherever it says that it is."""
        parts = urlsplit(address)
        async with httpx.AsyncClient(cookies=cookies or {}) as browser:
            return await browser.get(f"{self.url}{parts.path}?{parts.query}")


@pytest.fixture(params=[True, False], ids=["state echoed", "state not echoed"])
def side(request: pytest.FixtureRequest) -> Iterator[BrokerSide]:
    """A broker that sends the state back, and one that does not."""
    with broker_side(replace(MANNERS["coinbase"], echoes_state=request.param, client_auth="any")) as opened:
        yield opened


@pytest.fixture
async def site(sqlite_url: str, side: BrokerSide) -> AsyncIterator[Site]:
    """A gateway's web server on SQLite."""
    profile = replace(ROTATING, echoes_state=side.server.manners.echoes_state)
    async with open_for_test(sqlite_url, side.clock) as store, oauth_world(store, side, profile) as world:
        rows: list[AuditRow] = []
        server = WebServer(world.authorizing, Redirects(BASE), rows.append, side.clock, host="127.0.0.1", port=0)
        port = await server.start()
        yield Site(world, f"http://127.0.0.1:{port}", rows)
        await server.stop()


async def to_broker(site: Site) -> tuple[str, dict[str, str]]:
    """Begin, open the start page, and go to the broker: give the address to come back to, and the browser's cookies."""
    begun = await site.world.begin()
    started = await site.get(begun.start_url)
    assert started.status_code == 302
    assert started.headers["location"] == begun.authorization_url
    cookie = started.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/oauth/callback/alpaca" in cookie
    async with httpx.AsyncClient() as browser:
        back = await browser.get(started.headers["location"])
    return back.headers["location"], {COOKIE: started.cookies[COOKIE]}


async def test_a_browser_goes_there_and_comes_back(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Who comes back with the cookie is connected; page and logs hold neither code nor state, and nothing is kept."""
    caplog.set_level(logging.DEBUG)
    address, cookies = await to_broker(site)
    page = await site.get(address, cookies)
    assert page.status_code == 200
    assert "connected" in page.text
    code = dict(parse_qsl(urlsplit(address).query))["code"]
    assert code not in page.text
    assert cookies[COOKIE] not in page.text
    ours = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    assert code not in ours
    assert cookies[COOKIE] not in ours
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["server"] == "brokergw"
    assert [(row.action, row.outcome) for row in site.rows] == [("oauth.callback", "OK")]
    assert code not in repr(site.rows)


async def test_another_browser_is_not_let_through(site: Site) -> None:
    """Without the cookie, or with one of another attempt, nothing is exchanged; the right browser still gets in."""
    address, cookies = await to_broker(site)
    _, others = await to_broker(site)
    assert (await site.get(address)).status_code == 400
    if site.world.profile.echoes_state:
        assert (await site.get(address, others)).status_code == 400
    assert site.world.side.token_requests == 0
    assert (await site.get(address, cookies)).status_code == 200


async def test_a_callback_is_good_once(site: Site) -> None:
    """The same address again is refused."""
    address, cookies = await to_broker(site)
    assert (await site.get(address, cookies)).status_code == 200
    again = await site.get(address, cookies)
    assert again.status_code == 400
    assert "OAUTH_STATE_INVALID" in again.text
    assert site.world.side.token_requests == 1


@pytest.mark.parametrize(
    "path",
    [
        "/oauth/callback/schwab?{query}",
        "/oauth/callback/alpaca?{query}&code=another",
        "/oauth/callback/alpaca?{query}&state=another",
        "/oauth/callback/alpaca?{query}&iss=https://attacker.test",
        "/oauth/callback/alpaca",
        "/oauth/callback/alpaca?error=<script>alert(1)</script>",
    ],
)
async def test_bent_callbacks_are_refused(site: Site, path: str) -> None:
    """Another broker's path, a parameter twice, another issuer, no code, or an error that is none: no exchange."""
    address, cookies = await to_broker(site)
    page = await site.get(path.format(query=urlsplit(address).query), cookies)
    assert page.status_code == 400
    assert "<script>" not in page.text
    assert site.world.side.token_requests == 0


@pytest.mark.parametrize("path", ["/", "/oauth/start/alpaca", "/oauth/start/alpaca?state=short", "/metrics"])
async def test_there_is_nothing_else(site: Site, path: str) -> None:
    """What is no page, or begins nothing, gets a page that says so, with the strict headers."""
    page = await site.get(path)
    assert page.status_code in {400, 404}
    assert page.headers["cache-control"] == "no-store"


async def test_a_head_request_uses_nothing_up(site: Site) -> None:
    """A look ahead by HEAD takes no state away."""
    address, cookies = await to_broker(site)
    parts = urlsplit(address)
    async with httpx.AsyncClient(cookies=cookies) as browser:
        looked = await browser.head(f"{site.url}{parts.path}?{parts.query}")
    assert looked.status_code == 405
    assert (await site.get(address, cookies)).status_code == 200


async def test_the_start_page_wants_the_brokers_own_path(site: Site) -> None:
    """A state begun for one broker sends nobody to another."""
    begun = await site.world.begin()
    page = await site.get(begun.start_url.replace("/start/alpaca", "/start/schwab"))
    assert page.status_code == 400


async def test_visiting_directly_completes_by_hand(site: Site) -> None:
    """Who went to the broker without the start page hands the code in as a user, and is connected."""
    begun = await site.world.begin()
    told = await visit(begun.authorization_url)
    status = await site.world.authorizing.complete(site.world.caller.user_id, site.world.callback(begun, told))
    assert status.connection.has_key
