"""API keys: ``zk_<id>_<secret>``. The id may be shown, the secret is known to its holder alone.

The secret has 256 random bits, so a plain SHA-256 of it is all that is kept: there is
nothing to guess that a slow hash would protect.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
import string
from typing import TYPE_CHECKING

from daemon.auth.principal import Principal
from daemon.auth.read_through import ReadThrough
from daemon.auth.scopes import Scope, known_scopes, widen
from daemon.storage.keys import KeyRow

if TYPE_CHECKING:
    from daemon.storage.keys import KeyStore
    from sessions.ports import Clock

PREFIX = "zk_"
TOUCH_MS = 60_000  # "last used" is right to the minute: a write a request would be too many
_ID = string.ascii_lowercase + string.digits
_SECRET = string.ascii_letters + string.digits
_FORMAT = re.compile(r"zk_([a-z0-9]{8})_([A-Za-z0-9]{32,128})")
_NO_HASH = bytes(32)
_log = logging.getLogger(__name__)


def new_key(
    workspace: str,
    scopes: frozenset[Scope],
    *,
    now: int,
    label: str = "",
    session: str | None = None,
) -> tuple[str, KeyRow]:
    """Return a new key as its holder gets it, and what is kept of it."""
    key_id = "".join(secrets.choice(_ID) for _ in range(8))
    secret = "".join(secrets.choice(_SECRET) for _ in range(43))  # 43 * log2(62) = 256 bits
    row = KeyRow(
        id=key_id,
        workspace=workspace,
        hash=_digest(secret),
        scopes=",".join(sorted(scopes)),
        label=label,
        created_at=now,
        session=session,
    )
    return f"{PREFIX}{key_id}_{secret}", row


def parse_key_id(text: str) -> str:
    """Return the id in ``<id>``, ``zk_<id>`` or a whole key, as people paste them."""
    return text.strip().removeprefix(PREFIX).partition("_")[0]


class ApiKeys:
    """Checks API keys."""

    def __init__(self, store: KeyStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._rows: ReadThrough[str, KeyRow] = ReadThrough(store.find, clock)
        self._touches: dict[asyncio.Task[None], str] = {}

    async def check(self, key: str) -> Principal | None:
        """Return who holds the key; None for every kind of wrong one."""
        match = _FORMAT.fullmatch(key)
        if not match:
            return None
        row = await self._rows.get(match[1])
        right = hmac.compare_digest(_digest(match[2]), row.hash if row else _NO_HASH)
        if row is None or not right or row.revoked_at is not None:
            return None
        self._touch(row)
        return _principal(row)

    async def is_valid(self, key_id: str) -> bool:
        """Tell whether the key of that id is there and not revoked."""
        row = await self._rows.get(key_id)
        return row is not None and row.revoked_at is None

    async def close(self) -> None:
        """Finish what is being written."""
        await asyncio.gather(*self._touches, return_exceptions=True)

    def _touch(self, row: KeyRow) -> None:
        now = self._clock.now_ms()
        if now - (row.last_used_at or 0) < TOUCH_MS or row.id in self._touches.values():
            return
        task = asyncio.get_running_loop().create_task(self._store.touch(row.id, now))
        self._touches[task] = row.id
        task.add_done_callback(self._touched)

    def _touched(self, task: asyncio.Task[None]) -> None:
        self._rows.drop(self._touches.pop(task))
        if not task.cancelled() and (error := task.exception()):
            _log.warning("It could not be noted that an API key was used: %s", error)


def _principal(row: KeyRow) -> Principal:
    return Principal(
        workspace=row.workspace,
        subject=row.label or f"key {row.id}",
        scopes=widen(known_scopes(row.scopes)),
        kind="api_key",
        credential=f"key:{row.id}",
        sessions=None if row.session is None else frozenset({row.session}),
    )


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
