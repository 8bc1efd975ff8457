"""What the documentation promises, read so that it can be held to it."""

import re
from pathlib import Path

PAGE = re.compile(r"\((docs/[\w./-]+\.md)(?:#[\w-]+)?\)")
VERB = re.compile(r"^([a-z]+):.*##", re.MULTILINE)


def missing_pages(root: Path) -> list[str]:
    """Name pages that the README links and nobody wrote, and pages that it does not link."""
    linked = set(PAGE.findall((root / "README.md").read_text("utf-8")))
    written = {page.relative_to(root).as_posix() for page in (root / "docs").rglob("*.md")}
    return sorted(linked ^ written)


def untold_commands(root: Path) -> list[str]:
    """Name the commands of the tests that `tests/README.md` does not tell of."""
    told = (root / "tests/README.md").read_text("utf-8")
    commands = sorted(f"python -m tests.{file.parent.name}" for file in (root / "tests").glob("*/__main__.py"))
    return [command for command in commands if f"`{command}" not in told]


def unexplained_verbs(root: Path) -> list[str]:
    """Name Makefile verbs that the README does not mention; `help` speaks for itself, on a bare `make`."""
    readme = (root / "README.md").read_text("utf-8")
    verbs = VERB.findall((root / "Makefile").read_text("utf-8"))
    return [verb for verb in verbs if verb != "help" and not re.search(rf"\bmake {verb}\b", readme)]
