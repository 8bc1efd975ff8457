"""The gateway's settings as a verb needs them: from the environment, with the verb's own options over it."""

# ruff: noqa: PLC0415 - the gateway is imported by the verbs that run it, so that the others start fast

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from brokergw.cli.exits import Exit
from brokergw.cli.screen import Screen

if TYPE_CHECKING:
    from brokergw.app.settings import Settings


def load_settings(**options: Any) -> "Settings":
    """Read the settings; options that are None leave the environment's value.

    Raises:
        typer.BadParameter: a setting is wrong; names it, never its value, which may be a secret.
    """
    from pydantic import ValidationError

    from brokergw.app.settings import Settings

    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
        told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in wrong)
        raise typer.BadParameter(f"settings: {told}") from None


@contextmanager
def plain_failures() -> Iterator[None]:
    """Tell what a person can mend in a sentence and a status, not in a traceback."""
    from brokergw.app.secret_text import SecretUnusable
    from brokergw.store.check import StoreUnreachable
    from brokergw.store.database.claim import StoreServed
    from brokergw.store.open import StoreOutdated
    from brokergw.store.separation.roles import NotSeparated

    try:
        yield
    except (NotSeparated, SecretUnusable, StoreOutdated, StoreServed) as error:
        Screen(json=False).say(str(error), "bold red")
        raise typer.Exit(Exit.USAGE) from None
    except (StoreUnreachable, OSError) as error:
        Screen(json=False).say(f"the database cannot be used: {error}", "bold red")
        raise typer.Exit(Exit.UNREACHABLE) from None
