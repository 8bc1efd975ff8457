"""Quotes and instruments."""

from typing import Final

from brokerapi.v1 import market_data_pb2 as pb

from brokergw.model.instrument import Instrument, Quote
from brokergw.model.money import format_decimal
from brokergw.rpc.wire.decimals import optional_decimal
from brokergw.rpc.wire.found import Found, token_from
from brokergw.rpc.wire.times import time_to_proto
from brokergw.rpc.wire.trading import ASSET_CLASS_TO

_SYMBOLS_MAX: Final = 100


def quotes_from_proto(request: pb.GetQuotesRequest, found: Found) -> pb.GetQuotesRequest:
    """Check GetQuotesRequest."""
    token_from(request.account_id, "account_id", found)
    if not 1 <= len(request.symbols) <= _SYMBOLS_MAX:
        found.add("symbols", f"must be 1 to {_SYMBOLS_MAX}")
    for index, symbol in enumerate(request.symbols[:_SYMBOLS_MAX]):
        token_from(symbol, f"symbols[{index}]", found)
    return request


def instrument_from_proto(request: pb.GetInstrumentRequest, found: Found) -> pb.GetInstrumentRequest:
    """Check GetInstrumentRequest."""
    token_from(request.account_id, "account_id", found)
    token_from(request.symbol, "symbol", found)
    return request


def quote_to_proto(quote: Quote) -> pb.Quote:
    """Write a quote."""
    return pb.Quote(
        symbol=quote.symbol,
        bid_price=optional_decimal(quote.bid),
        ask_price=optional_decimal(quote.ask),
        bid_size=optional_decimal(quote.bid_size),
        ask_size=optional_decimal(quote.ask_size),
        quote_time=time_to_proto(quote.time_ns),
    )


def instrument_to_proto(instrument: Instrument) -> pb.Instrument:
    """Write an instrument."""
    return pb.Instrument(
        symbol=instrument.symbol,
        broker=instrument.broker,
        broker_symbol=instrument.broker_symbol,
        asset_class=ASSET_CLASS_TO[instrument.asset_class],
        name=instrument.name,
        currency=instrument.currency,
        tick_bands=[
            pb.TickBand(price_from=format_decimal(band.price_from), tick=format_decimal(band.tick))
            for band in instrument.tick_bands
        ],
        quantity_step=format_decimal(instrument.quantity_step),
        quantity_min=format_decimal(instrument.quantity_min),
        notional_min=optional_decimal(instrument.notional_min),
        tradable=instrument.tradable,
        fractionable=instrument.fractionable,
        shortable=instrument.shortable,
        venue=instrument.venue,
    )
