"""`brokergw connections`: the links to brokers. A secret comes from a prompt, the environment or a pipe, never argv."""

from typing import Annotated

import typer

from brokergw.cli.authorizing import authorize
from brokergw.cli.connection_cards import connection_card, connection_line, connections_table
from brokergw.cli.exits import Exit
from brokergw.cli.secret_input import secret_from
from brokergw.cli.session import Session, gateway_verb
from brokergw.cli.tables import card, styled
from brokergw.client.messages import Connection, WatchConnectionsResponse, as_dict, words

app = typer.Typer(no_args_is_help=True, help="Connect accounts at brokers.")

app.command(
    "authorize",
    epilog="Example: brokergw connections authorize --broker alpaca --environment paper --client-id 7f3…\n\n"
    "Example: brokergw connections authorize --connection con_1",
)(gateway_verb(authorize))

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
    if not found:
        session.screen.say(page.hint)


@app.command(epilog="Example: brokergw connections show con_1")
@gateway_verb
async def show(session: Session, *, connection: ConnectionId) -> None:
    """Show everything about a connection: health, freshness, what it may do and why not, what is bound to it."""
    found = await session.client.get_connection(connection)
    session.screen.show([found], connection_card(found))


@app.command(
    epilog="Example: brokergw connections update con_1 --label 'the old account'\n\n"
    "Example: brokergw connections update con_1 --key PK456"
)
@gateway_verb
async def update(
    session: Session,
    *,
    connection: ConnectionId,
    key: Annotated[str | None, typer.Option(help="The broker's new key id; its secret is asked for.")] = None,
    secret_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="The environment variable that holds the secret.")
    ] = None,
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Read the secret from standard input.")] = False,
    label: Annotated[str | None, typer.Option(help="Your own name for it; empty takes it away.")] = None,
) -> None:
    """Change the credentials of a connection, tried before they are stored, or its label."""
    if (secret_stdin or secret_env) and not key:
        raise typer.BadParameter("a secret needs --key")
    if key is None and label is None:
        raise typer.BadParameter("nothing would change: give --key or --label")
    secret = secret_from(secret_env, from_stdin=secret_stdin) if key else None
    changed = await session.client.update_connection(connection, key=key, secret=secret, label=label)
    session.screen.show([changed], connection_card(changed))


@app.command(epilog="Example: brokergw connections watch")
@gateway_verb
async def watch(
    session: Session,
    *,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many.")] = None,
) -> None:
    """Follow the connections until you press Ctrl-C: first all of them, then each that changes.

    With --json, each line is one message of the stream: {"snapshot_item": …} or {"changed": …}.
    """
    session.interrupt = Exit.OK
    told = 0
    async with session.client.watch_connections() as stream:
        async for message in stream:
            told += _tell(session, message)
            if told == count:
                break


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
    if not key and (await session.client.get_broker(broker)).authentication in {"API_KEY_SECRET", "SESSION"}:
        key = str(typer.prompt("Key id", err=True))
    secret = secret_from(secret_env, from_stdin=secret_stdin) if key else None
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


def _tell(session: Session, message: WatchConnectionsResponse) -> bool:
    """Show one message of the stream; gives whether it was about a connection."""
    kind = message.WhichOneof("message")
    if kind == "snapshot_complete" and message.snapshot_complete.hint:
        session.screen.say(message.snapshot_complete.hint)
    if kind not in {"snapshot_item", "changed"}:
        return False
    shown = message.snapshot_item if kind == "snapshot_item" else message.changed
    if session.screen.json:
        session.screen.line(as_dict(message))
    else:
        session.screen.out.print(connection_line(shown))
    return True
