"""What the simulated Binance lists: pairs on spot, perpetual contracts on USDⓈ-M futures, and their filters.

Spot and futures share names (`BTCUSDT`), so a contract is listed on the exchange with the mark of `contract_name`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique
from typing import Any, Final

from brokergw.exchange import Listing
from brokergw.model.instrument import AssetClass, TickBand
from brokergw.model.money import format_decimal

QUOTE: Final = "USDT"
_MARK: Final = ".PERP"
_LOT_MAX: Final = "10000000"


@unique
class Kind(StrEnum):
    """The two products, each with accounts, symbols and rules of its own."""

    SPOT = "SPOT"
    FUTURES = "FUTURES"


@dataclass(frozen=True, slots=True)
class _Coin:
    name: str
    price: str
    tick: str
    step: str
    top: str
    tradable: bool = True


_COINS: Final[Sequence[_Coin]] = (
    _Coin("BTC", "97450.00", "0.01", "0.00001", "50"),
    _Coin("ETH", "3340.00", "0.01", "0.0001", "2000"),
    _Coin("BNB", "640.00", "0.01", "0.001", "100000"),
    _Coin("SOL", "245.00", "0.01", "0.001", "20000"),
    _Coin("XRP", "2.1500", "0.0001", "0.1", "5000"),
    _Coin("DOGE", "0.21000", "0.00001", "1", "400000"),
    _Coin("HALT", "12.00", "0.01", "0.01", "1000", tradable=False),
)
_MIN_NOTIONAL: Final = {Kind.SPOT: Decimal(5), Kind.FUTURES: Decimal(5)}
_MIN_NOTIONAL_OF: Final = {"BTCUSDT.PERP": Decimal(50)}


def contract_name(symbol: str) -> str:
    """Name a perpetual contract on the exchange."""
    return symbol + _MARK


def listed_as(kind: Kind, symbol: str) -> str:
    """Name a symbol of a product on the exchange."""
    return symbol if kind is Kind.SPOT else contract_name(symbol)


def wire_symbol(name: str) -> str:
    """Give what a listing is called on the wire."""
    return name.removesuffix(_MARK)


def kind_of(listing: Listing) -> Kind:
    """Tell whose product a listing is."""
    return Kind.FUTURES if listing.asset_class is AssetClass.FUTURE else Kind.SPOT


def base_of(listing: Listing) -> str:
    """Give the coin of a listing."""
    return wire_symbol(listing.symbol).removesuffix(QUOTE)


def min_notional(listing: Listing) -> Decimal:
    """Give the least money that an order must be worth."""
    return _MIN_NOTIONAL_OF.get(listing.symbol, _MIN_NOTIONAL[kind_of(listing)])


def _listing(coin: _Coin, kind: Kind) -> Listing:
    spot = kind is Kind.SPOT
    return Listing(
        symbol=listed_as(kind, coin.name + QUOTE),
        name=f"{coin.name}/{QUOTE}",
        asset_class=AssetClass.CRYPTO if spot else AssetClass.FUTURE,
        reference_price=Decimal(coin.price),
        venue="BINANCE",
        tick_bands=(TickBand(Decimal(0), Decimal(coin.tick)),),
        quantity_step=Decimal(coin.step),
        quantity_min=Decimal(coin.step),
        notional_min=None,
        top_size=Decimal(coin.top),
        volatility_basis_points=500,
        spread_basis_points=2,
        tradable=coin.tradable,
        shortable=not spot,
        marginable=not spot,
        netted=not spot,
    )


LISTINGS: Final[Sequence[Listing]] = tuple(_listing(coin, kind) for kind in Kind for coin in _COINS)


def spot_symbol(listing: Listing, orders_open_max: int) -> dict[str, Any]:
    """Describe a pair as GET /api/v3/exchangeInfo does."""
    tick, step = format_decimal(listing.tick_bands[0].tick), format_decimal(listing.quantity_step)
    return {
        "symbol": listing.symbol,
        "status": "TRADING" if listing.tradable else "BREAK",
        "baseAsset": base_of(listing),
        "baseAssetPrecision": 8,
        "quoteAsset": QUOTE,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [
            "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT",
        ],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": _LOT_MAX, "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": _LOT_MAX, "stepSize": step},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": _LOT_MAX, "stepSize": "0"},
            {
                "filterType": "NOTIONAL",
                "minNotional": format_decimal(min_notional(listing)),
                "applyMinToMarket": True,
                "maxNotional": "900000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": orders_open_max},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }  # fmt: skip


def futures_symbol(listing: Listing, orders_open_max: int) -> dict[str, Any]:
    """Describe a contract as GET /fapi/v1/exchangeInfo does; its precisions are digits to show, not the grid."""
    tick, step = format_decimal(listing.tick_bands[0].tick), format_decimal(listing.quantity_step)
    symbol = wire_symbol(listing.symbol)
    return {
        "symbol": symbol,
        "pair": symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING" if listing.tradable else "SETTLING",
        "baseAsset": base_of(listing),
        "quoteAsset": QUOTE,
        "marginAsset": QUOTE,
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": _LOT_MAX, "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": _LOT_MAX, "stepSize": step},
            {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": _LOT_MAX, "stepSize": step},
            {"filterType": "MAX_NUM_ORDERS", "limit": orders_open_max},
            {"filterType": "MIN_NOTIONAL", "notional": format_decimal(min_notional(listing))},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "20", "multiplierDown": "0.01", "multiplierDecimal": "4"},
        ],
        "orderTypes": [
            "LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET",
        ],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }  # fmt: skip
