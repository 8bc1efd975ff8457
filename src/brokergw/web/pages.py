"""The pages that people see on their way back from a broker. They say how it went, and hold nothing else."""

import html
from typing import Final

from aiohttp import web

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Server": "brokergw",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer: nothing is kept, nothing is loaded, and no address that may hold a code is told to anybody."""

_PAGE: Final = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>brokergw</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:18vh auto;padding:0 1rem}}</style></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""


def page(status: int, title: str, text: str) -> web.Response:
    """Make a page of plain words."""
    body = _PAGE.format(title=html.escape(title), text=html.escape(text))
    return web.Response(status=status, text=body, content_type="text/html", headers=HEADERS)
