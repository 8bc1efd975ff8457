"""`brokergw certificates` and `brokergw tokens`: whom certificates speak for, and which tokens are refused."""

# ruff: noqa: PLC0415 - the gateway is imported by the verbs that run it, so that the others start fast

from pathlib import Path
from typing import Annotated, Any

import typer

from brokergw.cli.direct import with_access
from brokergw.cli.screen import Screen, table
from brokergw.cli.values import moment

app = typer.Typer(
    no_args_is_help=True,
    help="Say which user a client's certificate speaks for. They work on the database that the settings name.",
)
tokens = typer.Typer(
    no_args_is_help=True,
    help="Refuse single tokens of the issuer. They work on the database that the settings name.",
)


@app.command("map", epilog="Example: brokergw certificates map --user desk --file desk.crt --scope orders.read")
def map_certificate(
    *,
    user: Annotated[str, typer.Option(help="Whom it speaks for.")],
    scope: Annotated[list[str], typer.Option(help="What it may call; may be given again.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "certificate",
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The certificate (PEM), known by its fingerprint.")
    ] = None,
    fingerprint: Annotated[str, typer.Option(help="Its SHA-256 hash, as hex digits.")] = "",
    uri: Annotated[str, typer.Option(help="A URI among its alternative names, such as a SPIFFE id.")] = "",
    dns: Annotated[str, typer.Option(help="A DNS name among them.")] = "",
    account: Annotated[list[str] | None, typer.Option(help="Only this account; may be given again.")] = None,
    mode: Annotated[str, typer.Option(help="Only accounts up to `mock` or `paper`; up to live when left out.")] = "",
) -> None:
    """Let a certificate speak for a user, by one of its fingerprint, a URI or a DNS name. Status 3 when it does."""
    from brokergw.app.keys import COMMAND_LINE
    from brokergw.app.mapping import mapping_of

    def work(access: Any) -> Any:
        known_by = {"FINGERPRINT": fingerprint, "URI": uri, "DNS": dns}
        asked = mapping_of(user, name, scope, known_by, file, accounts=account or (), mode=mode)
        return access.certificates.map(COMMAND_LINE, asked)

    made = with_access(work)
    Screen(json=False).say(f"{made.certificate_id}: {made.match.value} {made.value} speaks for {made.user_id}", "green")


@app.command("list", epilog="Example: brokergw certificates list --user desk")
def list_certificates(
    *,
    user: Annotated[str | None, typer.Option(help="Only this user's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
) -> None:
    """List which certificates speak for whom, newest first."""
    found = with_access(lambda access: access.certificates.list(user))
    screen = Screen(json=as_json)
    if as_json:
        for each in found:
            screen.line(_as_dict(each))
        return
    made = table("certificate", "user", "name", "known by", "scopes", "taken away")
    for each in found:
        scopes = ", ".join(sorted(each.scopes))
        known_by = f"{each.match.value} {each.value}"
        made.add_row(each.certificate_id, each.user_id, each.name, known_by, scopes, moment(each.revoke_time_ns))
    screen.out.print(made)


@app.command(epilog="Example: brokergw certificates unmap crt_1")
def unmap(
    certificate: Annotated[str, typer.Argument(help="The id of the mapping, from `brokergw certificates list`.")],
) -> None:
    """Take a mapping away; it acts within a second. Status 3 when there is none."""
    from brokergw.app.keys import COMMAND_LINE

    with_access(lambda access: access.certificates.unmap(COMMAND_LINE, certificate))
    Screen(json=False).say(f"{certificate} speaks for nobody any more", "green")


@tokens.command("revoke", epilog="Example: brokergw tokens revoke 1f0c9a1e")
def revoke_token(
    token: Annotated[str, typer.Argument(help="The token's jti; for one without, `sha256:` and the hash of its text.")],
) -> None:
    """Refuse a token from now on, within a second and in open streams too."""
    from brokergw.app.keys import COMMAND_LINE

    with_access(lambda access: access.tokens.revoke(COMMAND_LINE, token))
    Screen(json=False).say(f"{token} is refused", "green")


def _as_dict(mapping: Any) -> dict[str, Any]:
    return {
        "certificate_id": mapping.certificate_id,
        "user_id": mapping.user_id,
        "name": mapping.name,
        "match": mapping.match.value,
        "value": mapping.value,
        "scopes": sorted(mapping.scopes),
        "accounts": None if mapping.accounts is None else sorted(mapping.accounts),
        "mode_max": mapping.mode_max.value,
        "create_time": moment(mapping.create_time_ns),
        "expire_time": moment(mapping.expire_time_ns),
        "revoke_time": moment(mapping.revoke_time_ns),
    }
