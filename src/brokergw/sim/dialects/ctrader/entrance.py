"""Who may do what: applications, accounts and their tokens."""

import hmac
import json
from typing import Final

from brokergw.sim.dialects.ctrader.call import Answer, Call
from brokergw.sim.dialects.ctrader.enums import SCOPE_TRADE
from brokergw.sim.dialects.ctrader.options import CtraderOptions, Token
from brokergw.sim.dialects.ctrader.refusals import OpenApiError
from brokergw.sim.wire import WireRequest

_VERSION: Final = "88"


def application(call: Call) -> Answer:
    """ProtoOAApplicationAuthReq."""
    if call.link.client_id:
        raise OpenApiError("CH_CLIENT_ALREADY_AUTHENTICATED", "Client is already authenticated")
    secret = call.brokerage.options.applications.get(call.body["clientId"])
    if secret is None or not hmac.compare_digest(secret.encode(), call.body["clientSecret"].encode()):
        raise OpenApiError("CH_CLIENT_AUTH_FAILURE", "clientId or clientSecret is incorrect")
    call.link.client_id = call.body["clientId"]
    return {}


def version(_: Call) -> Answer:
    """ProtoOAVersionReq."""
    return {"version": _VERSION}


def accounts_of_token(call: Call) -> Answer:
    """ProtoOAGetAccountListByAccessTokenReq: accounts of both environments."""
    token = _opened(call, call.body["accessToken"])
    holders = [call.brokerage.accounts[ctid].holder for ctid in token.accounts]
    rows = [
        {
            "ctidTraderAccountId": holder.ctid,
            "isLive": holder.live,
            "traderLogin": holder.login,
            "brokerTitleShort": holder.broker,
        }
        for holder in holders
    ]
    return {"accessToken": call.body["accessToken"], "permissionScope": token.scope, "ctidTraderAccount": rows}


def account(call: Call) -> Answer:
    """ProtoOAAccountAuthReq; an account of the other environment is not to be reached from here."""
    ctid, access = call.body["ctidTraderAccountId"], call.body["accessToken"]
    token = _opened(call, access)
    known = call.brokerage.accounts.get(ctid)
    if known is None or ctid not in token.accounts:
        raise OpenApiError("CH_CTID_TRADER_ACCOUNT_NOT_FOUND", "Trading account is not found")
    if known.holder.live is not call.brokerage.options.live:
        raise OpenApiError("CANT_ROUTE_REQUEST", "Cannot route request")
    if call.link.tokens.get(ctid) == access:
        raise OpenApiError("ALREADY_LOGGED_IN", "Trading account is already authorized in this channel")
    call.link.tokens[ctid] = access
    known.links.add(call.link)
    return {"ctidTraderAccountId": ctid}


def logout(call: Call) -> Answer:
    """ProtoOAAccountLogoutReq."""
    left = call.account
    left.links.discard(call.link)
    del call.link.tokens[left.holder.ctid]
    return {"ctidTraderAccountId": left.holder.ctid}


def check_trading(call: Call) -> None:
    """Refuse trading to a token that may only look; the code is not documented."""
    ctid = call.account.holder.ctid
    if _opened(call, call.link.tokens[ctid]).scope != SCOPE_TRADE:
        raise OpenApiError("TRADING_NOT_ALLOWED", "Access token has no trading permission")


def token_of(options: CtraderOptions, access: str) -> Token | None:
    """Find what an access token opens; None when it opens nothing, or nothing any more."""
    known = options.tokens.get(access)
    if known is not None or options.authorization is None:
        return known
    ctid = options.authorization.account_of(access)
    return None if ctid is None else Token(accounts=(int(ctid),))


def _opened(call: Call, access: str) -> Token:
    token = token_of(call.brokerage.options, access)
    if token is None:
        raise OpenApiError("CH_ACCESS_TOKEN_INVALID", "Access token is invalid")
    return token


def refresh(call: Call) -> Answer:
    """ProtoOARefreshTokenReq: what the token endpoint does, for the application of this connection."""
    options, server = call.brokerage.options, call.brokerage.options.authorization
    client_id = call.link.client_id
    if server is None:
        raise OpenApiError("CH_ACCESS_TOKEN_INVALID", "Refresh token is invalid")
    query = {
        "grant_type": "refresh_token",
        "refresh_token": call.body["refreshToken"],
        "client_id": client_id,
        "client_secret": options.applications[client_id],
    }
    reply = server.answer(WireRequest("GET", server.manners.token_path, query, {}))
    document = json.loads(reply.body) if reply is not None else {}
    if "accessToken" not in document:
        raise OpenApiError("CH_ACCESS_TOKEN_INVALID", "Refresh token is invalid")
    return {name: document[name] for name in ("accessToken", "tokenType", "expiresIn", "refreshToken")}
