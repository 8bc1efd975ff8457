"""Where a verb takes a secret from: a prompt, the environment or a pipe, never the command line."""

import os
import sys

import typer


def secret_from(env_name: str | None, *, from_stdin: bool) -> str:
    """Read a secret; raises BadParameter where there is none."""
    if env_name is not None and from_stdin:
        raise typer.BadParameter("give only one of --secret-env and --secret-stdin")
    if env_name is not None:
        found = os.environ.get(env_name, "")
    elif from_stdin:
        found = sys.stdin.readline().rstrip("\r\n")
    else:
        found = str(typer.prompt("Secret", hide_input=True, err=True))
    if not found:
        raise typer.BadParameter("the secret is empty", param_hint=f"--secret-env {env_name}" if env_name else None)
    return found
