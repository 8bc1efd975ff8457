"""What all background work has in common: a round may fail, and the next one comes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from brokergw.model.errors import GatewayError


@contextmanager
def outlived(log: Any, what: str) -> Iterator[None]:
    """Tell of a failure and go on: by its reason where we gave it, with its traceback where nobody expected it."""
    try:
        yield
    except GatewayError as error:
        log.warning(what, reason=error.reason.value)
    except Exception:
        log.exception(what)
