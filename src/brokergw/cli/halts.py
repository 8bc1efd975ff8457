"""`brokergw kill`, `brokergw halt` and `brokergw resume`: stopping trading, and letting it go on."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Group, RenderableType

from brokergw.cli.screen import table
from brokergw.cli.session import Session, gateway_verb
from brokergw.cli.tables import card, styled
from brokergw.client import halt_scope
from brokergw.client.messages import Halt, HaltPropagation, HaltScope, HaltSweep, words

app = typer.Typer(no_args_is_help=True, help="The kill switch: stop everything, see what stands, clear it.")

_SCOPE_HELP = (
    "platform, broker/BROKER, user/USER, user_broker/USER/BROKER, account/ACCOUNT, strategy/USER/STRATEGY or"
    " symbol/SYMBOL."
)
Scope = Annotated[str, typer.Option(help=_SCOPE_HELP)]
Reason = Annotated[str, typer.Option(help="Why, in a sentence; it is on the audit, and users see it.")]
ReduceOnly = Annotated[bool, typer.Option("--reduce-only", help="Let through what makes a position smaller.")]
Epoch = Annotated[int, typer.Option(help="The halt's epoch as you have seen it; read now when left out.")]
Code = Annotated[str, typer.Option(metavar="DIGITS", help="The authenticator's present code; asked for when left out.")]
Broker = Annotated[str, typer.Option(help="Only this broker.", show_default=False)]
Account = Annotated[str, typer.Option(help="Only this account.", show_default=False)]
Strategy = Annotated[str, typer.Option(help="Only this strategy.", show_default=False)]
User = Annotated[str, typer.Option(help="Another user (scope admin.write).", show_default=False)]


def register(root: typer.Typer) -> None:
    """Put the verbs of one's own halts among the first ones."""
    root.command(
        epilog='Example: brokergw halt --reason "odd fills"\n\nA user: brokergw halt --user alice --reason "asked for"'
    )(halt)
    root.command(epilog='Example: brokergw resume --reason "was a test"')(resume)


@app.command("set", epilog='Example: brokergw kill set --reason "prices are wrong"\n\nWith positions: --flatten')
@gateway_verb
async def set_(
    session: Session,
    *,
    reason: Reason,
    scope: Scope = "platform",
    reduce_only: ReduceOnly = False,
    flatten: Annotated[bool, typer.Option("--flatten", help="Close the positions of the scope too.")] = False,
) -> None:
    """Throw the kill switch (scope admin.write): within a second no order of the scope leaves any more.

    Resting orders are cancelled then; `brokergw kill show` tells how far that is.
    """
    state = "reduce_only" if reduce_only else "halted"
    answer = await session.client.set_kill_switch(halt_scope(scope), reason, state=state, flatten=flatten)
    session.screen.show([answer], _halted(answer.halt, answer.propagation))


@app.command(epilog='Example: brokergw kill clear --reason "prices are right again"')
@gateway_verb
async def clear(
    session: Session,
    *,
    reason: Reason,
    scope: Scope = "platform",
    cause: Annotated[str, typer.Option(help="Which halt of the scope, such as daily_loss.")] = "kill_switch",
    epoch: Epoch = 0,
    code: Code = "",
) -> None:
    """Lift a halt (scope admin.write), with a code of your authenticator. Nothing but this lifts the kill switch."""
    wanted = halt_scope(scope)
    if not epoch:
        epoch = _epoch_of((await session.client.get_kill_switch()).halts, wanted, cause)
    answer = await session.client.clear_kill_switch(wanted, reason, epoch=epoch, code=_asked(code), cause=cause)
    session.screen.show([answer], halts_table(answer.halts))


@app.command(epilog="Example: brokergw kill show")
@gateway_verb
async def show(session: Session) -> None:
    """Show everything that is halted, and what is not confirmed gone yet (scope admin.read)."""
    answer = await session.client.get_kill_switch()
    session.screen.show([answer], Group(halts_table(answer.halts), *map(_sweep, answer.sweeps)))
    if not answer.may_send:
        session.screen.say("this replica cannot look into the database, and sends nothing", "red")


