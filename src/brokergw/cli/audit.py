"""`brokergw audit`: reading the audit log, and finding out whether it is whole."""

# ruff: noqa: PLC0415 - the gateway is imported by the verbs that run it, so that the others start fast

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from brokergw.cli.exits import Exit
from brokergw.cli.screen import Screen, table
from brokergw.cli.session import Session, gateway_verb
from brokergw.cli.settings import load_settings, plain_failures
from brokergw.cli.tables import moment
from brokergw.cli.values import as_moment
from brokergw.client.messages import AuditEvent

if TYPE_CHECKING:
    from brokergw.ports.audit import AuditReport

app = typer.Typer(help="Read the audit log, and find out whether it is whole.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


@app.command("list", epilog="Example: brokergw audit list --order ord_1")
@gateway_verb
async def list_(
    session: Session,
    *,
    user: Annotated[str, typer.Option(help="Another user's (for operators, risk officers, administrators).")] = "",
    all_users: Annotated[bool, typer.Option("--all-users", help="Everybody's, strangers' attempts too.")] = False,
    broker: Annotated[str, typer.Option(help="Only accounts at this broker.")] = "",
    account: Annotated[str, typer.Option(help="Only this account.")] = "",
    order: Annotated[str, typer.Option(help="Only this order.")] = "",
    action: Annotated[str, typer.Option(help="A method or a step, or the beginning of names, such as order.")] = "",
    since: Annotated[datetime | None, typer.Option(help="Only from this time (UTC) on.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Only before this time (UTC).")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
) -> None:
    """List what was done and what was refused, newest first."""
    found: list[AuditEvent] = []
    token = ""
    while len(found) < limit:
        page = await session.client.list_audit_events(
            user_id=user,
            all_users=all_users,
            broker=broker,
            account_id=account,
            order_id=order,
            action=action,
            since=as_moment(since),
            until=as_moment(until),
            page_size=min(limit, 500),
            page_token=token,
        )
        found += page.events[: limit - len(found)]
        token = page.next_page_token
        if not token:
            break
    session.screen.show(found, _table(found))


@app.command(epilog="Example: brokergw audit verify --checkpoints /mnt/other-replica/audit")
def verify(
    *,
    database_url: Annotated[str | None, typer.Option(help="The database; the settings' own when left out.")] = None,
    checkpoints: Annotated[
        list[Path] | None, typer.Option(help="Another folder of checkpoint files; may be given again.")
    ] = None,
    public_key: Annotated[
        list[str] | None,
        typer.Option(help="Another key to believe, 64 hexadecimal digits; may be given again."),
    ] = None,
    exported: Annotated[
        Path | None,
        typer.Option("--export", exists=True, dir_okay=False, help="Check a file that `audit export` wrote instead."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every row of the log against its hashes, and all against the signed checkpoints, without a gateway.

    Works on the database and on the checkpoint files beside it. Status 4 when something is wrong.
    """
    from brokergw.app import audit

    settings = load_settings(database_url=database_url)
    keys = public_key or ()
    if exported is not None:
        report = _run(audit.verify_export(settings, exported, keys))
    else:
        report = _run(audit.verify_log(settings, keys, checkpoints or ()))
    _tell(report, as_json=as_json)
    raise typer.Exit(Exit.OK if report.whole else Exit.UNKNOWN)


@app.command(epilog="Example: brokergw audit export --out audit-2027-01.jsonl")
def export(
    *,
    out: Annotated[Path, typer.Option(help="The file to make; CSV when its name ends in .csv, JSON Lines otherwise.")],
    database_url: Annotated[str | None, typer.Option(help="The database; the settings' own when left out.")] = None,
) -> None:
    """Write the whole log with its hashes and checkpoints to a file, which can be verified by itself.

    Beside a CSV file the checkpoints stand in a file of their own, whose name ends in .checkpoints.jsonl.
    """
    from brokergw.app import audit

    if out.exists():
        raise typer.BadParameter(f"{out} is there already", param_hint="--out")
    rows = _run(audit.export_log(load_settings(database_url=database_url), out))
    Screen(json=False).say(f"{rows} rows are in {out}", "green")


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        with plain_failures():
            return asyncio.run(work)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _tell(report: "AuditReport", *, as_json: bool) -> None:
    screen = Screen(json=as_json)
    if as_json:
        screen.line({"whole": report.whole, **asdict(report)})
        return
    made = table("what is wrong", "chain or process", ">from", ">to", "")
    for problem in report.problems:
        made.add_row(
            problem.fault.value, problem.subject, str(problem.position), str(problem.position_last), problem.detail
        )
    if report.problems:
        screen.out.print(made)
    counted = f"{report.rows} rows in {report.chains} chains, {report.checkpoints} checkpoints"
    if report.unsigned:
        counted += f", {report.unsigned} rows not signed yet"
    if report.found:
        counted += f", {report.found} signed by a later process"
    if report.pruned:
        counted += f", {report.pruned} removed by retention"
    if report.whole:
        screen.say(f"The log is whole: {counted}.", "green")
    else:
        screen.say(f"The log is not what was written: {counted}.", "bold red")


def _table(found: Sequence[AuditEvent]) -> Table:
    made = table("time", "user", "credential", "action", "outcome", "account", "order", "detail")
    for each in found:
        outcome = f"{each.outcome} {each.reason}".strip()
        action = each.action.rpartition("/")[2]
        told = each.detail or each.payload
        made.add_row(
            moment(each.time), each.user_id, each.key_id, action, outcome, each.account_id, each.order_id, told
        )
    return made
