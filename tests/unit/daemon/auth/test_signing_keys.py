from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import orjson
import pytest
import pytest_asyncio

from daemon.auth import signing_keys as module
from daemon.auth.signing_keys import (
    FRESH_MS,
    RETRY_MS,
    SOON_MS,
    STALE_MS,
    NoKeys,
    SigningKeys,
    fetch_body,
    read_keys,
)
from daemon.errors import ApiError
from tests.support.supabase_project import JWKS, Project, SigningPair
from tests.unit.daemon.manual_clock import ManualClock

ONE, TWO = SigningPair("one"), SigningPair("two", "RS256")


class Source:
    """Where the keys are: counts how often it is asked, and can be down or slow."""

    def __init__(self) -> None:
        self.pairs = [ONE]
        self.asked = 0
        self.is_down = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, url: str) -> bytes:
        """Return the set of keys."""
        self.asked += 1
        await self.gate.wait()
        if self.is_down:
            raise NoKeys("no answer")
        return orjson.dumps({"keys": [pair.jwk for pair in self.pairs]})


@pytest.fixture
def source() -> Source:
    """Return a source with one key."""
    return Source()


@pytest_asyncio.fixture
async def keys(source: Source, clock: ManualClock) -> AsyncIterator[SigningKeys]:
    """Yield keys that were not asked for yet."""
    made = SigningKeys("http://project", clock, source.fetch)
    yield made
    await made.close()


