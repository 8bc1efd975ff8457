"""How connections look on a screen. The view offers no order."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from brokergw.cli.screen import table
from brokergw.cli.tables import card, moment, styled
from brokergw.client.messages import Connection, Permission, words


def connections_table(connections: Sequence[Connection]) -> Table:
    """Lay connections out, one a row; of a credential only its last four characters are known here."""
    made = table("connection", "broker", "account", "label", "key", "health", "freshness", "may", "last heard")
    for link in connections:
        made.add_row(
            link.connection_id,
            f"{link.broker} {words(link, 'environment')}",
            f"{link.account_id}\n{escape(link.account_label)}",
            escape(link.label),
            f"…{link.key_last_four}" if link.has_key else "",
            styled(words(link, "health")) + (f"\n{escape(link.health_detail)}" if link.health_detail else ""),
            styled(words(link, "freshness")),
            _granted(link),
            moment(link.last_sync_time),
        )
    return made


def connection_card(link: Connection) -> Table:
    """Lay out everything about one connection."""
    rows = {
        "connection": link.connection_id,
        "label": escape(link.label),
        "broker": f"{link.broker} {words(link, 'environment')}",
        "account": f"{link.account_id} {escape(link.account_label)}",
        "key": f"…{link.key_last_four}" if link.key_last_four else "stored" if link.has_key else "",
        "health": f"{styled(words(link, 'health'))} {escape(link.health_detail)}",
        "freshness": styled(words(link, "freshness")),
        "last sync": moment(link.last_sync_time),
        "next sync": moment(link.next_sync_time) or escape(link.sync_detail),
        "reads": words(link, "scopes"),
        "authorized until": moment(link.authorization_end_time),
        **{words(each, "tier").lower(): _permission(each) for each in link.permissions},
        "bindings": "\n".join(f"{each.strategy_id or 'any strategy'}: {words(each, 'mode')}" for each in link.bindings),
        "warnings": "\n".join(f"[yellow]{escape(each.message)}[/]" for each in link.warnings),
    }
    return card(rows)


def connection_line(link: Connection) -> str:
    """Tell in a line how a connection is."""
    warned = f"  {escape(link.warnings[0].message)}" if link.warnings else ""
    named = escape(link.label or link.account_label)
    health = styled(words(link, "health"))
    return f"{link.connection_id} {link.broker} {named} {health} {words(link, 'freshness')} {_granted(link)}{warned}"


def _permission(permission: Permission) -> str:
    state = words(permission, "state")
    return f"{styled(state)} {escape(permission.detail)}".strip()


def _granted(link: Connection) -> str:
    return ", ".join(words(each, "tier").lower() for each in link.permissions if words(each, "state") == "GRANTED")
