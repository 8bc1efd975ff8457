"""`python -m tests.sickbroker.serving`: `brokergw serve`, whose links come back within a second of being lost.

In life the pause before a link comes back doubles up to minutes, and a sick stream would hardly ever be met.
"""

import sys

from brokergw.cli.main import main
from brokergw.transport.websocket import SupervisedLink

_PAUSE_S_MAX = 1.0
_rest = SupervisedLink._rest


async def _rest_shortly(link: SupervisedLink, seconds: float) -> None:
    await _rest(link, min(seconds, _PAUSE_S_MAX))


if __name__ == "__main__":
    SupervisedLink._rest = _rest_shortly  # type: ignore[method-assign,assignment]
    sys.argv = ["brokergw", "serve"]
    main()
