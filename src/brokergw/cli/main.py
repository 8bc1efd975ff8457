"""The `brokergw` command: its verbs, put together."""

from typing import Final

import typer

from brokergw.cli import (
    audit,
    brokers,
    certificates,
    connections,
    doubts,
    halts,
    holdings,
    keys,
    leverage,
    limits,
    live,
    orders,
    reconcile,
    roles,
    server,
    vault,
    watch,
)
from brokergw.cli.exits import MEANINGS

_STATUSES: Final = "\n\n".join(f"{status.value}  {meaning}" for status, meaning in MEANINGS.items())

app = typer.Typer(
    name="brokergw",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="One gRPC API in front of many brokers.\n\nStart with `brokergw demo`, then `brokergw serve`. "
    "Verbs that talk to a gateway take --target and --api-key, or BROKERGW_TARGET and BROKERGW_API_KEY. "
    "With --json they print one JSON object a line, in the contract's own field names.",
    epilog=f"Exit statuses:\n\n{_STATUSES}",
)

server.register(app)
app.add_typer(keys.app, name="keys")
app.add_typer(roles.app, name="roles")
app.add_typer(vault.app, name="vault")
app.add_typer(certificates.app, name="certificates")
app.add_typer(certificates.tokens, name="tokens")
doubts.register(orders.app)
app.add_typer(orders.app, name="orders")
holdings.register(app)
leverage.register(app)
app.add_typer(watch.app, name="watch")
brokers.register(app)
app.add_typer(connections.app, name="connections")
app.add_typer(audit.app, name="audit")
app.add_typer(reconcile.app, name="reconcile")
app.add_typer(limits.app, name="limits")
app.add_typer(live.app, name="live")
app.add_typer(halts.app, name="kill")
halts.register(app)
app.add_typer(live.mfa_app, name="mfa")


def main() -> None:
    """Run the command line; the process ends with one of `Exit`'s statuses."""
    app()
