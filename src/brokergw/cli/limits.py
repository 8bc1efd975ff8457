"""`brokergw limits`: see limits, set one's own, and, as an administrator, the platform's, the brokers' and a user's."""

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table

from brokergw.cli.screen import table
from brokergw.cli.session import Session, gateway_verb
from brokergw.cli.tables import card, moment
from brokergw.client.limit_words import assign_config, assign_limits, window_words
from brokergw.client.messages import (
    BrokerConfig,
    EffectiveLimit,
    GetLimitsResponse,
    Limits,
    StoredLimits,
    as_dict,
    words,
)

app = typer.Typer(no_args_is_help=True, help="See and set limits.")

Assignments = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME=VALUE...",
        help="Limits to change, such as order_notional_max=5000, market_orders=false, asset_classes=STOCK,ETF, "
        "'trading_hours=MON-FRI 09:30-16:00 America/New_York'. The value unset takes one away, none is an empty list.",
    ),
]
MaybeAssignments = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME=VALUE]...", help="What to change, as for `limits set`; nothing only shows."),
]
Strategy = Annotated[str, typer.Option(help="The strategy's limits instead of the user's.", show_default=False)]
Broker = Annotated[str, typer.Option(help="Show what holds at this broker.", show_default=False)]
Code = Annotated[
    str, typer.Option("--code", help="The authenticator's present code; needed to loosen a limit.", show_default=False)
]


@app.command(epilog="Example: brokergw limits show --broker alpaca")
@gateway_verb
async def show(session: Session, *, broker: Broker = "", strategy: Strategy = "") -> None:
    """Show your limits in every scope, what they come to, and what is used (scope risk.read)."""
    shown = await session.client.get_limits(broker=broker, strategy_id=strategy)
    session.screen.show([shown], _view(shown))


@app.command(
    "set",
    epilog="Example: brokergw limits set daily_loss_max=500 orders_per_day_max=200\n\n"
    "brokergw limits set --strategy momentum exposure_max=10000 'trading_hours=MON-FRI 09:30-16:00 America/New_York'",
)
@gateway_verb
async def set_own(session: Session, *, assignments: Assignments, strategy: Strategy = "", code: Code = "") -> None:
    """Change your own limits, or a strategy's; what is not named stays (scopes risk.read and risk.write)."""
    before = await session.client.get_limits(strategy_id=strategy)
    stored = before.strategy if strategy else before.user
    limits = _changed(stored, assignments)
    after = await session.client.update_limits(limits, etag=stored.etag, strategy_id=strategy, mfa_code=code)
    session.screen.show([after], _stored_table("strategy" if strategy else "user", after))


@app.command(epilog="Example: brokergw limits user alice order_notional_max=5000 --region EU")
@gateway_verb
async def user(
    session: Session,
    *,
    user_id: Annotated[str, typer.Argument(metavar="USER", help="The user.")],
    assignments: MaybeAssignments = None,
    region: Annotated[
        str | None, typer.Option(help="The user's region, such as EU; `unset` for none.", show_default=False)
    ] = None,
    broker: Broker = "",
    strategy: Strategy = "",
    code: Code = "",
) -> None:
    """Show a user's limits, or change what the administrator sets for it (scopes admin.read and admin.write)."""
    shown = await session.client.get_user_limits(user_id, broker=broker, strategy_id=strategy)
    if not assignments and region is None:
        session.screen.show([shown], _view(shown))
        return
    stored = shown.admin
    after = await session.client.update_user_limits(
        user_id,
        _changed(stored, assignments or []),
        etag=stored.etag,
        region=shown.region if region is None else "" if region == "unset" else region,
        mfa_code=code,
    )
    session.screen.show([after], _stored_table("admin", after))


@app.command(epilog="Example: brokergw limits platform order_notional_max=50000 market_orders=false")
@gateway_verb
async def platform(session: Session, *, assignments: Assignments, code: Code = "") -> None:
    """Change the platform's limits, which hold for everybody (scopes risk.read and admin.write)."""
    stored = (await session.client.get_limits()).platform
    limits = _changed(stored, assignments)
    after = await session.client.update_platform_limits(limits, etag=stored.etag, mfa_code=code)
    session.screen.show([after], _stored_table("platform", after))


