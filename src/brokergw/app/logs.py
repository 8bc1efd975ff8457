"""One JSON line per log event on standard error, without secrets."""

import json
import logging
import sys
from typing import Final, TextIO

import structlog

from brokergw.app.redaction import redact

_QUIET: Final = {
    # Their DEBUG lines repeat requests with headers, statements with rows, and answers with bodies.
    "aiohttp": logging.INFO,
    "asyncio": logging.INFO,
    "grpc": logging.INFO,
    "h2": logging.INFO,
    "hpack": logging.INFO,
    "httpcore": logging.INFO,
    "httpx": logging.WARNING,
    "opentelemetry": logging.INFO,
    "psycopg": logging.WARNING,
    "sqlalchemy": logging.WARNING,
}
"""The least level of other libraries, whatever ours is."""


class _Handler(logging.StreamHandler[TextIO]):
    """Tells of an event that cannot be formatted by its place alone, where the library would print its arguments."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Write the place."""
        line = {"event": "a log event could not be written", "logger": record.name, "line": record.lineno}
        self.stream.write(json.dumps(line) + self.terminator)


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
            # As plain text: a renderer of exceptions might show local variables, and among them are secrets.
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = _Handler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, root.level))
