"""When a token is renewed, when a failed refresh is tried again, and when a person hears of an end ahead."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from brokergw.model.oauth import SECOND_NS, EndAhead, Grant, IssuedTokens, OAuthProfile

_LEAD: Final = 0.2
"""The part of a token's life that is left when it is renewed."""
_JITTER: Final = 0.1
"""By how much of that lead a renewal may come earlier, so that those of one moment do not stay together."""
_BACKOFF_S: Final = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)


CLAIM_S: Final = 30.0
"""How long a claim lasts, by which time its process has the answer to all that it has sent, or is dead."""
_REQUEST_S: Final = 13.0
"""How long a refresh takes at most, once it has begun."""
_SEND_WITHIN_S: Final = 10.0


def claim_life_s(profile: OAuthProfile) -> float:
    """Tell how long a claim lasts: where a broker forgives a repeat for a while, whoever comes next is there in time.

    Never shorter than a refresh takes, because two at once would each end what the other was given.
    """
    if not profile.reuse_grace_s:
        return CLAIM_S
    return min(CLAIM_S, max(profile.reuse_grace_s - _REQUEST_S, _REQUEST_S + 3.0))


def send_within_s(life_s: float) -> float:
    """Tell how long after its claim a refresh may still begin, so that it ends before the claim does."""
    return min(_SEND_WITHIN_S, life_s - _REQUEST_S)


def granted(grant: Grant, profile: OAuthProfile, tokens: IssuedTokens, now_ns: int, chance: float) -> Grant:
    """Give a grant as it stands with new tokens; `chance` (0 to 1) spreads the renewals."""
    life_s = tokens.life_s if tokens.life_s is not None else profile.access_life_s
    end_ns = None if profile.grant_life_s is None else grant.authorize_time_ns + profile.grant_life_s * SECOND_NS
    return replace(
        grant,
        access_end_time_ns=None if life_s is None else now_ns + life_s * SECOND_NS,
        refresh_time_ns=None if life_s is None or not profile.refreshes else now_ns + due_ns(profile, life_s, chance),
        end_time_ns=end_ns,
        scope=tokens.scope or grant.scope,
        tries=0,
        detail="",
    )


def due_ns(profile: OAuthProfile, life_s: int, chance: float) -> int:
    """Tell how long after its birth a token is renewed, in nanoseconds; never before half of its life is over."""
    lead_s: float = life_s * _LEAD if profile.refresh_lead_s is None else profile.refresh_lead_s
    lead_s = min(lead_s * (1 + _JITTER * chance), life_s / 2)
    return round((life_s - lead_s) * SECOND_NS)


def tried_in_vain(grant: Grant, now_ns: int) -> Grant:
    """Give a grant whose refresh failed in a way that says nothing of it: when it is tried again."""
    wait_s = _BACKOFF_S[min(max(grant.tries - 1, 0), len(_BACKOFF_S) - 1)]
    return replace(grant, refresh_time_ns=now_ns + round(wait_s * SECOND_NS))


def end_ahead(grant: Grant, profile: OAuthProfile, now_ns: int) -> EndAhead | None:
    """Tell which end is ahead that a person should know of; None where there is none, or it has come."""
    lead_ns = profile.warn_lead_s * SECOND_NS
    if not grant.active:
        return None
    end_ns = grant.end_time_ns
    if end_ns is not None and now_ns >= end_ns - lead_ns:
        return EndAhead(end_ns, f"{profile.name} ends this authorization on {_moment(end_ns)}: authorize again")
    end_ns = grant.access_end_time_ns
    if end_ns is None or now_ns < end_ns - lead_ns:
        return None
    if not profile.refreshes:
        return EndAhead(end_ns, f"{profile.name} ends this authorization on {_moment(end_ns)}: authorize again")
    if grant.tries and lead_ns < (end_ns - grant.authorize_time_ns):
        return EndAhead(
            end_ns, f"{profile.name} has not renewed the access token, which ends on {_moment(end_ns)}: authorize again"
        )
    return None


def _moment(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // SECOND_NS, UTC).strftime("%Y-%m-%d at %H:%M:%S UTC")
