"""The same border in the statements themselves, which on SQLite is the only one."""

from sqlalchemy import ColumnElement, Table, func, literal_column, true

from brokergw.model.whose import Whose


def rows_of(whose: Whose, table: Table, *, found_otherwise: bool = False) -> ColumnElement[bool]:
    """Give the condition on a table's rows to be some users'; `found_otherwise` where another index finds them."""
    if whose.everybody:
        return true()
    owner = owner_of(table) if found_otherwise else table.c.user_id
    if len(whose.users) == 1:
        (user_id,) = whose.users
        return owner == user_id
    return owner.in_(sorted(whose.users))


def owner_of(table: Table) -> ColumnElement[str]:
    """Give the user of a row in a form that no index serves: SQLite would take it for the narrowest condition."""
    return func.coalesce(table.c.user_id, literal_column("''"))
