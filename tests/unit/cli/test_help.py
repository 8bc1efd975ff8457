from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from brokergw.cli.exits import MEANINGS, Exit
from brokergw.cli.main import app
from tests.fixtures.command_line import type_command


def verbs(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """List every verb with its path."""
    for name, found in group.commands.items():
        if hasattr(found, "commands"):
            yield from verbs(found, (*path, name))
        else:
            yield (*path, name), found


ALL = dict(verbs(get_command(app)))


def test_the_verbs_of_the_product_are_there() -> None:
    """Everything that is promised can be typed."""
    assert {" ".join(path) for path in ALL} == {
        *(
            "serve",
            "demo",
            "doctor",
            "sim alpaca",
            "sim binance",
            "sim ctrader",
            "sim ibkr",
            "sim schwab",
            "db upgrade",
            "db restored",
            "brokers",
            "positions",
            "account",
            "leverage",
            "flatten",
        ),
        *("keys create", "keys list", "keys revoke", "keys rotate", "keys bootstrap"),
        *("roles grant", "roles revoke", "roles list", "tokens revoke"),
        *("certificates map", "certificates list", "certificates unmap"),
        *("close-all", "watch orders", "watch fills"),
        *("orders submit", "orders modify", "orders cancel", "orders cancel-all", "orders list", "orders get"),
        *("orders in-doubt", "orders settle"),
        *("live status", "live mode", "live text", "live acknowledge", "live escalate", "live grant", "live revoke"),
        *("limits show", "limits set", "limits user", "limits platform", "limits broker"),
        *("kill set", "kill show", "kill clear", "halt", "resume"),
        *("mfa enroll", "mfa confirm", "mfa reset", "mfa unlock", "mfa local-reset", "mfa local-unlock"),
        *("connections list", "connections create", "connections test", "connections revoke"),
        *("connections show", "connections update", "connections watch"),
        *("vault rotate", "vault status", "vault add-key", "vault use-key", "vault drop-key"),
        "connections authorize",
        *("audit list", "audit verify", "audit export"),
        *("reconcile run", "reconcile list", "reconcile settle", "reconcile policy"),
    }


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_verb_teaches(path: tuple[str, ...]) -> None:
    """Its help says what it does, explains each option, and has an example that begins as one would type it."""
    verb = ALL[path]

    assert verb.help
    assert f"brokergw {' '.join(path)}" in verb.epilog
    unexplained = [each.name for each in verb.params if not getattr(each, "help", "") and each.name != "help"]
    assert unexplained == []
    assert type_command(*path, "--help").status == 0


def test_the_statuses_are_in_the_help() -> None:
    """A script's author finds every exit status and its meaning."""
    out = " ".join(type_command("--help").out.split())

    assert set(MEANINGS) == set(Exit)
    for status, meaning in MEANINGS.items():
        assert f"{status.value} {meaning}" in out


def test_the_key_in_the_environment_is_not_shown_by_the_help() -> None:
    """Help names the variable, not its value."""
    typed = type_command("orders", "list", "--help", BROKERGW_API_KEY="bgw_hidden")

    assert "BROKERGW_API_KEY" in typed.out
    assert "bgw_hidden" not in typed.out