@gateway_verb
async def halt(
    session: Session,
    *,
    reason: Reason,
    user: User = "",
    broker: Broker = "",
    account: Account = "",
    strategy: Strategy = "",
    reduce_only: ReduceOnly = False,
) -> None:
    """Halt your own trading, or a part of it; once this answers nothing of it leaves any more."""
    state = "reduce_only" if reduce_only else "halted"
    if user:
        if account or strategy:
            raise typer.BadParameter("--user goes with --broker only; `brokergw kill set` takes any scope")
        halted = await session.client.halt_user(user, reason, state=state, broker=broker)
        session.screen.show([halted], _halted(halted.halt, halted.propagation))
        return
    answer = await session.client.halt_trading(
        reason, state=state, broker=broker, account_id=account, strategy_id=strategy
    )
    session.screen.show([answer], _halted(answer.halt, answer.propagation))


@gateway_verb
async def resume(
    session: Session,
    *,
    reason: Reason,
    user: User = "",
    broker: Broker = "",
    account: Account = "",
    strategy: Strategy = "",
    epoch: Epoch = 0,
    code: Code = "",
) -> None:
    """Lift a halt of your own, or of a user that you had halted (which takes a code)."""
    if user:
        wanted = HaltScope(kind=halt_scope("user/x").kind, user_id=user)
        if broker:
            wanted = halt_scope(f"user_broker/{user}/{broker}")
        seen = epoch or _epoch_of((await session.client.get_kill_switch()).halts, wanted, "operator")
        resumed = await session.client.resume_user(user, reason, epoch=seen, code=_asked(code), broker=broker)
        session.screen.show([resumed], halts_table(resumed.halts))
        return
    if not epoch:
        state = await session.client.get_trading_state()
        own = [each for each in state.halts if _is_own(each, broker, account, strategy)]
        if not own:
            raise typer.BadParameter("you have halted nothing of that kind")
        epoch = own[0].epoch
    answer = await session.client.resume_trading(
        reason, epoch=epoch, broker=broker, account_id=account, strategy_id=strategy
    )
    session.screen.show([answer], halts_table(answer.halts))


def halts_table(halts: Iterable[Halt]) -> RenderableType:
    """Lay halts out, one a row."""
    made = table("scope", "state", "cause", "reason", "by", "since", "epoch")
    for each in halts:
        since = each.set_time.ToDatetime().isoformat(" ", "seconds") + " UTC"
        made.add_row(
            scope_text(each.scope), styled(words(each, "state")), words(each, "cause"), each.reason, each.set_by, since,
            str(each.epoch),
        )  # fmt: skip
    return made


def scope_text(scope: HaltScope) -> str:
    """Write a scope as the command line reads it."""
    names = (scope.user_id, scope.broker, scope.account_id, scope.strategy_id, scope.symbol)
    return "/".join((words(scope, "kind").lower(), *filter(None, names)))


def _halted(halt: Halt, propagation: HaltPropagation) -> RenderableType:
    return card(
        {
            "scope": scope_text(halt.scope),
            "state": styled(words(halt, "state")),
            "cause": words(halt, "cause"),
            "reason": halt.reason,
            "epoch": str(halt.epoch),
            "holds": words(propagation, "reach").lower(),
            "took": f"{propagation.took.ToTimedelta().total_seconds() * 1_000:.0f} ms",
            "silent replicas": ", ".join(propagation.silent_instances),
        }
    )


def _sweep(sweep: HaltSweep) -> RenderableType:
    made = table("account", "user", "state", "symbol", "order or quantity", "why")
    for account in sweep.accounts:
        if not account.residuals:
            made.add_row(account.account_id, account.user_id, styled(words(account, "state")), "", "", account.why)
        for left in account.residuals:
            what = left.order_id or left.broker_order_id or left.quantity
            why = account.why or left.why
            made.add_row(account.account_id, account.user_id, styled(words(account, "state")), left.symbol, what, why)
    made.title = f"{scope_text(sweep.scope)}: {'nothing is left' if sweep.done else 'not confirmed gone yet'}"
    return made


def _epoch_of(halts: Iterable[Halt], scope: HaltScope, cause: str) -> int:
    for each in halts:
        if each.scope == scope and words(each, "cause").lower() == cause.lower():
            return each.epoch
    raise typer.BadParameter("nothing of that kind is halted; `brokergw kill show` lists what is")


def _is_own(halt: Halt, broker: str, account: str, strategy: str) -> bool:
    scope = halt.scope
    named = (scope.broker, scope.account_id, scope.strategy_id)
    return words(halt, "cause") == "USER" and named == (broker, account, strategy)


def _asked(code: str) -> str:
    return code or str(typer.prompt("Code", err=True))
