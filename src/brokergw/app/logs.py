"""One JSON line per log event on standard error, without secrets."""

import logging
import re
import sys
from typing import Final

import structlog
from structlog.typing import EventDict, WrappedLogger

_SECRET_NAMES: Final = re.compile(r"secret|password|token|authorization|api_?key|credential|pepper", re.IGNORECASE)
_HARMLESS_NAMES: Final = frozenset({"key_id", "has_key"})
_SECRET_VALUES: Final = re.compile(r"bgw_[a-z2-7]{10}_[a-z2-7]{32}[0-9a-f]{8}|Bearer\s+\S+", re.IGNORECASE)


def configure_logs(level: str) -> None:
    """Send our own and every library's log events through one redacting pipeline."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Its DEBUG lines repeat every request with its headers.
    logging.getLogger("aiohttp").setLevel(max(logging.INFO, root.level))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask what is named like a secret, and what looks like one of our keys anywhere in a text."""
    for name, value in event.items():
        if name not in _HARMLESS_NAMES and _SECRET_NAMES.search(name):
            event[name] = "***"
        elif isinstance(value, str):
            event[name] = _SECRET_VALUES.sub("***", value)
    return event
