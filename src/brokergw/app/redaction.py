"""The last defence of what the process says: stars in place of what is named, shaped or known like a secret.

Nothing is meant to bring a secret here. What does so all the same, such as the text of another library's exception, is
stopped: by the name it goes by, by the shape of keys and tokens, and by the values that the process itself holds.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from structlog.typing import EventDict, WrappedLogger

from brokergw.ports.secrecy import KNOWN, STARS

_NAMES: Final = re.compile(
    r"secret|passw(or)?d|passphrase|token|authorization|cookie|api_?key|credential|pepper|private_?key|seed$|otp",
    re.IGNORECASE,
)
_HARMLESS_NAMES: Final = frozenset({"key_id", "has_key"})
_DEPTH_MAX: Final = 8

_NAMED_WITHIN: Final = (
    r"secret|passw(?:or)?d|passphrase|token|api[-_]?key|apca-api-[a-z-]+|credential|authorization|cookie|"
    r"private[-_]?key"
)
_NAMED: Final = (
    # A name beside its value, as queries, headers, JSON and Python write it.
    rf"(?P<keep>[\w-]*(?:{_NAMED_WITHIN})[\w-]*[\"']?\s*(?:[=:]|',|\",)\s*(?:b?[\"'])?)"
    r"(?!\*\*\*)[^\s\"'&,;)}\]]+"
)
_SHAPES: Final = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        # API keys of ours, whole or cut off.
        (r"(?P<keep>bgw_[a-z2-7]{10})_[a-z2-7]{4,}[0-9a-f]*", re.IGNORECASE),
        # Credentials of HTTP.
        (r"(?P<keep>\b(?:Bearer|Basic|Digest|Negotiate)\s+)[^\s\"',;)}\]]+", re.IGNORECASE),
        # JSON Web Tokens, also without their signature.
        (r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}", 0),
        # PEM.
        (r"(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        # The user part of an address.
        (r"(?P<keep>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)", re.IGNORECASE),
        # What authenticators are made from.
        (r"(?P<keep>otpauth://)\S+", re.IGNORECASE),
        (r"\b[A-Z2-7]{32,}\b=*", 0),
        # Keys of 32 bytes, in base64 and in hexadecimal.
        (r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{43}=(?!=)", 0),
        (_NAMED, re.IGNORECASE),
    )
)


def masked(text: str) -> str:
    """Put stars in place of everything in a text that looks like a secret or is known to be one."""
    text = KNOWN.masked(text)
    for shape in _SHAPES:
        text = shape.sub(_stars, text)
    return text


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask every field of a log event, however deep."""
    for name, value in event.items():
        event[name] = _cleaned(name, value, 0)
    return event


def _cleaned(name: str, value: Any, depth: int) -> Any:
    if name not in _HARMLESS_NAMES and _NAMES.search(name):
        return STARS
    match value:
        case str():
            return masked(value)
        case None | bool() | int() | float():
            return value
        case _ if depth == _DEPTH_MAX:
            return STARS
        case Mapping():
            return {masked(str(key)): _cleaned(str(key), each, depth + 1) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_cleaned("", each, depth + 1) for each in value]
        case _:
            return masked(str(value))


def _stars(found: re.Match[str]) -> str:
    return found.groupdict().get("keep", "") + STARS
