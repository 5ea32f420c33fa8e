from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from daemon.auth.scopes import Scope, known_scopes, parse_scopes, widen
from daemon.auth.tokens import LEEWAY_S, Tokens, read_claims, sign
from daemon.storage.database import Database
from daemon.storage.workspaces import WorkspaceStore
from tests.unit.daemon.auth.people import NOW_S, OPERATOR, secret_of, token
from tests.unit.daemon.manual_clock import START_MS, ManualClock

ALLOWED = widen(parse_scopes("read send metadata"))


@pytest.fixture
def tokens(database: Database, workspaces: WorkspaceStore, clock: ManualClock) -> Tokens:
    """Return the checker, which knows the operator's secret."""
    return Tokens(workspaces, clock, OPERATOR)


@pytest.fixture
async def secret(workspaces: WorkspaceStore) -> str:
    """Return the secret of `acme`."""
    return await secret_of(workspaces, "acme")


def unsigned(header: dict[str, Any], claims: dict[str, Any], key: bytes | None = None) -> str:
    """Return a token made by hand, as an attacker would."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in (header, claims)
    ]
    body = b".".join(parts)
    mark = hmac.new(key, body, hashlib.sha256).digest() if key is not None else b""
    return (body + b"." + base64.urlsafe_b64encode(mark).rstrip(b"=")).decode()


@pytest.mark.parametrize("claim", ["workspace_id", "workspaceId", "clinic_id"])
async def test_each_name_of_the_workspace_claim_is_known(
    tokens: Tokens, secret: str, claim: str
) -> None:
    """The documents name the workspace in three ways."""
    principal = await tokens.check(token(secret, sub="u1", **{claim: "acme"}))
    assert principal is not None
    assert (principal.workspace, principal.subject, principal.kind) == ("acme", "u1", "jwt")
    assert principal.scopes == ALLOWED
    assert principal.expires_at == (NOW_S + 3600 + LEEWAY_S) * 1000


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("read", "read"),
        (["read", "send"], "read send"),
        ("admin", "read send metadata"),
        ("manage pair openid", ""),
        ("stream", "stream"),
        ("", ""),
        ([], ""),
    ],
)
async def test_a_workspaces_token_has_what_its_workspace_allows(
    tokens: Tokens, secret: str, scope: object, expected: str
) -> None:
    """Whatever the claims say, nothing beyond it."""
    principal = await tokens.check(token(secret, workspace_id="acme", scope=scope))
    assert principal is not None
    assert principal.scopes == widen(known_scopes(expected)) & ALLOWED


async def test_the_operators_token_may_name_any_workspace(tokens: Tokens) -> None:
    """And any scope; without a claim it has what the workspace allows."""
    for workspace in ("acme", "beta"):
        principal = await tokens.check(token(OPERATOR, workspace_id=workspace, scope="admin"))
        assert principal is not None
        assert (principal.workspace, principal.scopes) == (workspace, frozenset(Scope))
    plain = await tokens.check(token(OPERATOR, workspace_id="acme"))
    assert plain is not None
    assert plain.scopes == ALLOWED


async def test_a_workspaces_secret_stays_inside_its_workspace(tokens: Tokens, secret: str) -> None:
    """It cannot name another, one that is not there, none, or two."""
    for claims in (
        {"workspace_id": "beta"},
        {"workspace_id": "nobody"},
        {},
        {"workspace_id": "acme", "clinic_id": "beta"},
        {"workspace_id": ["acme"]},
        {"workspace_id": "acme\ud800"},
        {"workspace_id": ""},
    ):
        assert await tokens.check(token(secret, **claims)) is None
    assert await tokens.check(token(OPERATOR, workspace_id="nobody")) is None


async def test_other_algorithms_are_refused(tokens: Tokens, secret: str) -> None:
    """HS256 alone is good: not none, not HS512, not a header that lies."""
    claims = {"workspace_id": "acme", "exp": NOW_S + 3600}
    wrong = [
        jwt.encode(claims, secret * 2, algorithm="HS512"),
        unsigned({"alg": "none", "typ": "JWT"}, claims),
        unsigned({"alg": "NONE"}, claims, secret.encode()),
        unsigned({"alg": "RS256"}, claims, secret.encode()),
        unsigned({"alg": "HS256"}, claims),
        unsigned({"alg": "HS256"}, claims, b""),
        unsigned({"typ": "JWT"}, claims, secret.encode()),
    ]
    assert [await tokens.check(text) for text in wrong] == [None] * len(wrong)
    right = unsigned({"alg": "HS256"}, claims, secret.encode())
    assert await tokens.check(right) is not None


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a.b.c", "é.é.é", "eyJ.eyJ.", "x" * 9000, "[" * 5000]
)
async def test_rubbish_is_refused(tokens: Tokens, text: str) -> None:
    """What is no token is like a wrong one."""
    assert await tokens.check(text) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW_S - LEEWAY_S},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": -(10**400)},
        {"nbf": NOW_S + LEEWAY_S + 1},
        {"nbf": "later"},
        {"scope": {"read": 1}},
        {"scope": [1]},
        {"scope": 5},
        {"sub": ["x"]},
    ],
)
async def test_wrong_times_and_types_are_refused(
    tokens: Tokens, secret: str, claims: dict[str, Any]
) -> None:
    """A token that is over, early or of the wrong types does not let in."""
    assert await tokens.check(token(secret, **{"workspace_id": "acme", **claims})) is None


async def test_a_token_must_end(tokens: Tokens, secret: str) -> None:
    """Without `exp` a token is refused."""
    endless = jwt.encode({"workspace_id": "acme"}, secret, algorithm="HS256")
    assert await tokens.check(endless) is None


async def test_a_token_ends(tokens: Tokens, secret: str, clock: ManualClock) -> None:
    """Up to some seconds after `exp`, since clocks differ."""
    text = token(secret, workspace_id="acme", exp=NOW_S + 10)
    clock.forward(10 + LEEWAY_S - 1)
    assert await tokens.check(text)
    clock.forward(1)
    assert await tokens.check(text) is None


async def test_odd_but_right_claims_are_taken(tokens: Tokens, secret: str) -> None:
    """A number as `sub`, a fraction as `exp`, a far end, an audience, control characters."""
    for claims in (
        {"sub": 42},
        {"exp": NOW_S + 0.5},
        {"exp": 10**400},
        {"aud": "somebody", "iss": "x", "iat": NOW_S + 9999, "jti": 7},
        {"sub": "a\nb\ud800" + "c" * 500},
    ):
        principal = await tokens.check(token(secret, **{"workspace_id": "acme", **claims}))
        assert principal is not None
        assert principal.subject.isprintable()
        assert len(principal.subject) <= 200
        principal.credential.encode()


async def test_without_the_operators_secret_only_workspaces_sign(
    database: Database, workspaces: WorkspaceStore, clock: ManualClock, secret: str
) -> None:
    """No secret of the operator's: nothing else takes its place."""
    tokens = Tokens(workspaces, clock)
    assert await tokens.check(token(OPERATOR, workspace_id="acme")) is None
    assert await tokens.check(token(secret, workspace_id="acme"))


