"""The brokers of this gateway: a new one is one line here."""

from collections.abc import Mapping
from dataclasses import replace

from brokergw.adapters.alpaca import AlpacaBroker, AlpacaConfig, stream_of
from brokergw.adapters.binance import BinanceBroker, BinanceConfig
from brokergw.adapters.mock import MockBroker, MockConfig
from brokergw.app.settings import Settings
from brokergw.ports.broker import AdapterFactory
from brokergw.ports.clock import Clock


def open_catalog(settings: Settings, clock: Clock) -> Mapping[str, AdapterFactory]:
    """Make every broker's factory; opens nothing at the brokers yet."""
    return {
        "alpaca": AlpacaBroker(clock=clock, config=_alpaca(settings)),
        "binance": BinanceBroker(clock=clock, config=_binance(settings)),
        "binance-futures": BinanceBroker(clock=clock, config=_binance_futures(settings)),
        "mock": MockBroker(clock=clock, config=_mock(settings)),
    }


def _alpaca(settings: Settings) -> AlpacaConfig:
    return AlpacaConfig(
        paper_url=settings.alpaca_paper_url,
        live_url=settings.alpaca_live_url,
        data_url=settings.alpaca_data_url,
        paper_stream_url=stream_of(settings.alpaca_paper_url),
        live_stream_url=stream_of(settings.alpaca_live_url),
        requests_per_minute=settings.alpaca_requests_per_minute or None,
        data_requests_per_minute=settings.alpaca_requests_per_minute or None,
    )


def _binance(settings: Settings) -> BinanceConfig:
    return replace(
        BinanceConfig.spot(),
        paper_url=settings.binance_paper_url,
        live_url=settings.binance_live_url,
        paper_stream_url=settings.binance_paper_stream_url,
        live_stream_url=settings.binance_live_stream_url,
    )


def _binance_futures(settings: Settings) -> BinanceConfig:
    return replace(
        BinanceConfig.futures(),
        paper_url=settings.binance_futures_paper_url,
        live_url=settings.binance_futures_live_url,
        paper_stream_url=settings.binance_futures_paper_stream_url,
        live_stream_url=settings.binance_futures_live_stream_url,
    )


def _mock(settings: Settings) -> MockConfig:
    return MockConfig(
        seed=settings.mock_seed,
        latency_s=settings.mock_latency_s,
        reject_rate=settings.mock_reject_rate,
        journal_path=settings.data_dir / "mock.journal" if settings.mock_persistent else None,
    )
