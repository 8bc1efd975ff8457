"""RiskService: what a user sees and sets of its own trading's limits and states, part by part."""

from brokergw.rpc.needs import DeskFace
from brokergw.rpc.services.halts import OwnHalts
from brokergw.rpc.services.limits import OwnLimits
from brokergw.rpc.services.live import OwnModes


class RiskService(OwnLimits, OwnModes, OwnHalts):
    """A user's own risk."""

    def __init__(self, desk: DeskFace) -> None:
        self._limits = desk.limits
        self._live = desk.live
        self._halts = desk.halts
