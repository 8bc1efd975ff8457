"""The sieve over idempotency keys."""

import uuid

from brokergw.ports.journal import KeyScope
from brokergw.store.sieve import KeySieve


def scope() -> KeyScope:
    return KeyScope("alice", "SubmitOrder", str(uuid.uuid4()))


def test_nothing_is_fresh_before_the_record_has_been_read() -> None:
    """An empty sieve says maybe to everything."""
    assert not KeySieve().is_fresh(scope())


def test_a_noted_key_is_never_fresh() -> None:
    """There is no wrong "no", also for what was noted while the record was still being read in."""
    early, late, recorded = scope(), scope(), [scope() for _ in range(5_000)]
    sieve, record = KeySieve(), KeySieve()
    sieve.add(early)
    for key in recorded:
        record.add(key)
    sieve.absorb(record)
    sieve.complete = True
    sieve.add(late)
    assert not any(sieve.is_fresh(key) for key in (early, late, *recorded))


def test_nearly_every_fresh_key_is_known_to_be() -> None:
    """At a tenth of its size hardly one fresh key in a thousand is asked for."""
    sieve = KeySieve()
    sieve.complete = True
    for _ in range(20_000):
        sieve.add(scope())
    assert sum(not sieve.is_fresh(scope()) for _ in range(10_000)) < 10


def test_the_same_key_of_another_user_or_method_is_fresh() -> None:
    """A key stands for its user and method only."""
    key = scope()
    sieve = KeySieve()
    sieve.complete = True
    sieve.add(key)
    assert sieve.is_fresh(KeyScope("bob", key.method, key.key))
    assert sieve.is_fresh(KeyScope(key.user_id, "CancelOrder", key.key))
