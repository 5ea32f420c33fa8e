from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import jwt
import orjson
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings, strategies as st

from daemon.auth.signing_keys import SigningKeys
from daemon.auth.supabase_tokens import (
    SupabaseTokens,
    SupabaseUser,
    credential_of,
    read_user,
)
from daemon.auth.tokens import LEEWAY_S
from tests.support.supabase_project import SECRET, SigningPair, claims_of
from tests.unit.daemon.auth.people import NOW_S
from tests.unit.daemon.manual_clock import START_MS, ManualClock

URL = "https://ref.supabase.co"
ANA = str(uuid4())
ONE, TWO, OTHER = SigningPair("one"), SigningPair("two", "RS256"), SigningPair("one")


async def published(_: str) -> bytes:
    """Return the project's keys."""
    return orjson.dumps({"keys": [ONE.jwk, TWO.jwk]})


def claims(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - claims are anything
    """Return the claims of a user who is signed in."""
    return claims_of(URL, ANA, NOW_S, **more)


@pytest_asyncio.fixture
async def tokens(clock: ManualClock) -> AsyncIterator[SupabaseTokens]:
    """Yield the checker of a project that has no shared secret."""
    made = SupabaseTokens(URL, clock, keys=SigningKeys(URL, clock, published))
    yield made
    await made.close()


@pytest_asyncio.fixture
async def legacy(clock: ManualClock) -> AsyncIterator[SupabaseTokens]:
    """Yield the checker of a project with a shared secret."""
    made = SupabaseTokens(URL, clock, SECRET, SigningKeys(URL, clock, published))
    yield made
    await made.close()


def by_hand(header: dict[str, Any], payload: dict[str, Any], key: bytes | None = None) -> str:
    """Return a token made by hand, signed with an HMAC or not at all."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in (header, payload)
    ]
    body = b".".join(parts)
    mark = hmac.new(key, body, hashlib.sha256).digest() if key is not None else b""
    return (body + b"." + base64.urlsafe_b64encode(mark).rstrip(b"=")).decode()


@pytest.mark.parametrize("pair", [ONE, TWO])
async def test_a_users_token_says_who_it_is(tokens: SupabaseTokens, pair: SigningPair) -> None:
    """ES256 and RS256, by the key that the token names."""
    token = pair.sign(claims())
    assert tokens.issued(token)
    user = await tokens.check(token)
    assert user == SupabaseUser(ANA, (NOW_S + 3600 + LEEWAY_S) * 1000, pair.id)
    credential = credential_of(user, "acme")
    assert ANA in credential
    assert tokens.is_valid(credential)
    assert not tokens.is_valid(credential_of(user._replace(key="gone"), "acme"))


async def test_a_shared_secret_is_taken_where_it_was_given(
    tokens: SupabaseTokens, legacy: SupabaseTokens
) -> None:
    """And nowhere else; beside it the published keys still count."""
    token = jwt.encode(claims(), SECRET, "HS256")
    user = await legacy.check(token)
    assert user is not None
    assert user.id == ANA
    assert legacy.is_valid(credential_of(user, "acme"))
    assert not tokens.is_valid(credential_of(user, "acme"))
    assert await tokens.check(token) is None
    assert await legacy.check(ONE.sign(claims())) is not None
    assert await legacy.check(jwt.encode(claims(), SECRET + "x", "HS256")) is None


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "none", "kid": "one"},
        {"alg": "None", "kid": "one"},
        {"alg": "ES256", "kid": "one"},
        {"alg": "ES256"},
        {"alg": None, "kid": "one"},
        {"alg": ["ES256"], "kid": "one"},
        {"kid": "one"},
        {"alg": "ES256", "kid": None},
        {"alg": "ES256", "kid": "x" * 300},
        {"alg": "ES256", "kid": "secret"},
        {"alg": "ES256", "kid": "a\nb"},
    ],
)
async def test_an_unsigned_token_is_refused(legacy: SupabaseTokens, header: dict[str, Any]) -> None:
    """Whatever its header says."""
    assert await legacy.check(by_hand(header, claims())) is None


async def test_a_public_key_is_no_secret(tokens: SupabaseTokens, legacy: SupabaseTokens) -> None:
    """HS256 signed with the bytes of the public key: the old confusion of algorithms."""
    public = ONE.private.public_key()
    shapes = [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        json.dumps(ONE.jwk).encode(),
        b"",
    ]
    for key in shapes:
        for id in ("one", "two"):
            token = by_hand({"alg": "HS256", "kid": id, "typ": "JWT"}, claims(), key)
            assert await tokens.check(token) is None
            assert await legacy.check(token) is None


async def test_a_key_is_for_its_own_algorithm_and_id(tokens: SupabaseTokens) -> None:
    """Wrong id, wrong key under the right id, an algorithm that is another key's."""
    unknown = SigningPair("unknown")
    swapped = jwt.encode(claims(), ONE.private, "ES256", {"kid": "two"})
    for token in (unknown.sign(claims()), OTHER.sign(claims()), swapped):
        assert await tokens.check(token) is None
    other = jwt.encode(claims(), TWO.private, "RS512", {"kid": "two"})
    assert await tokens.check(other) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://other.supabase.co/auth/v1"},
        {"iss": "supabase"},
        {"iss": None},
        {"aud": "anon"},
        {"aud": ["authenticated"]},
        {"aud": None},
        {"role": "service_role"},
        {"role": "anon"},
        {"role": None},
        {"is_anonymous": True},
        {"is_anonymous": "true"},
        {"is_anonymous": 1},
        {"sub": None},
        {"sub": "ana"},
        {"sub": ""},
        {"sub": ANA.upper()},
        {"sub": 7},
        {"exp": NOW_S - LEEWAY_S},
        {"exp": None},
        {"exp": "never"},
        {"nbf": NOW_S + 60},
    ],
)
async def test_a_signed_token_that_is_no_signed_in_users_is_refused(
    tokens: SupabaseTokens, wrong: dict[str, Any]
) -> None:
    """Another project's, an expired one, a key of the project, somebody anonymous."""
    payload = {name: value for name, value in claims(**wrong).items() if value is not None}
    assert await tokens.check(ONE.sign(payload)) is None


