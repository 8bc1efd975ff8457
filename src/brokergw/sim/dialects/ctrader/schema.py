"""What the messages of cTrader's Open API are made of: numbers, names and kinds of their fields, as one table.

Source: the protobuf files that Spotware publishes (openapi-proto-messages). JSON uses the same names, so one table
serves both wires. A line is `type name: number field kind, …`; `!` marks a required field, `*` a repeated one. Fields
that are enums travel as their numbers. Field 1 of every message repeats its type and may be left out.
"""

from dataclasses import dataclass
from typing import Final

_MESSAGES: Final = """
2100 ApplicationAuthReq: 2 clientId string!, 3 clientSecret string!
2101 ApplicationAuthRes:
2102 AccountAuthReq: 2 ctidTraderAccountId int!, 3 accessToken string!
2103 AccountAuthRes: 2 ctidTraderAccountId int!
2104 VersionReq:
2105 VersionRes: 2 version string!
2106 NewOrderReq: 2 ctidTraderAccountId int!, 3 symbolId int!, 4 orderType enum!, 5 tradeSide enum!, 6 volume
    int!, 7 limitPrice double, 8 stopPrice double, 9 timeInForce enum, 10 expirationTimestamp int, 11 stopLoss
    double, 12 takeProfit double, 13 comment string, 14 baseSlippagePrice double, 15 slippageInPoints int, 16 label
    string, 17 positionId int, 18 clientOrderId string, 19 relativeStopLoss int, 20 relativeTakeProfit int, 21
    guaranteedStopLoss bool, 22 trailingStopLoss bool, 23 stopTriggerMethod enum
2108 CancelOrderReq: 2 ctidTraderAccountId int!, 3 orderId int!
2109 AmendOrderReq: 2 ctidTraderAccountId int!, 3 orderId int!, 4 volume int, 5 limitPrice double, 6 stopPrice
    double, 7 expirationTimestamp int, 8 stopLoss double, 9 takeProfit double, 10 slippageInPoints int, 11
    relativeStopLoss int, 12 relativeTakeProfit int, 13 guaranteedStopLoss bool, 14 trailingStopLoss bool, 15
    stopTriggerMethod enum
2111 ClosePositionReq: 2 ctidTraderAccountId int!, 3 positionId int!, 4 volume int!
2112 AssetListReq: 2 ctidTraderAccountId int!
2113 AssetListRes: 2 ctidTraderAccountId int!, 3 asset Asset*
2114 SymbolsListReq: 2 ctidTraderAccountId int!, 3 includeArchivedSymbols bool
2115 SymbolsListRes: 2 ctidTraderAccountId int!, 3 symbol LightSymbol*, 4 archivedSymbol ArchivedSymbol*
2116 SymbolByIdReq: 2 ctidTraderAccountId int!, 3 symbolId int*
2117 SymbolByIdRes: 2 ctidTraderAccountId int!, 3 symbol Symbol*, 4 archivedSymbol ArchivedSymbol*
2121 TraderReq: 2 ctidTraderAccountId int!
2122 TraderRes: 2 ctidTraderAccountId int!, 3 trader Trader!
2124 ReconcileReq: 2 ctidTraderAccountId int!, 3 returnProtectionOrders bool
2125 ReconcileRes: 2 ctidTraderAccountId int!, 3 position Position*, 4 order Order*
2126 ExecutionEvent: 2 ctidTraderAccountId int!, 3 executionType enum!, 4 position Position, 5 order Order, 6
    deal Deal, 7 bonusDepositWithdraw BonusDepositWithdraw, 8 depositWithdraw DepositWithdraw, 9 errorCode string,
    10 isServerEvent bool
2127 SubscribeSpotsReq: 2 ctidTraderAccountId int!, 3 symbolId int*, 4 subscribeToSpotTimestamp bool
2128 SubscribeSpotsRes: 2 ctidTraderAccountId int!
2129 UnsubscribeSpotsReq: 2 ctidTraderAccountId int!, 3 symbolId int*
2130 UnsubscribeSpotsRes: 2 ctidTraderAccountId int!
2131 SpotEvent: 2 ctidTraderAccountId int!, 3 symbolId int!, 4 bid int, 5 ask int, 6 trendbar Trendbar*, 7
    sessionClose int, 8 timestamp int
2132 OrderErrorEvent: 5 ctidTraderAccountId int!, 2 errorCode string!, 3 orderId int, 6 positionId int, 7
    description string
2133 DealListReq: 2 ctidTraderAccountId int!, 3 fromTimestamp int, 4 toTimestamp int, 5 maxRows int
2134 DealListRes: 2 ctidTraderAccountId int!, 3 deal Deal*, 4 hasMore bool!
2142 ErrorRes: 2 ctidTraderAccountId int, 3 errorCode string!, 4 description string, 5 maintenanceEndTimestamp
    int, 6 retryAfter int
2143 CashFlowHistoryListReq: 2 ctidTraderAccountId int!, 3 fromTimestamp int!, 4 toTimestamp int!
2144 CashFlowHistoryListRes: 2 ctidTraderAccountId int!, 3 depositWithdraw DepositWithdraw*
2147 AccountsTokenInvalidatedEvent: 2 ctidTraderAccountIds int*, 3 reason string
2148 ClientDisconnectEvent: 2 reason string
2149 GetAccountListByAccessTokenReq: 2 accessToken string!
2150 GetAccountListByAccessTokenRes: 2 accessToken string!, 3 permissionScope enum, 4 ctidTraderAccount
    CtidTraderAccount*
2153 AssetClassListReq: 2 ctidTraderAccountId int!
2154 AssetClassListRes: 2 ctidTraderAccountId int!, 3 assetClass AssetClass*
2160 SymbolCategoryListReq: 2 ctidTraderAccountId int!
2161 SymbolCategoryListRes: 2 ctidTraderAccountId int!, 3 symbolCategory SymbolCategory*
2162 AccountLogoutReq: 2 ctidTraderAccountId int!
2163 AccountLogoutRes: 2 ctidTraderAccountId int!
2164 AccountDisconnectEvent: 2 ctidTraderAccountId int!
2173 RefreshTokenReq: 2 refreshToken string!
2174 RefreshTokenRes: 2 accessToken string!, 3 tokenType string!, 4 expiresIn int!, 5 refreshToken string!
2175 OrderListReq: 2 ctidTraderAccountId int!, 3 fromTimestamp int, 4 toTimestamp int
2176 OrderListRes: 2 ctidTraderAccountId int!, 3 order Order*, 4 hasMore bool!
2179 DealListByPositionIdReq: 2 ctidTraderAccountId int!, 3 positionId int!, 4 fromTimestamp int, 5 toTimestamp
    int
2180 DealListByPositionIdRes: 2 ctidTraderAccountId int!, 3 deal Deal*, 4 hasMore bool!
2181 OrderDetailsReq: 2 ctidTraderAccountId int!, 3 orderId int!
2182 OrderDetailsRes: 2 ctidTraderAccountId int!, 3 order Order!, 4 deal Deal*
2187 GetPositionUnrealizedPnLReq: 2 ctidTraderAccountId int!
2188 GetPositionUnrealizedPnLRes: 2 ctidTraderAccountId int!, 3 positionUnrealizedPnL PositionUnrealizedPnL*, 4
    moneyDigits int!
"""

