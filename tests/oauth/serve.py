"""`brokergw serve` in front of a broker as the simulator plays it: `python -m tests.oauth.serve`.

The tokens of Alpaca's own authorization server neither end nor change. Here they do both, and can be revoked, so that
everything that can become of a token becomes of one that a real adapter trades with.
"""

import sys

from brokergw.app import oauth
from brokergw.cli.main import main as command_line
from tests.fixtures.oauth_world import ROTATING, led_to


def main() -> None:
    """Serve."""
    oauth._alpaca = lambda settings: led_to(settings.alpaca_oauth_url, ROTATING)
    sys.argv = ["brokergw", "serve"]
    command_line()


if __name__ == "__main__":
    main()