async def test_a_rotated_secret_ends_its_tokens(
    tokens: Tokens, workspaces: WorkspaceStore, secret: str, clock: ManualClock
) -> None:
    """Within a second neither new requests nor open streams go on; the operator's do."""
    principal = await tokens.check(token(secret, workspace_id="acme"))
    operator = await tokens.check(token(OPERATOR, workspace_id="acme"))
    assert principal is not None
    assert operator is not None
    assert await tokens.is_valid(principal.credential)
    await workspaces.rotate("acme")
    clock.forward(1)
    assert await tokens.check(token(secret, workspace_id="acme")) is None
    assert not await tokens.is_valid(principal.credential)
    assert await tokens.is_valid(operator.credential)
    assert not await tokens.is_valid("jwt:abc:nobody:u")


async def test_the_credential_tells_no_secret(tokens: Tokens, secret: str) -> None:
    """It differs by who signed and whom it is for, and holds neither secret nor token."""
    text = token(secret, workspace_id="acme", sub="u1")
    one = await tokens.check(text)
    two = await tokens.check(token(secret, workspace_id="acme", sub="u2"))
    assert one is not None
    assert two is not None
    assert one.credential != two.credential
    assert secret not in repr(one)
    assert text not in repr(one)


async def test_what_we_sign_lets_in(tokens: Tokens, secret: str) -> None:
    """`zapd token` makes tokens that the daemon takes."""
    text = sign(secret, "acme", expires_s=NOW_S + 60, subject="cli", scopes="send")
    principal = await tokens.check(text)
    assert principal is not None
    assert principal.subject == "cli"
    assert principal.scopes == {Scope.SEND}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["acme", "beta", "default", "", "ACME", "nobody"])
CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        "workspace_id": NAMES | JSON,
        "workspaceId": NAMES | JSON,
        "clinic_id": NAMES | JSON,
        "workspace": NAMES,
        "scope": st.sampled_from(["admin", "read", "manage send", ["admin"]]) | JSON,
        "scopes": st.just("admin"),
        "role": st.just("service_role"),
        "sub": st.text() | JSON,
        "exp": st.just(NOW_S + 60) | JSON,
        "nbf": JSON,
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(claims=CLAIMS)
async def test_no_claims_lead_out_of_the_workspace(
    tokens: Tokens, secret: str, claims: dict[str, Any]
) -> None:
    """Whoever finds a workspace's secret stays inside it and inside its scopes."""
    signed = jwt.encode({"exp": NOW_S + 60, **claims}, secret, algorithm="HS256")
    principal = await tokens.check(signed)
    assert principal is None or (principal.workspace == "acme" and principal.scopes <= ALLOWED)


@given(claims=st.dictionaries(st.sampled_from(["workspace_id", "exp", "scope", "sub"]), JSON))
def test_reading_claims_never_fails(claims: dict[str, Any]) -> None:
    """Any claims are read or refused; nothing is raised."""
    found = read_claims(claims, START_MS)
    assert found is None or found.expires_at > START_MS
