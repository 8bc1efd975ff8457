"""AdminService: what those see and set who are responsible for the risk of the platform, part by part."""

from brokergw.rpc.needs import DeskFace
from brokergw.rpc.services.halts import EverybodysHalts
from brokergw.rpc.services.limits import EverybodysLimits
from brokergw.rpc.services.live import EverybodysModes


class AdminService(EverybodysLimits, EverybodysModes, EverybodysHalts):
    """The platform's risk."""

    def __init__(self, desk: DeskFace) -> None:
        self._limits = desk.limits
        self._live = desk.live
        self._halts = desk.halts