_MODELS: Final = """
ArchivedSymbol: 1 symbolId int!, 2 name string!, 3 utcLastUpdateTimestamp int!, 4 description string
Asset: 1 assetId int!, 2 name string!, 3 displayName string, 4 digits int
AssetClass: 1 id int, 2 name string, 3 sortingNumber double
BonusDepositWithdraw: 1 operationType enum!, 2 bonusHistoryId int!, 3 managerBonus int!, 4 managerDelta int!, 5
    ibBonus int!, 6 ibDelta int!, 7 changeBonusTimestamp int!, 8 externalNote string, 9 introducingBrokerId int, 10
    moneyDigits int
ClosePositionDetail: 1 entryPrice double!, 2 grossProfit int!, 3 swap int!, 4 commission int!, 5 balance int!, 6
    quoteToDepositConversionRate double, 7 closedVolume int, 8 balanceVersion int, 9 moneyDigits int, 10
    pnlConversionFee int
CtidTraderAccount: 1 ctidTraderAccountId int!, 2 isLive bool, 3 traderLogin int, 4 lastClosingDealTimestamp int,
    5 lastBalanceUpdateTimestamp int, 6 brokerTitleShort string
Deal: 1 dealId int!, 2 orderId int!, 3 positionId int!, 4 volume int!, 5 filledVolume int!, 6 symbolId int!, 7
    createTimestamp int!, 8 executionTimestamp int!, 9 utcLastUpdateTimestamp int, 10 executionPrice double, 11
    tradeSide enum!, 12 dealStatus enum!, 13 marginRate double, 14 commission int, 15 baseToUsdConversionRate
    double, 16 closePositionDetail ClosePositionDetail, 17 moneyDigits int
DepositWithdraw: 1 operationType enum!, 2 balanceHistoryId int!, 3 balance int!, 4 delta int!, 5
    changeBalanceTimestamp int!, 6 externalNote string, 7 balanceVersion int, 8 equity int, 9 moneyDigits int
Holiday: 1 holidayId int!, 2 name string!, 3 description string, 4 scheduleTimeZone string!, 5 holidayDate int!,
    6 isRecurring bool!, 7 startSecond int, 8 endSecond int
Interval: 3 startSecond int!, 4 endSecond int!
LightSymbol: 1 symbolId int!, 2 symbolName string, 3 enabled bool, 4 baseAssetId int, 5 quoteAssetId int, 6
    symbolCategoryId int, 7 description string, 8 sortingNumber double
Order: 1 orderId int!, 2 tradeData TradeData!, 3 orderType enum!, 4 orderStatus enum!, 6 expirationTimestamp
    int, 7 executionPrice double, 8 executedVolume int, 9 utcLastUpdateTimestamp int, 10 baseSlippagePrice double,
    11 slippageInPoints int, 12 closingOrder bool, 13 limitPrice double, 14 stopPrice double, 15 stopLoss double, 16
    takeProfit double, 17 clientOrderId string, 18 timeInForce enum, 19 positionId int, 20 relativeStopLoss int, 21
    relativeTakeProfit int, 22 isStopOut bool, 23 trailingStopLoss bool, 24 stopTriggerMethod enum
Position: 1 positionId int!, 2 tradeData TradeData!, 3 positionStatus enum!, 4 swap int!, 5 price double, 6
    stopLoss double, 7 takeProfit double, 8 utcLastUpdateTimestamp int, 9 commission int, 10 marginRate double, 11
    mirroringCommission int, 12 guaranteedStopLoss bool, 13 usedMargin int, 14 stopLossTriggerMethod enum, 15
    moneyDigits int, 16 trailingStopLoss bool
PositionUnrealizedPnL: 1 positionId int!, 2 grossUnrealizedPnL int!, 3 netUnrealizedPnL int!
Symbol: 1 symbolId int!, 2 digits int!, 3 pipPosition int!, 4 enableShortSelling bool, 5 guaranteedStopLoss
    bool, 6 swapRollover3Days enum, 7 swapLong double, 8 swapShort double, 9 maxVolume int, 10 minVolume int, 11
    stepVolume int, 12 maxExposure int, 13 schedule Interval*, 14 commission int, 15 commissionType enum, 16
    slDistance int, 17 tpDistance int, 18 gslDistance int, 19 gslCharge int, 20 distanceSetIn enum, 21 minCommission
    int, 22 minCommissionType enum, 23 minCommissionAsset string, 24 rolloverCommission int, 25 skipRolloverDays
    int, 26 scheduleTimeZone string, 27 tradingMode enum, 28 rolloverCommission3Days enum, 29 swapCalculationType
    enum, 30 lotSize int, 31 preciseTradingCommissionRate int, 32 preciseMinCommission int, 33 holiday Holiday*, 34
    pnlConversionFeeRate int, 35 leverageId int, 36 swapPeriod int, 37 swapTime int, 38 skipSWAPPeriods int, 39
    chargeSwapAtWeekends bool, 40 measurementUnits string
SymbolCategory: 1 id int!, 2 assetClassId int!, 3 name string!, 4 sortingNumber double
TradeData: 1 symbolId int!, 2 volume int!, 3 tradeSide enum!, 4 openTimestamp int, 5 label string, 6
    guaranteedStopLoss bool, 7 comment string, 8 measurementUnits string, 9 closeTimestamp int
Trader: 1 ctidTraderAccountId int!, 2 balance int!, 3 balanceVersion int, 4 managerBonus int, 5 ibBonus int, 6
    nonWithdrawableBonus int, 7 accessRights enum, 8 depositAssetId int!, 9 swapFree bool, 10 leverageInCents int,
    11 totalMarginCalculationType enum, 12 maxLeverage int, 13 frenchRisk bool, 14 traderLogin int, 15 accountType
    enum, 16 brokerName string, 17 registrationTimestamp int, 18 isLimitedRisk bool, 19
    limitedRiskMarginCalculationStrategy enum, 20 moneyDigits int, 21 fairStopOut bool, 22 stopOutStrategy enum
Trendbar: 3 volume int!, 4 period enum, 5 low int, 6 deltaOpen int, 7 deltaClose int, 8 deltaHigh int, 9
    utcTimestampInMinutes int
"""


