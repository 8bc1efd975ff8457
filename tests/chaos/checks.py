"""Everything that must hold after a chain, whatever was crashed in it."""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from tests.chaos import check_clients, check_record, check_wire
from tests.chaos.history import History

Check: TypeAlias = Callable[[History], Iterator[str]]

CHECKS: Final[tuple[Check, ...]] = (
    check_wire.every_submit_had_its_intent,
    check_wire.every_change_had_its_intent,
    check_wire.no_attempt_was_sent_twice,
    check_wire.no_change_was_sent_twice,
    check_wire.no_permit_was_used_late,
    check_wire.one_broker_order_per_key,
    check_wire.the_broker_has_no_strangers,
    check_wire.what_is_bound_is_the_order_that_was_sent,
    check_wire.broker_order_ids_have_one_owner,
    check_wire.what_is_absent_is_absent,
    check_wire.what_lives_is_open,
    check_wire.fills_are_the_brokers_executions,
    check_record.sequences_have_no_gap,
    check_record.every_version_has_its_event,
    check_record.every_admission_has_its_audit_row,
    check_record.every_transition_has_its_audit_row,
    check_record.every_audit_row_hangs_on_the_one_before,
    check_record.nothing_stays_undecided,
    check_record.doubt_ends_as_the_brokers_class_lets_it,
    check_record.subscribers_missed_nothing,
    check_clients.what_was_acknowledged_is_on_record,
    check_clients.one_key_means_one_order,
    check_clients.nothing_means_nothing,
    check_clients.a_denied_key_has_no_order,
)


def violations(history: History) -> list[str]:
    """Give every breach, each led by the name of its check."""
    return [f"{check.__name__}: {found}" for check in CHECKS for found in check(history)]
