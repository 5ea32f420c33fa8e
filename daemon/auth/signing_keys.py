"""The public keys that a Supabase project signs its users' tokens with (a JWKS).

They are kept for ten minutes, as long as Supabase's own edge keeps them, and asked for anew a
little before that, so that nobody waits. While Supabase does not answer, those that are known
still count, for a day. A key that is not known is asked for, but not more often than every half
minute: a flood of made-up tokens makes no flood of requests.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jwt
import orjson

from daemon.clock import Steady
from daemon.errors import ApiError

if TYPE_CHECKING:
    from sessions.ports import Clock

FRESH_MS = 10 * 60_000
SOON_MS = 8 * 60_000
RETRY_MS = 30_000
STALE_MS = 24 * 3_600_000
BODY_MAX = 256 << 10
SECONDS = 8.0  # for the whole answer
CONNECT_SECONDS = 3.0
RSA_BITS = 2048
_OK = 200

log = logging.getLogger("zapd.supabase")

#: Returns the body of an address; raises :class:`NoKeys`.
Fetch = Callable[[str], Awaitable[bytes]]


class NoKeys(Exception):
    """The keys could not be had; the sentence says why, without a secret."""


class SigningKey(NamedTuple):
    """A public key, and the one algorithm it is for."""

    algorithm: str
    key: Any  # a public key of cryptography's


class SigningKeys:
    """The keys at one address, by their ids."""

    def __init__(self, url: str, clock: Clock, fetch: Fetch | None = None) -> None:
        """Ask ``url``; nothing is asked before the first key is."""
        self._url = url
        self._fetch = fetch or fetch_body
        self._passed = Steady(clock)
        self._keys: dict[str, SigningKey] = {}
        self._fetched: int | None = None
        self._tried: int | None = None
        self._failed = False
        self._fetching: asyncio.Task[None] | None = None

    async def get(self, id: str) -> SigningKey | None:
        """Return the key; None where the project has none of that id.

        Raises:
            ApiError: ``supabase_unreachable`` where that cannot be told.
        """
        if id in self._keys and self._age() < FRESH_MS:
            self.refresh()
            return self._keys[id]
        self._ask()
        if self._fetching is not None and not (self.knows(id) and self._failed):
            await asyncio.shield(self._fetching)
        if self.knows(id):
            return self._keys[id]
        if self._failed:
            raise ApiError("supabase_unreachable", headers={"Retry-After": "30"})
        return None

    def knows(self, id: str) -> bool:
        """Tell whether the key still counts, as far as is known; never waits."""
        return id in self._keys and self._age() < STALE_MS

    def refresh(self) -> None:
        """Ask again, in the background, if it is about time."""
        if self._age() >= SOON_MS:
            self._ask()

    async def close(self) -> None:
        """Give up what is being asked."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _age(self) -> float:
        return float("inf") if self._fetched is None else self._passed() - self._fetched

    def _ask(self) -> None:
        now = self._passed()
        if self._fetching is not None or (self._tried is not None and now - self._tried < RETRY_MS):
            return
        self._tried = now
        self._fetching = asyncio.get_running_loop().create_task(self._refetch())

    async def _refetch(self) -> None:
        try:
            self._keys = read_keys(await self._fetch(self._url))
        except NoKeys as error:
            self._failed = True
            log.warning("Supabase's signing keys could not be read: %s", error)
        else:
            self._failed = False
            self._fetched = self._passed()
        finally:
            self._fetching = None


def read_keys(body: bytes) -> dict[str, SigningKey]:
    """Return the keys of a JWKS that we take: P-256 for ES256, RSA of 2048 bits for RS256.

    Others are left out, not refused: a project may have some for other purposes. Raises
    :class:`NoKeys` for what is no JWKS.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NoKeys("what came is not JSON") from error
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise NoKeys("what came is no set of keys")
    found = ((each.get("kid"), _read_key(each)) for each in listed if isinstance(each, dict))
    return {id: key for id, key in found if isinstance(id, str) and key is not None}


def _read_key(jwk: dict[str, Any]) -> SigningKey | None:
    algorithm = _algorithm(jwk)
    if algorithm is None or jwk.get("alg", algorithm) != algorithm:
        return None
    if jwk.get("use", "sig") != "sig":
        return None
    public = {name: value for name, value in jwk.items() if name != "d"}
    try:
        key = jwt.PyJWK(public, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if algorithm == "RS256" and key.key_size < RSA_BITS:
        return None
    return SigningKey(algorithm, key)


def _algorithm(jwk: dict[str, Any]) -> str | None:
    """Return the one algorithm for keys of that kind: the token's own word never decides it."""
    if jwk.get("kty") == "RSA":
        return "RS256"
    return "ES256" if jwk.get("kty") == "EC" and jwk.get("crv") == "P-256" else None


async def fetch_body(url: str) -> bytes:
    """Return what is at the address; raise :class:`NoKeys`."""
    import httpx  # noqa: PLC0415 - some 15 MiB that only Supabase needs

    timeout = httpx.Timeout(SECONDS, connect=CONNECT_SECONDS)
    body = b""
    try:
        async with (
            asyncio.timeout(SECONDS),
            httpx.AsyncClient(timeout=timeout) as client,
            client.stream("GET", url) as response,
        ):
            if response.status_code != _OK:
                raise NoKeys(f"the answer has the status {response.status_code}")
            async for part in response.aiter_bytes():
                body += part
                if len(body) > BODY_MAX:
                    raise NoKeys(f"the answer is over {BODY_MAX} bytes")
    except (httpx.HTTPError, TimeoutError) as error:
        raise NoKeys(f"no answer ({type(error).__name__})") from error
    return body
