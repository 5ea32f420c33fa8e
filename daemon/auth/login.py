"""Signing a browser in: a link that works once, for ten minutes, and the cookie it gives.

Both are 256 random bits of which the database keeps a SHA-256. A link signs in as the console,
or as a member: then the member's row says what the browser may, at each request. The cookie is for the
page on the daemon's own pages: whoever uses it from elsewhere is stopped by SameSite
and by the Origin check (:mod:`daemon.auth.origins`).
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, NamedTuple

from daemon.auth.principal import PERSON, Principal
from daemon.auth.read_through import ReadThrough
from daemon.auth.scopes import Scope, widen
from daemon.errors import ApiError

if TYPE_CHECKING:
    from daemon.storage.logins import BrowserSession, LoginStore
    from sessions.ports import Clock

COOKIE = "zapd_session"
LINK_MS = 10 * 60_000
SESSION_MS = 12 * 3_600_000
_SCOPES = widen(frozenset({Scope.ADMIN}))


class SignedIn(NamedTuple):
    """What a used link gives: the cookie's value, and until when it is good."""

    cookie: str
    principal: Principal


class Logins:
    """Makes links, exchanges them for cookies, and checks cookies."""

    def __init__(self, store: LoginStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._by_cookie: ReadThrough[bytes, BrowserSession] = ReadThrough(store.find, clock)
        self._by_id: ReadThrough[str, BrowserSession] = ReadThrough(store.find_by_id, clock)

    async def create_link(self, workspace: str, user: str | None = None) -> str:
        """Return the token of a new link; its workspace must exist. ``user``: a member of it."""
        token, now = secrets.token_urlsafe(32), self._clock.now_ms()
        expires_at = now + LINK_MS
        await self._store.add_link(_digest(token), workspace, user, now=now, expires_at=expires_at)
        return token

    async def use_link(self, token: str) -> SignedIn:
        """Use a link up.

        Raises:
            ApiError: ``link_used`` for one that was used, is too old, or never was.
        """
        cookie, now = secrets.token_urlsafe(32), self._clock.now_ms()
        session = await self._store.exchange(
            _digest(token),
            _digest(cookie),
            secrets.token_hex(8),
            now=now,
            expires_at=now + SESSION_MS,
        )
        if session is None:
            raise ApiError("link_used")
        return SignedIn(cookie, _principal(session))

    async def check(self, cookie: str) -> Principal | None:
        """Return whose cookie it is; None for every kind of wrong one."""
        session = await self._by_cookie.get(_digest(cookie))
        if session is None or self._clock.now_ms() >= session.expires_at:
            return None
        return _principal(session)

    async def is_valid(self, session_id: str) -> bool:
        """Tell whether the browser session is still there."""
        return await self._by_id.get(session_id) is not None

    async def sign_out(self, cookie: str) -> None:
        """End the browser session; its streams end within a second or so."""
        digest = _digest(cookie)
        session = await self._store.find(digest)
        await self._store.end(digest)
        self._by_cookie.drop(digest)
        if session is not None:
            self._by_id.drop(session.id)


def login_url(base: str, token: str) -> str:
    """Return the link that a person opens."""
    return f"{base.rstrip('/')}/login/{token}"


def set_cookie(value: str, *, secure: bool) -> str:
    """Return the ``Set-Cookie`` header that signs a browser in; ``secure`` where it has https."""
    return _header(value, SESSION_MS // 1000, secure=secure)


def clear_cookie(*, secure: bool) -> str:
    """Return the ``Set-Cookie`` header that signs a browser out."""
    return _header("", 0, secure=secure)


def _header(value: str, seconds: int, *, secure: bool) -> str:
    end = "; Secure" if secure else ""
    return f"{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{end}"


def _principal(session: BrowserSession) -> Principal:
    is_person = session.user is not None
    return Principal(
        workspace=session.workspace,
        subject=session.user or "console",
        scopes=frozenset() if is_person else _SCOPES,  # a person's come with the membership
        kind="cookie",
        credential=f"{PERSON if is_person else 'cookie:'}{session.id}",
        expires_at=session.expires_at,
    )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
