"""The bill of materials, and what an audit of the lock comes to."""

import json

from tests.architecture.supply import bill_of, licence_of, verdict_on


def test_the_same_lock_gives_the_same_bill() -> None:
    """The moment and the chance of an export are left out, and licences come in."""

    def exported(moment: str) -> str:
        part = {"name": "grpcio", "version": "1", "type": "library"}
        return json.dumps({"serialNumber": moment, "metadata": {"timestamp": moment}, "components": [part]})

    bill = bill_of(exported("one"))
    assert bill == bill_of(exported("two"))
    (part,) = json.loads(bill)["components"]
    assert "Apache" in part["licenses"][0]["license"]["name"]
    assert licence_of("there-is-no-such-distribution") == ""


def test_an_audit_that_reached_nobody_is_told_and_a_finding_fails() -> None:
    """Only silence would be wrong: nothing found passes, unreachable passes with a word, anything else fails."""
    assert verdict_on(0, "")[0] == 0
    status, told = verdict_on(2, "cause: client error (Connect)\ncause: dns error")
    assert (status, "NOT CHECKED" in told) == (0, True)
    assert verdict_on(1, "grpcio 1.0 has GHSA-1") == (1, "grpcio 1.0 has GHSA-1")
