"""The brokers that the demo can be seen at: a new one is one line here."""

from collections.abc import Mapping
from typing import Final

from brokergw.app import demo_ctrader, demo_schwab
from brokergw.app.demo import Show
from brokergw.app.demo_keyed import KEYED

DEMOS: Final[Mapping[str, Show]] = {
    **{each.broker: each.show for each in KEYED},
    "ctrader": demo_ctrader.show,
    "schwab": demo_schwab.show,
}
