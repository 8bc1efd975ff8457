"""The same main job at Schwab, which has live accounts only: a login first, then every step of the way to live money.

The account is a simulated one on loopback, and the demo refuses to show its live orders to anybody else.
"""

import asyncio
import ipaddress
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit

import pyotp
from rich.console import Console

from brokergw.app.build import Gateway
from brokergw.app.demo import DemoFailed, Script, Stage, demo_gateway, has_no_leave, play, title
from brokergw.app.keys import add_key, request_of
from brokergw.client import Client
from brokergw.client.messages import Modes, words
from brokergw.model.principal import Role, Scope
from brokergw.sim.dialects.schwab import DEFAULT_LOGIN, SchwabOptions, serve_schwab
from brokergw.sim.oauth import AuthorizationServer
from brokergw.sim.oauth import Client as Application

SCHWAB: Final = Script(name="Schwab")
_USER: Final = "demo"
_BASE: Final = "https://127.0.0.1:8182"
"""Where Schwab sends the browser back to: https, as it asks for, and nobody needs to listen there."""
_APPLICATION: Final = Application(
    client_id="application-of-the-demo",
    client_secret="secret-of-the-demo",  # noqa: S106 - the public secret of a make-believe application
    redirect_uris=(f"{_BASE}/oauth/callback/schwab",),
    account=DEFAULT_LOGIN,
)
_CODE_LIFE_S: Final = 30
_PAGE_WAIT_S: Final = 20.0


async def show(console: Console) -> None:
    """Show the demo with Schwab behind the gateway."""
    with tempfile.TemporaryDirectory(prefix="brokergw-demo-") as directory:
        title(console, "Starting a simulated Schwab and a gateway on free loopback ports")
        options = SchwabOptions(tokens={}, authorization=AuthorizationServer.named("schwab", _APPLICATION))
        async with (
            await serve_schwab(options=options) as broker,
            demo_gateway(
                Path(directory),
                schwab_url=make_believe(broker.url),
                schwab_data_url=broker.url,
                schwab_oauth_url=broker.url,
                schwab_queries_per_minute=0,
                schwab_orders_per_minute=0,
                oauth_redirect_base_url=_BASE,
            ) as (gateway, port),
        ):
            console.print(f"  Schwab's protocol at {broker.url}, the gateway at 127.0.0.1:{port}")
            async with _clients(gateway, port) as (user, admin):
                stage = Stage(console, user, SCHWAB)
                mock = (await user.list_accounts()).accounts[0]
                account_id = await _authorized(stage)
                await play(stage, mock.account_id, account_id, may_trade=_WayToLive(admin))


def make_believe(url: str) -> str:
    """Give an address back that is on loopback; raises DemoFailed for one where live orders would be real."""
    try:
        loopback = ipaddress.ip_address(urlsplit(url).hostname or "").is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise DemoFailed(f"the demo sends live orders to a simulator on loopback only, not to {url}")
    return url


@dataclass(frozen=True, slots=True)
class _WayToLive:
    """The steps that live money takes; `admin` is the one that is not the user's own."""

    admin: Client

    async def __call__(self, stage: Stage, account_id: str) -> None:
        """Take each step, and show what is left."""
        title(stage.console, "From mock to live: Schwab has no paper accounts, so every step is taken")
        await has_no_leave(stage, account_id, "LIVE_NOT_ENABLED")
        _tell(stage, "an administrator has granted live trading", await self.admin.grant_live_trading(_USER))
        text = await stage.client.get_risk_text()
        _tell(stage, "the user has acknowledged the risk text", await stage.client.acknowledge_risk(text.version))
        phone = _Phone((await stage.client.enroll_mfa()).secret)
        _tell(stage, "an authenticator is set up and confirmed", await stage.client.confirm_mfa(phone.code()))
        modes = await stage.client.escalate_to_live(phone.code())
        stage.check(words(modes, "mode") == "LIVE" and not modes.missing, "the user did not come to trade live")
        stage.say(f"with another code the user trades [bold]{words(modes, 'mode')}[/], until the code is too old")


class _Phone:
    """An authenticator app: a code for each step of time, none twice."""

    def __init__(self, secret: str) -> None:
        self._codes = pyotp.TOTP(secret)
        self._last = 0

    def code(self) -> str:
        """Give the next code; one step back and one ahead are taken too."""
        self._last = max(int(time.time()) // _CODE_LIFE_S - 1, self._last + 1)
        return self._codes.generate_otp(self._last)


@asynccontextmanager
async def _clients(gateway: Gateway, port: int) -> AsyncIterator[tuple[Client, Client]]:
    """Open a client for the user and one for an administrator."""
    _, own = await add_key(gateway.store, gateway.secrets, _USER, request_of("demo strategy", (), 1))
    scopes = (Scope.ADMIN_READ, Scope.ADMIN_WRITE)
    _, root = await add_key(gateway.store, gateway.secrets, "root", request_of("demo admin", scopes, 1), (Role.ADMIN,))
    async with Client(f"127.0.0.1:{port}", own) as user, Client(f"127.0.0.1:{port}", root) as admin:
        yield user, admin


async def _authorized(stage: Stage) -> str:
    """Log in as a person does, bring back where the browser was sent, and give the account that it leads to."""
    title(stage.console, "Logging in at Schwab, with an application of one's own")
    begun = await stage.client.begin_oauth(
        "schwab", "LIVE", client_id=_APPLICATION.client_id, client_secret=_APPLICATION.client_secret
    )
    back = await asyncio.to_thread(_sent_back_to, begun.authorization_url)
    stage.say("the browser is sent back with a code, which the gateway changes for tokens")
    made = await stage.client.complete_oauth("schwab", back.get("state", begun.state), code=back["code"])
    stage.say(f"{made.account_label}: the login lasts seven days, and a day before its end the gateway says so")
    return made.account_id


def _tell(stage: Stage, step: str, modes: Modes) -> None:
    stage.say(f"{step}; still open: {words(modes, 'missing')}")


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nothing: where a browser would be sent is all that is wanted."""

    def redirect_request(self, *_: object) -> None:
        """Decline."""


def _sent_back_to(url: str) -> dict[str, str]:
    """Open the broker's page, and give what the address holds that it sends the browser back to."""
    try:
        with urllib.request.build_opener(_Stay).open(make_believe(url), timeout=_PAGE_WAIT_S) as page:
            raise DemoFailed(f"the login sent nobody back: HTTP {page.status}")
    except HTTPError as answer:
        address = answer.headers.get("Location", "")
        answer.close()
        if answer.code not in {302, 303} or not address.startswith(_BASE):
            raise DemoFailed(f"the login ended with HTTP {answer.code}") from None
    told = parse_qs(urlsplit(address).query)
    if "code" not in told:
        raise DemoFailed("the login gave no code")
    return {name: values[0] for name, values in told.items()}
