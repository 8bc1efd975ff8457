"""The documentation is whole, and where code writes it, it is fresh."""

import subprocess
import sys
from pathlib import Path

import pytest

from brokergw.model.lifecycle_page import page
from tests.architecture.docs import missing_pages, unexplained_verbs, untold_commands
from tests.architecture.sources import ROOT


def sample(root: Path, readme: str) -> Path:
    """Make a small repository with two verbs and one page."""
    (root / "docs").mkdir()
    (root / "docs/api.md").touch()
    (root / "README.md").write_text(readme)
    (root / "Makefile").write_text("test: ## Run the tests\ncheck: ready ## Check\n\npytest\n")
    return root


def test_the_readme_links_every_page_and_no_other() -> None:
    """A reader finds every page of docs/ from the README, and no link is dead."""
    assert missing_pages(ROOT) == []


def test_the_readme_tells_of_every_verb() -> None:
    """Every verb of the Makefile is in the README."""
    assert unexplained_verbs(ROOT) == []


def test_the_page_of_the_tests_tells_of_every_command() -> None:
    """Every long form of a proof can be found from one table."""
    assert untold_commands(ROOT) == []


def test_a_command_that_is_not_told_of_is_named(tmp_path: Path) -> None:
    """The check knows a command that stands in the table from one that does not."""
    for name in ("caps", "codes"):
        (tmp_path / "tests" / name).mkdir(parents=True)
        (tmp_path / "tests" / name / "__main__.py").touch()
    (tmp_path / "tests/README.md").write_text("| `python -m tests.caps --rounds 200` |")
    assert untold_commands(tmp_path) == ["python -m tests.codes"]


@pytest.mark.parametrize("name", ["brokers", "settings"])
def test_a_page_that_is_written_from_the_code_is_what_the_code_writes(name: str) -> None:
    """`docs/brokers.md` and `docs/settings.md` are neither behind the code nor edited by hand."""
    command = [sys.executable, "-m", f"brokergw.app.{name}_page"]
    fresh = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (ROOT / f"docs/{name}.md").read_text("utf-8") == fresh.stdout


def test_the_lifecycle_page_is_drawn_from_the_table() -> None:
    """`docs/lifecycle.md` shows the states and moves that the code obeys."""
    assert (ROOT / "docs/lifecycle.md").read_text("utf-8") == page()


def test_dead_links_lonely_pages_and_secret_verbs_are_told(tmp_path: Path) -> None:
    """The checks name what is missing."""
    root = sample(tmp_path, "See [errors](docs/errors.md). Run `make test`.")
    assert missing_pages(root) == ["docs/api.md", "docs/errors.md"]
    assert unexplained_verbs(root) == ["check"]


def test_a_complete_readme_is_left_alone(tmp_path: Path) -> None:
    """The checks say nothing where all is said."""
    root = sample(tmp_path, "See [the API](docs/api.md#orders). Run `make test` and `make check`.")
    assert missing_pages(root) == []
    assert unexplained_verbs(root) == []
