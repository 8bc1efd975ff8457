"""cTrader's Open API: application and account sign-in, orders, positions, history and prices."""

from brokergw.sim.dialects.ctrader.app import CtraderDialect, CtraderServer, serve_ctrader
from brokergw.sim.dialects.ctrader.options import (
    DEFAULT_CLIENT_ID,
    DEFAULT_CLIENT_SECRET,
    DEFAULT_TOKEN,
    DEMO_ACCOUNT,
    CtraderOptions,
    Holder,
    Token,
)

__all__ = [
    "DEFAULT_CLIENT_ID",
    "DEFAULT_CLIENT_SECRET",
    "DEFAULT_TOKEN",
    "DEMO_ACCOUNT",
    "CtraderDialect",
    "CtraderOptions",
    "CtraderServer",
    "Holder",
    "Token",
    "serve_ctrader",
]