@dataclass(frozen=True, slots=True)
class Field:
    """One field; `kind` is int, bool, double, string, enum or the name of a model."""

    number: int
    name: str
    kind: str
    repeated: bool
    required: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """A message or a model; `payload_type` is 0 for a model."""

    name: str
    payload_type: int
    by_number: dict[int, Field]
    by_name: dict[str, Field]


def _read(table: str) -> list[Shape]:
    entries = table.replace("\n    ", " ").strip().splitlines()
    return [_shape(entry) for entry in entries]


def _shape(entry: str) -> Shape:
    head, _, body = entry.partition(":")
    *number, name = head.split()
    fields = [_field(part) for part in body.split(",") if part.strip()]
    return Shape(
        name,
        int(number[0]) if number else 0,
        {field.number: field for field in fields},
        {field.name: field for field in fields},
    )


def _field(part: str) -> Field:
    number, name, kind = part.split()
    required, kind = kind.endswith("!"), kind.removesuffix("!")
    return Field(int(number), name, kind.removesuffix("*"), kind.endswith("*"), required)


MESSAGES: Final = {shape.payload_type: shape for shape in _read(_MESSAGES)}
"""Every message that the dialect knows, by its payload type."""

MODELS: Final = {shape.name: shape for shape in _read(_MODELS)}
"""Every model that they hold, by its name."""

TYPES: Final = {shape.name: number for number, shape in MESSAGES.items()}
"""The payload type of each message, by its name."""

HEARTBEAT: Final = 51
