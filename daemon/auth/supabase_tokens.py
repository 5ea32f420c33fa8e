"""Tokens of a Supabase project's users: ES256 or RS256 by its public keys, HS256 by its secret.

The token says who somebody is, and nothing else: what they may do is in the member rows
(:mod:`daemon.auth.membership`). ``user_metadata`` is the user's own to write and is never read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import jwt

from daemon.auth.membership import SUPABASE
from daemon.auth.signing_keys import SigningKeys
from daemon.auth.tokens import TOKEN_MAX, UNCHECKED, lifetime

if TYPE_CHECKING:
    from sessions.ports import Clock

AUTH_PATH = "/auth/v1"
JWKS_PATH = AUTH_PATH + "/.well-known/jwks.json"
AUDIENCE = ROLE = "authenticated"
_ASYMMETRIC = ("ES256", "RS256")
_KEY_ID = re.compile(r"[\x21-\x7e]{1,200}")
_SECRET_KEY = "secret"  # noqa: S105 - what stands for the shared secret where others have a key's id


class SupabaseUser(NamedTuple):
    """Who a token is of. ``credential`` takes the workspace in (:func:`credential_of`)."""

    id: str
    expires_at: int  # milliseconds since 1970, leeway included
    key: str


class SupabaseTokens:
    """Checks the tokens of one project's users."""

    def __init__(
        self, url: str, clock: Clock, secret: str | None = None, keys: SigningKeys | None = None
    ) -> None:
        """``url`` is the project's origin, ``secret`` its shared one, if it still signs by that."""
        self.issuer = url.rstrip("/") + AUTH_PATH
        self._clock = clock
        self._secret = secret
        self._keys = keys or SigningKeys(url.rstrip("/") + JWKS_PATH, clock)

    def issued(self, token: str) -> bool:
        """Tell whether the token says that it comes from here; whether that is true, see check."""
        if len(token) > TOKEN_MAX:
            return False
        try:
            payload = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError):
            return False
        return payload.get("iss") == self.issuer

    async def check(self, token: str) -> SupabaseUser | None:
        """Return whose token it is; None for every kind of wrong one.

        Raises:
            ApiError: ``supabase_unreachable`` where the key is not known and cannot be asked for.
        """
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        found = await self._verified(token, header.get("alg"), header.get("kid"))
        if found is None:
            return None
        key, payload = found
        return read_user(payload, self.issuer, key, self._clock.now_ms())

    def is_valid(self, credential: str) -> bool:
        """Tell whether the key that signed a user's token still counts; never waits."""
        _, _, _, key = credential.split(":", 3)
        if key == _SECRET_KEY:
            return self._secret is not None
        self._keys.refresh()
        return self._keys.knows(key)

    async def close(self) -> None:
        """Give up what is being asked."""
        await self._keys.close()

    async def _verified(
        self, token: str, algorithm: object, key_id: object
    ) -> tuple[str, dict[str, Any]] | None:
        """Return the key's name and the claims; the key decides the algorithm, not the token."""
        if algorithm == "HS256" and self._secret is not None:
            payload = _decoded(token, self._secret, "HS256")
            return (_SECRET_KEY, payload) if payload is not None else None
        if algorithm not in _ASYMMETRIC or not isinstance(key_id, str):
            return None
        if not _KEY_ID.fullmatch(key_id) or key_id == _SECRET_KEY:
            return None
        key = await self._keys.get(key_id)
        if key is None:
            return None
        payload = _decoded(token, key.key, key.algorithm)
        return (key_id, payload) if payload is not None else None


def credential_of(user: SupabaseUser, workspace: str) -> str:
    """Return what names the credential of a user in a workspace; an id has no colon in it."""
    return f"{SUPABASE}{workspace}:{user.id}:{user.key}"


def read_user(payload: Mapping[str, Any], issuer: str, key: str, now: int) -> SupabaseUser | None:
    """Return whose claims these are, or None where they are no signed-in user's of the project."""
    if payload.get("iss") != issuer or payload.get("aud") != AUDIENCE:
        return None
    if payload.get("role") != ROLE or payload.get("is_anonymous", False) is not False:
        return None
    expires_at, user = lifetime(payload, now), payload.get("sub")
    if expires_at is None or not isinstance(user, str) or not _is_uuid(user):
        return None
    return SupabaseUser(user, expires_at, key)


def _decoded(token: str, key: Any, algorithm: str) -> dict[str, Any] | None:  # noqa: ANN401 - a secret or a public key
    try:
        return jwt.decode(token, key, algorithms=[algorithm], options=UNCHECKED)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
