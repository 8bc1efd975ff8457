"""`brokergw connections`: the links to brokers. A secret comes from a prompt, the environment or a pipe, never argv."""

import os
import sys
from typing import Annotated

import typer

from brokergw.cli.exits import Exit
from brokergw.cli.session import Session, gateway_verb
from brokergw.cli.tables import card, connections_table, styled
from brokergw.client.messages import Connection, words

app = typer.Typer(no_args_is_help=True, help="Connect accounts at brokers.")

ConnectionId = Annotated[str, typer.Argument(metavar="CONNECTION", help="The connection, con_…")]


@app.command("list", epilog="Example: brokergw connections list")
@gateway_verb
async def list_connections(session: Session) -> None:
    """List the connections, oldest first."""
    found: list[Connection] = []
    token = ""
    while True:
        page = await session.client.list_connections(page_size=500, page_token=token)
        found += page.connections
        token = page.next_page_token
        if not token:
            break
    session.screen.show(found, connections_table(found))


@app.command(
    epilog="Example: brokergw connections create --broker alpaca --environment paper\n\n"
    "In a script: pass show alpaca | "
    "brokergw connections create --broker alpaca --environment paper --key PK123 --secret-stdin"
)
@gateway_verb
async def create(
    session: Session,
    *,
    broker: Annotated[str, typer.Option(help="The broker, from `brokergw brokers`.")],
    environment: Annotated[str, typer.Option(help="mock, paper or live.")],
    key: Annotated[str | None, typer.Option(help="The broker's key id; asked for where the broker wants one.")] = None,
    secret_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="The environment variable that holds the secret.")
    ] = None,
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Read the secret from standard input.")] = False,
) -> None:
    """Connect an account at a broker; the credentials are tried before they are stored.

    Where the broker wants a key, key id and secret are asked for. --secret-env or --secret-stdin says where else the
    secret is. It is never taken from the command line, where other users of the machine could read it.
    """
    if secret_stdin and not key:
        raise typer.BadParameter("--secret-stdin needs --key")
    if not key and (await session.client.get_broker(broker)).authentication == "API_KEY_SECRET":
        key = str(typer.prompt("Key id", err=True))
    secret = _secret(secret_env, from_stdin=secret_stdin) if key else None
    made = await session.client.create_connection(broker, environment, key=key, secret=secret)
    session.screen.show([made], connections_table([made]))


@app.command(epilog="Example: brokergw connections test con_1")
@gateway_verb
async def test(session: Session, *, connection: ConnectionId) -> Exit:
    """Ask the broker whether the stored credentials still work; status 3 when it refuses them."""
    answer = await session.client.test_connection(connection)
    told = {
        "connection": answer.connection.connection_id,
        "credentials": "[green]taken[/]" if answer.authenticated else f"[red]refused[/] {answer.reason}",
        "health": styled(words(answer.connection, "health")),
    }
    session.screen.show([answer], card(told))
    return Exit.OK if answer.authenticated else Exit.REFUSED


@app.command(epilog="Example: brokergw connections revoke con_1 --yes")
@gateway_verb
async def revoke(
    session: Session,
    *,
    connection: ConnectionId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """End a connection and destroy its credentials; orders at the broker stay as they are."""
    if not yes:
        typer.confirm(f"End {connection} and destroy its credentials?", abort=True, err=True)
    ended = await session.client.revoke_connection(connection)
    session.screen.show([ended], connections_table([ended]))


def _secret(env_name: str | None, *, from_stdin: bool) -> str:
    if env_name is not None and from_stdin:
        raise typer.BadParameter("give only one of --secret-env and --secret-stdin")
    if env_name is not None:
        found = os.environ.get(env_name, "")
    elif from_stdin:
        found = sys.stdin.readline().rstrip("\r\n")
    else:
        found = str(typer.prompt("Secret", hide_input=True, err=True))
    if not found:
        raise typer.BadParameter("the secret is empty", param_hint=f"--secret-env {env_name}" if env_name else None)
    return found
