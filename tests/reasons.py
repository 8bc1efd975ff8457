"""Why a test may be skipped: the whole registry, and the only way to skip."""

from enum import StrEnum, unique
from typing import NoReturn

import pytest


@unique
class SkipReason(StrEnum):
    """What a machine may lack, or a broker may not claim. A reason that no test uses is deleted."""

    GO_MISSING = "Go is not installed"
    JAVA_MISSING = "a Java development kit with Maven is not installed"
    NODE_MISSING = "Node.js is not installed"
    REGISTRY_UNREACHABLE = "a package registry cannot be reached"
    OLD_TLS_MISSING = "this machine's TLS library speaks no version before 1.2"
    DISK_NOT_MOUNTABLE = "this machine lets no test have a small disk of its own"
    CAPABILITY_NOT_CLAIMED = "the broker does not claim this capability"
    TROUBLE_UNKNOWN_THERE = "the broker has no such trouble"


def skip(reason: SkipReason, detail: str = "") -> NoReturn:
    """Skip the running test for a registered reason."""
    pytest.skip(f"{reason}: {detail}" if detail else reason)


def skip_if(condition: bool, reason: SkipReason) -> pytest.MarkDecorator:  # noqa: FBT001 - reads like pytest's own mark
    """Mark a test to be skipped for a registered reason where a condition holds."""
    return pytest.mark.skipif(condition, reason=reason)
