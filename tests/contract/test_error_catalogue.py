"""The catalogue of reasons is whole, honest and published."""

import re
from pathlib import Path

from grpc import StatusCode

from brokergw.model.errors import OrderEffect, Reason, Retry
from brokergw.rpc.wire.catalogue import catalogue
from brokergw.rpc.wire.errors import CHAPTERS, ROWS

ROOT = Path(__file__).parents[2]


def test_every_reason_has_one_row() -> None:
    """No reason is missing from the table, and none stands in two chapters."""
    assert set(ROWS) == set(Reason)
    assert sum(len(rows) for _, rows in CHAPTERS) == len(Reason)


def test_the_published_page_is_the_table() -> None:
    """docs/errors.md is what the table says; `python -m brokergw.rpc.wire.catalogue` writes it anew."""
    assert (ROOT / "docs" / "errors.md").read_text(encoding="utf-8") == catalogue()


def test_unavailable_means_that_nothing_was_sent() -> None:
    """Clients repeat UNAVAILABLE by themselves, so no reason with that code may leave an order behind."""
    for reason, row in ROWS.items():
        if row.code is StatusCode.UNAVAILABLE:
            assert (row.effect, row.retry) == (OrderEffect.NONE, Retry.SAME_KEY), reason


def test_whatever_may_have_left_an_order_is_repeated_with_the_same_key() -> None:
    """Where an order may exist, no row sends a client off with a fresh key."""
    for reason, row in ROWS.items():
        if row.effect is not OrderEffect.NONE:
            assert row.retry is not Retry.NEW_KEY, reason


def test_reasons_are_well_formed() -> None:
    """Reasons are upper snake case of at most 63 characters, and each has its sentences."""
    for reason, row in ROWS.items():
        assert re.fullmatch(r"[A-Z][A-Z0-9_]{0,62}", reason.value)
        assert row.meaning.endswith(".")
        assert row.advice.endswith(".")
        assert row.code is not StatusCode.OK
