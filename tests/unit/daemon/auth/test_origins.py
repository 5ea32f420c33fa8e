from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from daemon.auth.origins import cors_origin, is_allowed, may_open_websocket, may_use_cookie, normal

HOST = "127.0.0.1:8420"
OWN = f"http://{HOST}"
LISTED = frozenset({"https://crm.example.org", "http://localhost:3000"})


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        (OWN, HOST, True),
        ("https://zap.example.org", "zap.example.org", True),  # TLS ends at the proxy
        ("http://zap.example.org:80", "zap.example.org", True),
        ("http://[::1]:8420", "[::1]:8420", True),
        ("https://crm.example.org", HOST, True),
        ("https://CRM.example.org:443", HOST, True),
        ("http://localhost:3000", HOST, True),
        ("http://localhost:8420", HOST, False),
        ("http://127.0.0.1:8421", HOST, False),
        ("http://127.0.0.1", HOST, False),
        ("http://crm.example.org", HOST, False),
        ("https://crm.example.org.evil.example", HOST, False),
        ("https://evil-crm.example.org", HOST, False),
        ("https://crm.example.org/", HOST, False),
        ("https://crm.example.org@evil.example", HOST, False),
        ("http://evil.example", "evil.example/x", False),
        (f"{OWN}.evil.example", HOST, False),
        ("file://", HOST, False),
        ("null", HOST, False),
        ("null", "null", False),
        ("", HOST, False),
        ("", "", False),
        (None, HOST, False),
        (OWN, None, False),
        ("http://a:x", "a:x", False),
    ],
)
def test_our_own_pages_and_the_listed_ones_may_act(
    origin: str | None, host: str | None, expected: bool
) -> None:
    """Nothing that only looks like them does."""
    assert is_allowed(origin, host, LISTED) is expected


@pytest.mark.parametrize(
    ("method", "origin", "expected"),
    [
        ("GET", None, True),
        ("HEAD", None, True),
        ("GET", OWN, True),
        ("GET", "http://evil.example", False),
        ("POST", OWN, True),
        ("POST", None, False),
        ("DELETE", "null", False),
        ("POST", "http://evil.example", False),
        ("POST", "https://crm.example.org", True),
    ],
)
def test_the_cookie_acts_for_allowed_pages_only(
    method: str, origin: str | None, expected: bool
) -> None:
    """Unsafe requests need an Origin that is allowed."""
    assert may_use_cookie(method, origin, HOST, LISTED) is expected


def test_a_websocket_opens_for_programs_and_allowed_pages() -> None:
    """A program sends no Origin, a foreign page always does."""
    assert may_open_websocket(None, HOST, LISTED)
    assert may_open_websocket(OWN, HOST, LISTED)
    assert not may_open_websocket("http://evil.example", HOST, LISTED)


def test_listed_pages_are_answered_with_their_origin() -> None:
    """As they wrote it; all others get no such header."""
    assert cors_origin("https://crm.example.org", LISTED) == "https://crm.example.org"
    assert cors_origin("http://evil.example", LISTED) is None
    assert cors_origin("null", LISTED) is None
    assert cors_origin(None, LISTED) is None


@given(st.text(), st.text())
def test_no_text_breaks_it(origin: str, host: str) -> None:
    """Any text is a yes or a no, and never a yes without a list and another host."""
    assert not is_allowed(origin, "the.host:1", ()) or normal(origin) in {
        "http://the.host:1",
        "https://the.host:1",
    }
    is_allowed(origin, host, LISTED)
