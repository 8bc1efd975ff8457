"""MarketDataService."""

from brokerapi.v1 import market_data_pb2 as pb

from brokergw.rpc.call import Call
from brokergw.rpc.needs import DeskFace
from brokergw.rpc.wire.market_data import instrument_to_proto, quote_to_proto


class MarketDataService:
    """Prices and instruments."""

    def __init__(self, desk: DeskFace) -> None:
        self._desk = desk

    async def get_quotes(self, call: Call) -> bytes:
        """Ask the broker for quotes."""
        request: pb.GetQuotesRequest = call.command
        quotes = await self._desk.get_quotes(call.caller, request.account_id, tuple(dict.fromkeys(request.symbols)))
        return pb.GetQuotesResponse(quotes=[quote_to_proto(quote) for quote in quotes]).SerializeToString()

    async def get_instrument(self, call: Call) -> bytes:
        """Describe one instrument."""
        request: pb.GetInstrumentRequest = call.command
        instrument = await self._desk.get_instrument(call.caller, request.account_id, request.symbol)
        return pb.GetInstrumentResponse(instrument=instrument_to_proto(instrument)).SerializeToString()
