"""The settings of the brokers: where each one is, and what it may be asked."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class BrokerSettings(BaseSettings):
    """The part of `Settings` that is about brokers."""

    mock_seed: int = Field(1, description="Seed of the mock broker's prices and ids.")
    mock_latency_s: float = Field(0.0, ge=0, description="Seconds before a call takes effect at the mock broker.")
    mock_reject_rate: float = Field(0.0, ge=0, le=1, description="Share of orders that the mock broker refuses.")
    mock_persistent: bool = Field(
        True,
        description="Keep the mock broker's accounts in data_dir; only one process may.",
    )

    alpaca_paper_url: str = Field("https://paper-api.alpaca.markets", description="Alpaca's paper trading API.")
    alpaca_live_url: str = Field("https://api.alpaca.markets", description="Alpaca's live trading API.")
    alpaca_data_url: str = Field("https://data.alpaca.markets", description="Alpaca's market data API.")
    alpaca_requests_per_minute: int = Field(
        200, ge=0, description="Alpaca's budget per account until its headers say another; 0 does not count."
    )

    binance_paper_url: str = Field("https://testnet.binance.vision", description="Binance's spot testnet.")
    binance_live_url: str = Field("https://api.binance.com", description="Binance's spot API.")
    binance_paper_stream_url: str = Field(
        "wss://ws-api.testnet.binance.vision/ws-api/v3", description="Binance's WebSocket API of the spot testnet."
    )
    binance_live_stream_url: str = Field(
        "wss://ws-api.binance.com:443/ws-api/v3", description="Binance's WebSocket API for spot."
    )
    binance_futures_paper_url: str = Field(
        "https://demo-fapi.binance.com", description="Binance's testnet of USDⓈ-M futures."
    )
    binance_futures_live_url: str = Field("https://fapi.binance.com", description="Binance's USDⓈ-M futures API.")
    binance_futures_paper_stream_url: str = Field(
        "wss://fstream.binancefuture.com/private/stream", description="User data streams of the futures testnet."
    )
    binance_futures_live_stream_url: str = Field(
        "wss://fstream.binance.com/private/stream", description="User data streams of USDⓈ-M futures."
    )

    ctrader_paper_url: str = Field(
        "wss://demo.ctraderapi.com:5036", description="cTrader's JSON port for demo accounts."
    )
    ctrader_live_url: str = Field(
        "wss://live.ctraderapi.com:5036", description="cTrader's JSON port for live accounts."
    )
    ctrader_requests_per_second: int = Field(
        50, ge=0, description="cTrader's budget of requests per connection; 0 does not count."
    )
    ctrader_history_per_second: int = Field(
        5, ge=0, description="The part of it that may ask for the past: orders, deals, cash flows; 0 does not count."
    )

    ibkr_gateway_url: str = Field(
        "http://127.0.0.1:5000/v1/api",
        description="The Client Portal gateway that a person is logged in to (docs: adapters/ibkr/README.md).",
    )
    ibkr_access_code: SecretStr | None = Field(
        None,
        min_length=16,
        description="What a user must know to connect an account of that gateway, 16 characters or more; without it "
        "nobody can.",
    )
    ibkr_confirmed_questions: str = Field(
        "",
        description="The broker's questions about orders that are answered with yes, by id and separated by commas "
        "(`o163,o10331`); every other one is declined.",
    )
    ibkr_compete: bool = Field(
        False, description="Take the username's session away from wherever else it is in use (TWS, phone)."
    )
    ibkr_requests_per_second: float = Field(
        10.0, ge=0, description="The gateway's budget, for all of its accounts together; 0 does not count."
    )

    schwab_url: str = Field("https://api.schwabapi.com", description="Schwab's Trader API.")
    schwab_data_url: str = Field("https://api.schwabapi.com", description="Schwab's market data API.")
    schwab_queries_per_minute: int = Field(
        120, ge=0, description="Schwab's budget per login for everything but orders; 0 does not count."
    )
    schwab_orders_per_minute: int = Field(
        120, ge=0, description="The budget for orders that the application was registered with; 0 does not count."
    )