@pytest.fixture
def quiet() -> Iterator[None]:
    """Let warnings be."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


async def settled() -> None:
    """Let what was begun in the background end."""
    for _ in range(5):
        await asyncio.sleep(0)


def pass_ms(clock: ManualClock, ms: int) -> None:
    """Let time pass."""
    clock.forward(ms / 1000)


async def test_keys_are_asked_for_once_in_ten_minutes(
    keys: SigningKeys, source: Source, clock: ManualClock
) -> None:
    """Of many that ask at once, one goes."""
    assert source.asked == 0
    found = await asyncio.gather(*(keys.get("one") for _ in range(20)))
    assert {key.algorithm for key in found if key} == {"ES256"}
    pass_ms(clock, SOON_MS - 1)
    assert await keys.get("one") is not None
    await settled()
    assert source.asked == 1


async def test_nobody_waits_for_keys_that_are_about_to_be_old(
    keys: SigningKeys, source: Source, clock: ManualClock
) -> None:
    """They are asked for in the background."""
    await keys.get("one")
    pass_ms(clock, SOON_MS)
    source.gate.clear()
    assert await keys.get("one") is not None
    await asyncio.sleep(0)
    assert source.asked == 2


async def test_a_revoked_key_is_refused_when_the_keys_are_old(
    keys: SigningKeys, source: Source, clock: ManualClock
) -> None:
    """Ten minutes after they were read, and no stream stays that it let in."""
    await keys.get("one")
    source.pairs = [TWO]
    pass_ms(clock, FRESH_MS)
    assert keys.knows("one")
    assert await keys.get("one") is None
    assert not keys.knows("one")


async def test_an_unknown_key_is_asked_for_once_in_half_a_minute(
    keys: SigningKeys, source: Source, clock: ManualClock
) -> None:
    """A flood of made-up tokens makes no flood of requests; a new key is found."""
    await keys.get("one")
    source.pairs = [ONE, TWO]
    for number in range(50):
        assert await keys.get(f"made up {number}") is None
    assert source.asked == 1
    pass_ms(clock, RETRY_MS)
    assert await keys.get("two") is not None
    assert source.asked == 2


@pytest.mark.usefixtures("quiet")
async def test_known_keys_outlive_an_outage_by_a_day(
    keys: SigningKeys, source: Source, clock: ManualClock
) -> None:
    """Only the first to meet it waits; it is asked again every half minute."""
    await keys.get("one")
    source.is_down = True
    pass_ms(clock, FRESH_MS)
    assert await keys.get("one") is not None
    assert source.asked == 2
    source.gate.clear()
    pass_ms(clock, RETRY_MS)
    assert await keys.get("one") is not None
    await settled()
    assert source.asked == 3
    source.gate.set()
    await settled()
    pass_ms(clock, STALE_MS)
    assert not keys.knows("one")
    with pytest.raises(ApiError) as caught:
        await keys.get("one")
    assert caught.value.code == "supabase_unreachable"


@pytest.mark.usefixtures("quiet")
async def test_no_keys_at_all_is_not_the_users_fault(
    keys: SigningKeys, source: Source, clock: ManualClock
) -> None:
    """503 and not 401: a client that is told so does not throw its token away."""
    source.is_down = True
    for _ in range(2):
        with pytest.raises(ApiError) as caught:
            await keys.get("one")
        assert (caught.value.code, caught.value.status) == ("supabase_unreachable", 503)
    assert source.asked == 1
    source.is_down = False
    pass_ms(clock, RETRY_MS)
    assert await keys.get("one") is not None


async def test_what_is_old_is_refreshed_for_streams_too(
    keys: SigningKeys, source: Source, clock: ManualClock
) -> None:
    """Who only keeps a stream open never asks for a key."""
    await keys.get("one")
    keys.refresh()
    pass_ms(clock, SOON_MS)
    source.pairs = []
    keys.refresh()
    keys.refresh()
    await settled()
    assert source.asked == 2
    assert not keys.knows("one")


async def test_closing_gives_up_what_is_being_asked(source: Source, clock: ManualClock) -> None:
    """And leaves no task behind."""
    keys = SigningKeys("http://project", clock, source.fetch)
    source.gate.clear()
    keys.refresh()
    await asyncio.sleep(0)
    await keys.close()
    assert source.asked == 1
    await keys.close()


def test_only_keys_that_are_safe_to_use_are_read() -> None:
    """Others are left out: shared secrets, other curves, short keys, keys that encrypt."""
    short = SigningPair("short", "RS256", bits=1024)
    odd = [
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0", "alg": "HS256"},
        {**ONE.jwk, "kid": "other algorithm", "alg": "ES384"},
        {**ONE.jwk, "kid": "hmac", "alg": "HS256"},
        {**ONE.jwk, "kid": "encrypts", "use": "enc"},
        {**ONE.jwk, "kid": "curve", "crv": "P-384"},
        {**ONE.jwk, "kid": "broken", "x": "?"},
        {**ONE.jwk, "kid": 7},
        {**ONE.jwk, "kid": "no point", "x": None},
        short.jwk,
        "no key",
        {},
    ]
    good = {**TWO.jwk, "kid": "unnamed"}
    del good["alg"]
    body = orjson.dumps({"keys": [*odd, ONE.jwk, TWO.jwk, good]})
    found = read_keys(body)
    assert {id: key.algorithm for id, key in found.items()} == {
        "one": "ES256",
        "two": "RS256",
        "unnamed": "RS256",
    }
    assert read_keys(b'{"keys":[]}') == {}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"keys":{}}', b"\xff"])
def test_what_is_no_set_of_keys_is_said(body: bytes) -> None:
    """A proxy's page does not empty the keys that are known."""
    with pytest.raises(NoKeys):
        read_keys(body)


async def test_the_keys_come_over_http(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a real server; one that answers otherwise, too much or not at all is no source."""
    async with Project() as project:
        found = read_keys(await fetch_body(project.url + JWKS))
        assert list(found) == ["key-1"]
        with pytest.raises(NoKeys, match="status 404"):
            await fetch_body(project.url + "/elsewhere")
        keys = SigningKeys(project.url + JWKS, clock)
        assert await keys.get("key-1") is not None
        await keys.close()
        monkeypatch.setattr(module, "BODY_MAX", 10)
        with pytest.raises(NoKeys, match="over 10 bytes"):
            await fetch_body(project.url + JWKS)
        url = project.url
    with pytest.raises(NoKeys, match="ConnectError"):
        await fetch_body(url + JWKS)
