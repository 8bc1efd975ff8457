"""The brokers of this gateway: a new one is one line here."""

from collections.abc import Mapping
from dataclasses import replace

from brokergw.adapters.alpaca import AlpacaBroker, AlpacaConfig, stream_of
from brokergw.adapters.binance import BinanceBroker, BinanceConfig
from brokergw.adapters.ctrader import CtraderBroker, CtraderConfig
from brokergw.adapters.ibkr import LIST_EVERY_S, IbkrBroker, IbkrConfig
from brokergw.adapters.mock import MockBroker, MockConfig
from brokergw.adapters.schwab import SchwabBroker, SchwabConfig
from brokergw.app.settings import Settings
from brokergw.ports.broker import AdapterFactory
from brokergw.ports.clock import Clock


def open_catalog(settings: Settings, clock: Clock) -> Mapping[str, AdapterFactory]:
    """Make every broker's factory; opens nothing at the brokers yet."""
    return {
        "alpaca": AlpacaBroker(clock=clock, config=_alpaca(settings)),
        "binance": BinanceBroker(clock=clock, config=_binance(settings)),
        "binance-futures": BinanceBroker(clock=clock, config=_binance_futures(settings)),
        "ctrader": CtraderBroker(clock=clock, config=_ctrader(settings)),
        "ibkr": IbkrBroker(clock=clock, config=_ibkr(settings)),
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


def _ctrader(settings: Settings) -> CtraderConfig:
    return CtraderConfig(
        paper_url=settings.ctrader_paper_url,
        live_url=settings.ctrader_live_url,
        requests_per_second=settings.ctrader_requests_per_second or None,
        history_per_second=settings.ctrader_history_per_second or None,
    )


def _ibkr(settings: Settings) -> IbkrConfig:
    code, asked = settings.ibkr_access_code, settings.ibkr_confirmed_questions
    return IbkrConfig(
        gateway_url=settings.ibkr_gateway_url,
        access_code=code.get_secret_value() if code is not None else "",
        confirmed=frozenset(each.strip() for each in asked.split(",") if each.strip()),
        compete=settings.ibkr_compete,
        per_second=settings.ibkr_requests_per_second or None,
        # Whoever does not count requests does not space them out either.
        list_every_s=LIST_EVERY_S if settings.ibkr_requests_per_second else 0.0,
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
