"""Writes `docs/settings.md` from the settings: `python -m brokergw.app.settings_page`."""

import sys
from typing import Any

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from brokergw.app.settings import Settings

_HEAD = """# Settings

Every setting comes from the environment. This page is written from the code (`python -m brokergw.app.settings_page`),
and a test keeps it current. `brokergw doctor` looks a configuration over and says what to mend.

| variable | default | meaning |
|---|---|---|
"""


def page() -> str:
    """Give the whole page."""
    return _HEAD + "".join(_row(name, field) for name, field in Settings.model_fields.items())


def _row(name: str, field: FieldInfo) -> str:
    return f"| `{variable(name, field)}` | {_default(field.default)} | {field.description} |\n"


def variable(name: str, field: FieldInfo) -> str:
    """Give the environment variable of a setting."""
    if isinstance(field.validation_alias, AliasChoices):
        return str(field.validation_alias.choices[0])
    return f"BROKERGW_{name.upper()}"


def _default(value: Any) -> str:
    return "not set" if value in {None, ""} else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
