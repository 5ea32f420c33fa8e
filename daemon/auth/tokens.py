"""JSON Web Tokens: HS256 by the workspace's own secret, or by the operator's.

A token of the workspace's secret stays inside that workspace and inside what the workspace
allows to its tokens, whatever its claims say: a frontend may hold that secret. One of the
operator's secret may name any workspace that exists. Every refusal looks the same.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jwt

from daemon.auth.principal import Principal
from daemon.auth.read_through import ReadThrough
from daemon.auth.scopes import Scope, known_scopes, widen
from sessions.errors import InvalidId
from sessions.ids import check_workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.storage.workspaces import Workspace, WorkspaceStore
    from sessions.ports import Clock

ALGORITHMS = ["HS256"]  # an allow-list: `none`, and keys mistaken for others, never get through
LEEWAY_S = 5  # clocks differ
WORKSPACE_CLAIMS = ("workspace_id", "workspaceId", "clinic_id")
TOKEN_MAX = 8192
_LATEST_S = 253_402_300_799  # the end of the year 9999
_SUBJECT_MAX = 200
#: Claims are checked by us: times against our clock. The signature, and that there is an end, here.
UNCHECKED: Any = {
    "require": ["exp"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
_NO_SECRET = secrets.token_urlsafe(32)  # what a secret that is not there is compared with


class Claims(NamedTuple):
    """What we read of a token's claims."""

    workspace: str
    subject: str
    expires_at: int  # milliseconds since 1970, leeway included
    scopes: frozenset[Scope] | None


class Tokens:
    """Checks tokens."""

    def __init__(self, store: WorkspaceStore, clock: Clock, operator: str | None = None) -> None:
        """``operator`` is the operator's secret, if there is one."""
        self._clock = clock
        self._operator = operator
        self._workspaces: ReadThrough[str, Workspace] = ReadThrough(store.find, clock)

    async def check(self, token: str) -> Principal | None:
        """Return whose token it is; None for every kind of wrong one."""
        named = _named_workspace(token)
        if named is None:
            return None
        workspace = await self._workspaces.get(named)
        signer = self._signer(token, workspace)
        if workspace is None or signer is None:
            return None
        secret, by, payload = signer
        claims = read_claims(payload, self._clock.now_ms())
        return _principal(claims, workspace, secret, by) if claims else None

    async def is_valid(self, credential: str) -> bool:
        """Tell whether the secret that signed a principal's token is still in use."""
        _, mark, name, _ = credential.split(":", 3)
        workspace = await self._workspaces.get(name)
        if workspace is None:
            return False
        return mark in {
            fingerprint(workspace.jwt_secret),
            fingerprint(self._operator or _NO_SECRET),
        }

    def _signer(
        self, token: str, workspace: Workspace | None
    ) -> tuple[str, Literal["workspace", "operator"], dict[str, Any]] | None:
        """Return the secret that signed the token; both are tried for an unknown workspace too."""
        own = workspace.jwt_secret if workspace else _NO_SECRET
        by_own = _verified(token, own)
        by_operator = _verified(token, self._operator or _NO_SECRET)
        if by_own is not None and workspace is not None:
            return own, "workspace", by_own
        if by_operator is not None and self._operator is not None:
            return self._operator, "operator", by_operator
        return None


def sign(
    secret: str, workspace: str, *, expires_s: int, subject: str, scopes: str | None = None
) -> str:
    """Return a token; ``scopes`` None leaves it what the workspace allows."""
    claims: dict[str, Any] = {"sub": subject, "workspace_id": workspace, "exp": expires_s}
    if scopes is not None:
        claims["scope"] = scopes
    return jwt.encode(claims, secret, algorithm=ALGORITHMS[0])


def fingerprint(secret: str) -> str:
    """Return a name for a secret that tells nothing about it."""
    return hashlib.sha256(b"zapd fingerprint\0" + secret.encode()).hexdigest()[:16]


def read_claims(payload: Mapping[str, Any], now: int) -> Claims | None:
    """Return the claims of a verified token, or None where they are wrong, early or late."""
    workspace, expires_at = _workspace_of(payload), lifetime(payload, now)
    if workspace is None or expires_at is None:
        return None
    subject, scope = payload.get("sub", ""), payload.get("scope")
    if isinstance(scope, list) and all(isinstance(word, str) for word in scope):
        scope = " ".join(scope)
    if not isinstance(subject, str | int) or not isinstance(scope, str | None):
        return None
    scopes = None if scope is None else known_scopes(scope)
    return Claims(workspace, _shown(str(subject)), expires_at, scopes)


def lifetime(payload: Mapping[str, Any], now: int) -> int | None:
    """Return until when the claims hold, leeway included; None if not now, or not to be told."""
    expires, early = _seconds(payload.get("exp")), _seconds(payload.get("nbf", 0))
    if expires is None or early is None:
        return None
    expires_at = int((expires + LEEWAY_S) * 1000)
    if now >= expires_at or now < (early - LEEWAY_S) * 1000:
        return None
    return expires_at


def _principal(
    claims: Claims, workspace: Workspace, secret: str, by: Literal["workspace", "operator"]
) -> Principal:
    allowed = widen(known_scopes(",".join(workspace.token_scopes)))
    scopes = allowed if claims.scopes is None else widen(claims.scopes)
    return Principal(
        workspace=workspace.id,
        subject=claims.subject or "token",
        scopes=scopes & allowed if by == "workspace" else scopes,
        kind="jwt",
        credential=f"jwt:{fingerprint(secret)}:{workspace.id}:{claims.subject}",
        expires_at=claims.expires_at,
    )


def _named_workspace(token: str) -> str | None:
    """Return the workspace that the token names, before its signature is known to be good."""
    if len(token) > TOKEN_MAX:
        return None
    try:
        payload = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    return _workspace_of(payload)


def _verified(token: str, secret: str) -> dict[str, Any] | None:
    try:
        return jwt.decode(token, secret, algorithms=ALGORITHMS, options=UNCHECKED)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None


def _workspace_of(payload: Mapping[str, Any]) -> str | None:
    """Return the one workspace that the claims name; None for none, and for two that differ."""
    given = [payload[claim] for claim in WORKSPACE_CLAIMS if payload.get(claim) is not None]
    if not given or any(name != given[0] for name in given) or not isinstance(given[0], str):
        return None
    try:
        return check_workspace(given[0])
    except InvalidId:
        return None


def _shown(subject: str) -> str:
    """Return the subject as it can stand in a log line and in a row."""
    return "".join(c if c.isprintable() else "?" for c in subject[:_SUBJECT_MAX])


def _seconds(value: object) -> float | None:
    """Return a NumericDate as seconds since 1970; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return max(-_LATEST_S, min(value, _LATEST_S))