@app.command(
    epilog="Example: brokergw limits broker\n\n"
    "brokergw limits broker alpaca enabled=false\n\n"
    "brokergw limits broker alpaca fee_bps=1.5 regions=US,EU requests_per_minute=150 daily_volume_max=1000000"
)
@gateway_verb
async def broker(
    session: Session,
    *,
    broker_id: Annotated[str | None, typer.Argument(metavar="[BROKER]", help="The broker; all are shown else.")] = None,
    assignments: MaybeAssignments = None,
    code: Code = "",
) -> None:
    """Show what is set for the brokers, or change it for one (scopes admin.read and admin.write).

    Beside limits there are enabled, fee_bps, fee_per_contract, requests_per_minute, regions, paper_url, live_url and
    data_url.
    """
    configs = await session.client.list_broker_configs()
    if broker_id is not None:
        configs = [each for each in configs if each.broker == broker_id]
        if not configs:
            raise typer.BadParameter(f"there is no broker {broker_id}; `brokergw limits broker` lists them")
    if assignments:
        (config,) = configs
        assign_config(config, assignments)
        configs = [await session.client.update_broker_config(config, mfa_code=code)]
    session.screen.show(configs, Group(*map(_config_card, configs)))


def _changed(stored: StoredLimits, assignments: list[str]) -> Limits:
    limits = Limits()
    limits.CopyFrom(stored.limits)
    assign_limits(limits, assignments)
    return limits


def _view(shown: GetLimitsResponse) -> RenderableType:
    parts: list[RenderableType] = [_effective_table("What holds", list(shown.effective))]
    if shown.strategy_effective:
        parts.append(_effective_table("Counted for the strategy alone", list(shown.strategy_effective)))
    scopes = {"platform": shown.platform, "admin": shown.admin, "user": shown.user}
    if shown.HasField("strategy"):
        scopes["strategy"] = shown.strategy
    parts += [_stored_table(name, stored) for name, stored in scopes.items() if stored.set_by or stored.fault]
    return Group(*parts)


def _effective_table(title: str, limits: list[EffectiveLimit]) -> Table:
    made = table("limit", ">value", ">used", ">left", "set by", title=title)
    for each in limits:
        made.add_row(each.name, each.value, each.used, each.remaining, words(each, "source").lower())
    return made


def _stored_table(title: str, stored: StoredLimits) -> Table:
    rows = {**_limit_rows(stored.limits), "version": stored.etag.strip('"')}
    if stored.set_by:
        rows["set"] = f"by {stored.set_by} at {moment(stored.set_time)}"
    if stored.fault:
        rows["fault"] = stored.fault
    return card({"scope": title, **rows})


def _config_card(config: BrokerConfig) -> Table:
    rows = {
        "broker": config.broker,
        "orders": "taken" if config.enabled else "only those that reduce a position",
        "fees": f"{config.fee_bps} bps, {config.fee_per_contract} a contract",
        "requests": f"{config.requests_per_minute} a minute" if config.HasField("requests_per_minute") else "",
        "regions": (",".join(config.regions.regions) or "none") if config.HasField("regions") else "",
        "paper": config.paper_url,
        "live": config.live_url,
        "data": config.data_url,
        **_limit_rows(config.limits),
        "version": config.etag.strip('"'),
        "fault": config.fault,
    }
    return card({name: value for name, value in rows.items() if value})


def _limit_rows(limits: Limits) -> dict[str, str]:
    rows: dict[str, str] = {}
    for name, value in as_dict(limits).items():
        if name == "trading_hours":
            rows[name] = "; ".join(map(window_words, limits.trading_hours.windows)) or "none"
        elif isinstance(value, dict):
            listed: list[str] = next(iter(value.values()), [])
            rows[name] = ",".join(each.removeprefix("ASSET_CLASS_") for each in listed) or "none"
        else:
            rows[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return rows
