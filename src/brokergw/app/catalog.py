"""The brokers of this gateway: a new one is one line here."""

from collections.abc import Mapping

from brokergw.adapters.alpaca import AlpacaBroker, AlpacaConfig, stream_of
from brokergw.adapters.mock import MockBroker, MockConfig
from brokergw.adapters.schwab import SchwabBroker, SchwabConfig
from brokergw.app.settings import Settings
from brokergw.ports.broker import AdapterFactory
from brokergw.ports.clock import Clock


def open_catalog(settings: Settings, clock: Clock) -> Mapping[str, AdapterFactory]:
    """Make every broker's factory; opens nothing at the brokers yet."""
    return {
        "alpaca": AlpacaBroker(clock=clock, config=_alpaca(settings)),
        "mock": MockBroker(clock=clock, config=_mock(settings)),
        "schwab": SchwabBroker(clock=clock, config=_schwab(settings)),
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


def _mock(settings: Settings) -> MockConfig:
    return MockConfig(
        seed=settings.mock_seed,
        latency_s=settings.mock_latency_s,
        reject_rate=settings.mock_reject_rate,
        journal_path=settings.data_dir / "mock.journal" if settings.mock_persistent else None,
    )


def _schwab(settings: Settings) -> SchwabConfig:
    return SchwabConfig(
        url=settings.schwab_url,
        data_url=settings.schwab_data_url,
        queries_per_minute=settings.schwab_queries_per_minute or None,
        orders_per_minute=settings.schwab_orders_per_minute or None,
    )
