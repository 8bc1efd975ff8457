"""The page of what each broker's answers prove."""

import pytest

from brokergw.app.answers_page import TABLES, page, readme_of


@pytest.mark.parametrize("folder", sorted(TABLES))
def test_each_readme_shows_its_table_as_it_is(folder: str) -> None:
    """Whoever reads a README reads what the code does; `python -m brokergw.app.answers_page` renews it."""
    shown = readme_of(folder).read_text("utf-8")
    assert page(shown, TABLES[folder]) == shown


def test_no_adapter_keeps_a_table_to_itself() -> None:
    """Every adapter that judges answers by a table shows it."""
    folders = {path.parent.name for path in readme_of("alpaca").parents[1].glob("*/errors.py")}
    assert folders == set(TABLES)


def test_a_readme_without_its_marks_is_not_overwritten() -> None:
    """The page is never guessed at."""
    with pytest.raises(ValueError, match="marks"):
        page("# A broker\n", ())
