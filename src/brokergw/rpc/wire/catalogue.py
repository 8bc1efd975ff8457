"""The catalogue of reasons: `python -m brokergw.rpc.wire.catalogue` writes `docs/errors.md` from the table."""

import sys
from pathlib import Path
from typing import Final

from brokergw.model.errors import Reason
from brokergw.rpc.wire.errors import CHAPTERS
from brokergw.rpc.wire.reason_rows import Row

PATH: Final = Path("docs/errors.md")

_HEAD: Final = """\
# Errors

<!-- Written by `python -m brokergw.rpc.wire.catalogue`; edit `src/brokergw/rpc/wire/errors.py` instead. -->

Every status other than OK carries a `google.rpc.Status` in the trailing metadata `grpc-status-details-bin`. Read its
`ErrorInfo`, never the text: `reason` is one of the words below (the list is open: treat a word you do not know by its
gRPC code), `domain` is `brokergw`, and `metadata` holds every variable part of the message, among them always:

| metadata | value | meaning |
|---|---|---|
| `order_effect` | `NONE` | the failed call certainly left nothing at the broker |
| | `POSSIBLE` | it may have |
| | `EXISTS` | there is an order |
| `retry` | `SAME_KEY` | repeat the identical request with the same key |
| | `NEW_KEY` | mend what is wrong, and take a fresh key |
| | `NEVER` | do not repeat it |
| `order_id` | an id | the order that the error is about, where there is one |

**The rule in one line:** on anything other than OK or `order_effect=NONE`, repeat the identical request with the same
idempotency key. A status without these details was not made by the gateway but on the way (your own deadline or
cancel, a lost connection, a proxy): treat it as `order_effect=POSSIBLE`, `retry=SAME_KEY`.

Beside `ErrorInfo` there are, as fits: `RequestInfo` (the request id, also in the metadata `x-request-id`),
`BadRequest` (every broken field), `PreconditionFailure` (every failed check of a gate; limits and observed values are
in the metadata, `limit` and `observed` for the first, `limit_2` and so on for the others), `QuotaFailure` and
`RetryInfo` (also as `grpc-retry-pushback-ms`), `ResourceInfo`. Each comes at most once. All of it stays below 5.5 KB,
because larger trailers do not arrive; when violations had to be cut, `violations_cut` tells how many.

Calls that place, change or cancel nothing always have `order_effect=NONE`.

gRPC itself refuses, without these details, a message above 1 MiB (`RESOURCE_EXHAUSTED`), and metadata above 16 KiB;
pings more often than the server's keepalive policy allows (every 10 s) end the connection (`UNAVAILABLE`).
"""


def catalogue() -> str:
    """Write the whole page."""
    return _HEAD + "".join(_chapter(title, rows) for title, rows in CHAPTERS)


def _chapter(title: str, rows: dict[Reason, Row]) -> str:
    lines = [
        f"\n## {title}\n",
        "| reason | gRPC code | order_effect | retry | meaning | what to do |",
        "|---|---|---|---|---|---|",
        *(
            f"| `{reason.value}` | {row.code.name} | {row.effect.value} | {row.retry.value} "
            f"| {row.meaning} | {row.advice} |"
            for reason, row in rows.items()
        ),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PATH
    target.write_text(catalogue(), encoding="utf-8")
