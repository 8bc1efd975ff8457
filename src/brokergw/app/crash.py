"""How the process fails: in one redacted log line without local variables, and without leaving its memory behind."""

import asyncio
import ctypes
import faulthandler
import logging
import os
import resource
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import structlog
from pydantic import SecretStr

from brokergw.app.settings import Settings
from brokergw.ports.secrecy import KNOWN

_PR_SET_DUMPABLE: Final = 4
_TELLTALES: Final = ("SSLKEYLOGFILE", "GRPC_TRACE", "GRPC_VERBOSITY", "PYTHONASYNCIODEBUG", "PYTHONDEVMODE")
"""Variables that make libraries write session keys, headers or arguments past the log."""

log = structlog.get_logger("brokergw.crash")


def telltales() -> list[str]:
    """Name the variables that are set and would make libraries write down what they handle."""
    return [name for name in _TELLTALES if os.environ.get(name)]


def forget_telltales() -> None:
    """Take them out of the environment; of use only before the libraries have read them."""
    for name in _TELLTALES:
        os.environ.pop(name, None)


def know_secrets(settings: Settings) -> None:
    """Have the log know the secrets that the settings hold."""
    KNOWN.keep(secrets_in(settings))


def secrets_in(settings: Settings) -> Iterator[str]:
    """Give every secret value of the settings, and the password of the database's address."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            secret = value.get_secret_value()
            yield from (each.strip() for each in secret.split(","))
            yield from _passwords(secret)
    yield from _passwords(settings.database_url)


def _passwords(address: str) -> Iterator[str]:
    with suppress(ValueError):
        password = urlsplit(address).password
        if password:
            yield password
            yield unquote(password)


def keep_memory_in() -> None:
    """Write no memory image when the process dies, and let no other process of the same user read it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning("the process's memory cannot be closed to others", errno=ctypes.get_errno())


def tell_crashes() -> None:
    """Send what nobody has caught through the log, wherever it is raised."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _of_process
    sys.unraisablehook = _unraisable
    threading.excepthook = _of_thread
    # It writes files, lines and names of functions, and no values.
    faulthandler.enable()


def tell_crashes_of(loop: asyncio.AbstractEventLoop) -> None:
    """The same for the callbacks and forgotten tasks of an event loop."""
    loop.set_exception_handler(_of_loop)


def _of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    log.critical("the process ends on an error", traceback=_lines(error.with_traceback(trace)))


def _of_thread(failed: threading.ExceptHookArgs) -> None:
    name = failed.thread.name if failed.thread is not None else ""
    log.error("a thread ended on an error", thread=name, traceback=_lines(failed.exc_value))


def _unraisable(failed: Any) -> None:
    # The object itself is not shown: its text may hold whatever it works on.
    where = type(failed.object).__name__
    log.error("an error had nobody to be raised to", where=where, traceback=_lines(failed.exc_value))


def _of_loop(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    task = context.get("task") or context.get("future")
    name = task.get_name() if isinstance(task, asyncio.Task) else ""
    # Of the context only these, and no arguments of a call: they are shown cut, so that nothing would know them again.
    what = str(context.get("message", "")).partition("(")[0]
    log.error("event loop", what=what, task=name, traceback=_lines(context.get("exception")))


def _lines(error: BaseException | None) -> str:
    return "" if error is None else "".join(traceback.format_exception(error))
