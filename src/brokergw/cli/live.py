"""`brokergw live` and `brokergw mfa`: how far one's orders may go, and the way to live trading."""

# ruff: noqa: PLC0415 - the gateway is imported by the verbs that run it, so that the others start fast

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from brokergw.cli.exits import Exit
from brokergw.cli.screen import Screen, table
from brokergw.cli.session import Session, gateway_verb
from brokergw.cli.settings import load_settings, plain_failures
from brokergw.cli.tables import card, styled
from brokergw.client.messages import Modes, Timestamp, words

app = typer.Typer(no_args_is_help=True, help="See how far orders may go, and take the way to live trading.")
mfa_app = typer.Typer(no_args_is_help=True, help="Set an authenticator up, and confirm that it is at hand.")

Account = Annotated[str, typer.Option(help="Only orders of this account.", show_default=False)]
Strategy = Annotated[str, typer.Option(help="Only orders of this strategy.", show_default=False)]
User = Annotated[str, typer.Argument(metavar="USER", help="Whose.")]
Code = Annotated[str, typer.Option(metavar="DIGITS", help="The authenticator's present code; asked for when left out.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command(epilog="Example: brokergw live status")
@gateway_verb
async def status(
    session: Session,
    *,
    user: Annotated[str, typer.Option(help="Another user's (scope admin.read).", show_default=False)] = "",
) -> None:
    """Show the mode that holds, what is bound to another, and which steps to live trading are open."""
    modes = await (session.client.get_user_modes(user) if user else session.client.get_modes())
    _show(session, modes)


@app.command(epilog="Example: brokergw live mode paper\n\nOne account only: brokergw live mode mock --account acc_1")
@gateway_verb
async def mode(
    session: Session,
    *,
    mode: Annotated[str, typer.Argument(metavar="MODE", help="mock, paper, or none to take a binding away.")],
    account: Account = "",
    strategy: Strategy = "",
) -> None:
    """Choose mock or paper, for all orders or for those of an account or a strategy; stepping down acts at once."""
    chosen = "" if mode.lower() == "none" else mode
    _show(session, await session.client.set_mode(chosen, account_id=account, strategy_id=strategy))


@app.command(epilog="Example: brokergw live text")
@gateway_verb
async def text(session: Session) -> None:
    """Print the risk text; `brokergw live acknowledge` names its version."""
    found = await session.client.get_risk_text()
    if session.screen.json:
        session.screen.show([found], "")
        return
    session.screen.out.print(found.text, markup=False, soft_wrap=True)
    session.screen.say(f"version {found.version}, SHA-256 {found.text_sha256}", "dim")


@app.command(epilog="Example: brokergw live acknowledge 1")
@gateway_verb
async def acknowledge(
    session: Session,
    *,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The version that you have read.")],
) -> None:
    """Put on record that you have read the risk text, from `brokergw live text`."""
    _show(session, await session.client.acknowledge_risk(version))


@app.command(epilog="Example: brokergw live escalate\n\nOne account of yours: brokergw live escalate --account acc_1")
@gateway_verb
async def escalate(session: Session, *, account: Account = "", strategy: Strategy = "", code: Code = "") -> None:
    """Take live trading up, once every other step is taken; from then on orders trade real money."""
    modes = await session.client.escalate_to_live(_asked(code), account_id=account, strategy_id=strategy)
    _show(session, modes)


@app.command(epilog="Example: brokergw live grant alice")
@gateway_verb
async def grant(session: Session, *, user: User) -> None:
    """Let a user take the steps to live trading (scope admin.write)."""
    _show(session, await session.client.grant_live_trading(user))


@app.command(epilog="Example: brokergw live revoke alice --yes")
@gateway_verb
async def revoke(session: Session, *, user: User, yes: Yes = False) -> None:
    """Take a user's grant away, and live trading with it, at once (scope admin.write)."""
    if not yes:
        typer.confirm(f"End live trading of {user}?", abort=True, err=True)
    _show(session, await session.client.revoke_live_trading(user))


@mfa_app.command(epilog="Example: brokergw mfa enroll")
@gateway_verb
async def enroll(session: Session) -> None:
    """Begin to set an authenticator up; its secret is shown once. Then `brokergw mfa confirm`."""
    made = await session.client.enroll_mfa()
    session.screen.show([made], card({"secret": made.secret, "for apps": made.uri}))
    session.screen.say("it is not shown again; end the enrolment with `brokergw mfa confirm`", "dim")


@mfa_app.command(epilog="Example: brokergw mfa confirm")
@gateway_verb
async def confirm(session: Session, *, code: Code = "") -> None:
    """Send a code: the first ends the enrolment, later ones renew the proof that live orders ask for."""
    _show(session, await session.client.confirm_mfa(_asked(code)))


@mfa_app.command(epilog="Example: brokergw mfa reset alice --yes")
@gateway_verb
async def reset(session: Session, *, user: User, yes: Yes = False) -> None:
    """Remove another user's authenticator, and end its live trading (scope admin.write)."""
    if not yes:
        typer.confirm(f"Remove the authenticator of {user}, and end its live trading?", abort=True, err=True)
    _show(session, await session.client.reset_mfa(user))


@mfa_app.command(epilog="Example: brokergw mfa unlock alice")
@gateway_verb
async def unlock(session: Session, *, user: User) -> None:
    """Let another user's codes be looked at again, after too many wrong ones (scope admin.write)."""
    _show(session, await session.client.unlock_mfa(user))


@mfa_app.command("local-reset", epilog="Example: brokergw mfa local-reset root")
def local_reset(*, user: User) -> None:
    """Remove a user's authenticator in the database that the settings name: for the only administrator."""
    from brokergw.app.mfa import reset_mfa

    _locally(reset_mfa(load_settings(), user), user, "the authenticator is removed")


@mfa_app.command("local-unlock", epilog="Example: brokergw mfa local-unlock root")
def local_unlock(*, user: User) -> None:
    """Let a user's codes be looked at again, in the database that the settings name: for the only administrator."""
    from brokergw.app.mfa import unlock_mfa

    _locally(unlock_mfa(load_settings(), user), user, "codes are looked at again")


def _locally(work: Coroutine[Any, Any, bool], user: str, done: str) -> None:
    screen = Screen(json=False)
    with plain_failures():
        there = asyncio.run(work)
    if not there:
        screen.say(f"{user} has no authenticator", "bold red")
        raise typer.Exit(Exit.REFUSED)
    screen.say(done, "green")


def _asked(code: str) -> str:
    return code or str(typer.prompt("Code", err=True))


def _show(session: Session, modes: Modes) -> None:
    session.screen.show([modes], modes_card(modes))
    if modes.bindings and not session.screen.json:
        session.screen.out.print(bindings_table(modes))


def modes_card(modes: Modes) -> RenderableType:
    """Lay out how a user stands."""
    mfa = "locked" if modes.mfa_locked else "enrolled" if modes.mfa_enrolled else "none"
    granted = f"by {modes.granted_by}, {_moment(modes.grant_time)}" if modes.HasField("grant_time") else "no"
    return card(
        {
            "user": modes.user_id,
            "mode": styled(words(modes, "mode")),
            "open steps to live": words(modes, "missing") or "none",
            "live granted": granted,
            "risk text": f"version {modes.risk_version}{'' if modes.risk_acknowledged else ', not acknowledged'}",
            "authenticator": mfa,
            "code good until": _moment(modes.mfa_valid_until) if modes.HasField("mfa_valid_until") else "",
        }
    )


def bindings_table(modes: Modes) -> RenderableType:
    """Lay bindings out, one a row."""
    made = table("account", "strategy", "mode", "since")
    for each in modes.bindings:
        made.add_row(each.account_id or "any", each.strategy_id or "any", words(each, "mode"), _moment(each.set_time))
    return made


def _moment(time: Timestamp) -> str:
    return time.ToDatetime().isoformat(" ", "seconds") + " UTC"
