"""`brokergw connections authorize`: to the broker's page in a browser, and back."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

import typer

from brokergw.cli.connection_cards import connection_card
from brokergw.cli.exits import Exit
from brokergw.cli.secret_input import secret_from
from brokergw.cli.session import Session
from brokergw.client.messages import Connection

_CALLBACK = "/oauth/callback/"


async def authorize(
    session: Session,
    *,
    broker: Annotated[str, typer.Option(help="The broker of a new connection.")] = "",
    environment: Annotated[str, typer.Option(help="Its environment: paper or live.")] = "",
    connection: Annotated[str, typer.Option(help="The connection to authorize again, in place of a new one.")] = "",
    client_id: Annotated[str, typer.Option(help="The id of your own application at the broker.")] = "",
    secret_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="The environment variable that holds its secret.")
    ] = None,
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Read its secret from standard input.")] = False,
    scope: Annotated[list[str] | None, typer.Option(help="What to ask for; may be repeated.")] = None,
) -> Exit | None:
    """Connect an account by OAuth, with your own application at the broker, or authorize a connection again.

    Shows where to go in the browser. When the gateway's page says that you are connected, press Enter; where the
    gateway has no page, give the address that the broker sent you to.
    """
    if bool(connection) is bool(broker):
        raise typer.BadParameter("give --broker, or --connection for one that there is")
    secret = secret_from(secret_env, from_stdin=secret_stdin) if client_id else ""
    begun = await session.client.begin_oauth(
        broker, environment, connection_id=connection, client_id=client_id, client_secret=secret, scopes=scope or []
    )
    before = {each.connection_id: each for each in await _connections(session)}
    session.screen.say(f"Open {begun.start_url}")
    session.screen.say(f"or, without the gateway's pages, {begun.authorization_url}")
    address = str(typer.prompt("The address that you were sent to, or Enter", default="", show_default=False, err=True))
    if address.strip():
        back = _came_back(address.strip())
        made = await session.client.complete_oauth(
            back.broker, back.state or begun.state, code=back.code, issuer=back.issuer, error=back.error
        )
    else:
        found = [each for each in await _connections(session) if _is_it(each, connection, before)]
        if not found:
            session.screen.say("Nothing was authorized yet; look with `brokergw connections list`.", "yellow")
            return Exit.REFUSED
        made = found[-1]
    session.screen.show([made], connection_card(made))
    return None


@dataclass(frozen=True, slots=True)
class _CameBack:
    """What a callback's address holds, decoded once."""

    broker: str
    state: str
    code: str
    issuer: str
    error: str


def _came_back(address: str) -> _CameBack:
    parts = urlsplit(address)
    _, found, broker = parts.path.rpartition(_CALLBACK)
    if not found or not broker:
        raise typer.BadParameter(f"that is no address of a callback: it must hold {_CALLBACK}")
    told = dict(parse_qsl(parts.query))
    values = (told.get(name, "") for name in ("state", "code", "iss", "error"))
    return _CameBack(broker, *values)


async def _connections(session: Session) -> list[Connection]:
    return list((await session.client.list_connections(page_size=500)).connections)


def _is_it(each: Connection, wanted: str, before: dict[str, Connection]) -> bool:
    if wanted:
        return each.connection_id == wanted and each.health != before[wanted].health
    return each.connection_id not in before
