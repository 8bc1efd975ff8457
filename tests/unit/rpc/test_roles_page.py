"""The page that tells who may call what."""

from pathlib import Path

from brokergw.rpc.methods import POLICIES
from brokergw.rpc.roles_page import filled, matrix

PAGE = (Path(__file__).parents[3] / "docs/identity.md").read_text("utf-8")


def test_the_page_is_what_the_gateway_enforces() -> None:
    """Both tables are those that the policies make."""
    assert filled(PAGE) == PAGE


def test_the_matrix_has_a_row_for_each_call() -> None:
    """And each row somebody who may call it."""
    rows = matrix().splitlines()[2:]
    assert len(rows) == len(POLICIES)
    assert all("yes" in row for row in rows)