async def test_a_key_of_the_project_is_no_user(legacy: SupabaseTokens) -> None:
    """The legacy `anon` and `service_role` keys, signed with the shared secret."""
    for role in ("anon", "service_role"):
        key = {"iss": "supabase", "ref": "ref", "role": role, "iat": 1, "exp": NOW_S + 999}
        token = jwt.encode(key, SECRET, "HS256")
        assert not legacy.issued(token)
        assert await legacy.check(token) is None
        posing = jwt.encode(key | {"iss": f"{URL}/auth/v1"}, SECRET, "HS256")
        assert await legacy.check(posing) is None


async def test_it_is_told_where_a_token_comes_from(tokens: SupabaseTokens) -> None:
    """Only the project's own go here; what is no token goes elsewhere to be refused."""
    assert tokens.issued(OTHER.sign(claims()))
    assert not tokens.issued(ONE.sign(claims(iss="https://other.supabase.co/auth/v1")))
    for text in ("", "x", "a.b.c", "x" * 9000, jwt.encode({"sub": "a"}, SECRET, "HS256")):
        assert not tokens.issued(text)
    assert await tokens.check("a.b.c") is None


def test_user_metadata_means_nothing() -> None:
    """Users write it themselves."""
    plain = claims()
    del plain["user_metadata"]
    issuer = plain["iss"]
    assert read_user(plain, issuer, "one", START_MS) == read_user(
        claims(user_metadata={"role": "service_role", "workspace_id": "acme"}),
        issuer,
        "one",
        START_MS,
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200) | st.binary(max_size=120).map(lambda raw: raw.decode("latin-1")))
async def test_garbage_is_refused(legacy: SupabaseTokens, text: str) -> None:
    """Any text, also with the dots of a token."""
    for token in (text, f"{text}.{text}.{text}", f"{ONE.sign({})}{text}"):
        assert await legacy.check(token) is None
        assert not legacy.issued(token)
