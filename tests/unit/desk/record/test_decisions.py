import json

from brokergw.desk.record import decisions
from brokergw.model.errors import Objection, PreflightDenied, Reason

OBJECTION = Objection(
    Reason.LIVE_NOT_ENABLED,
    "account",
    "two steps are open",
    limit="1",
    observed="2",
    limit_name="exposure_max",
    source="PLATFORM",
    used="3",
    requested="4",
    missing=("GRANT", "MFA"),
)


def test_a_denial_is_the_same_when_its_key_comes_again() -> None:
    """Everything that a gate said survives the record, so that a replay is told no less."""
    denial = PreflightDenied("authority", (OBJECTION,), order_id="ord_1")
    again = decisions.error_from(decisions.read(decisions.of_error(denial))["error"])
    assert isinstance(again, PreflightDenied)
    assert (again.gate, again.objections, again.order_id) == ("authority", (OBJECTION,), "ord_1")


def test_a_denial_of_an_older_version_is_read() -> None:
    """A record that was written before an objection told more is read with what it has."""
    body = decisions.read(decisions.of_error(PreflightDenied("authority", (OBJECTION,))))["error"]
    body["objections"] = [
        {name: told[name] for name in ("reason", "subject", "description", "limit", "observed")}
        for told in body["objections"]
    ]
    again = decisions.error_from(json.loads(json.dumps(body)))
    assert isinstance(again, PreflightDenied)
    assert again.objections[0].reason is Reason.LIVE_NOT_ENABLED
    assert again.objections[0].missing == ()
