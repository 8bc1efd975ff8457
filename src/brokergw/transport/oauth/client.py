"""One attempt at a token endpoint, on the house's HTTP: no redirects, small answers, short patience.

Some brokers want secrets in the address. What a lower layer says of a failed attempt may hold that address, so nothing
of it is passed on, neither as words nor as a cause.
"""

from typing import Final

from brokergw.model.account import Environment
from brokergw.model.oauth import Application, IssuedTokens, OAuthProfile, TokenKind
from brokergw.ports.oauth import Handover, TokenNotSent, TokenUnknown
from brokergw.ports.permit import Permit, PermitExpired
from brokergw.transport.http import Http, NotSentError, Reply, Timeouts, UnknownError
from brokergw.transport.oauth.reply import read_revocation, read_tokens
from brokergw.transport.oauth.request import TokenRequest, revoke_request, token_request

TIMEOUTS: Final = Timeouts(connect=3.0, pool=2.0, read=10.0, total=12.0)
_ANSWER_BYTES_MAX: Final = 65_536


class TokenClient:
    """Implements `ports.oauth.TokenEndpoint`."""

    def __init__(self, http: Http | None = None) -> None:
        self._http = http or Http(timeouts=TIMEOUTS, answer_bytes_max=_ANSWER_BYTES_MAX, connections_max=32)
        self._http.retain()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.release()

    async def exchange(
        self, profile: OAuthProfile, environment: Environment, application: Application, handover: Handover
    ) -> IssuedTokens:
        """Turn a code into tokens."""
        parameters = {
            "grant_type": "authorization_code",
            "code": handover.code,
            "redirect_uri": handover.redirect_uri,
        }
        if profile.pkce:
            parameters["code_verifier"] = handover.verifier
        request = token_request(profile, environment, application, parameters, profile.proof)
        return await self._send(profile, request)

    async def refresh(
        self,
        profile: OAuthProfile,
        environment: Environment,
        application: Application,
        refresh_token: str,
        permit: Permit,
    ) -> IssuedTokens:
        """Turn a refresh token into the next tokens; nothing leaves once the permit has expired."""
        parameters = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        proof = profile.refresh_proof or profile.proof
        return await self._send(profile, token_request(profile, environment, application, parameters, proof), permit)

    async def revoke(
        self, profile: OAuthProfile, environment: Environment, application: Application, kind: TokenKind, token: str
    ) -> None:
        """End a token at the broker."""
        read_revocation(await self._reply(revoke_request(profile, environment, application, kind, token)))

    async def _send(self, profile: OAuthProfile, request: TokenRequest, permit: Permit | None = None) -> IssuedTokens:
        return read_tokens(await self._reply(request, permit), profile)

    async def _reply(self, request: TokenRequest, permit: Permit | None = None) -> Reply:
        try:
            if request.content is None and permit is not None:
                # A request without a body has no step of its own in which its first byte leaves.
                permit.spend()
                permit = None
            return await self._http.send(request.method, request.url, request.headers, request.content, permit)
        except (NotSentError, PermitExpired):
            raise TokenNotSent("the authorization server cannot be reached") from None
        except UnknownError:
            raise TokenUnknown("the authorization server did not answer") from None
