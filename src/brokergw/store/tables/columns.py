"""What every table is made with: its register, and columns of the kinds there are."""

from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, MetaData, Text

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def text_column(name: str) -> Column[str]:
    """A text that is never NULL."""
    return Column(name, Text, nullable=False)


def decimal_column(name: str) -> Column[str]:
    """A decimal as text."""
    return Column(name, Text, nullable=False)


def decimal_or_null_column(name: str) -> Column[Any]:
    """A decimal as text, or NULL."""
    return Column(name, Text, nullable=True)


def time_column(name: str) -> Column[int]:
    """A moment in Unix nanoseconds."""
    return Column(name, BigInteger, nullable=False)


def time_or_null_column(name: str) -> Column[Any]:
    """A moment in Unix nanoseconds, or NULL."""
    return Column(name, BigInteger, nullable=True)


def number_column(name: str) -> Column[int]:
    """A whole number."""
    return Column(name, BigInteger, nullable=False)


def flag_column(name: str) -> Column[bool]:
    """True or false."""
    return Column(name, Boolean, nullable=False)
