"""Which pages may call: pure questions about an ``Origin`` header.

A browser adds ``Origin`` by itself and a page cannot change it. So a request that carries
the cookie and wants to change something, and every WebSocket, must come from our own page
or from one that the operator listed. Programs other than browsers send no ``Origin`` and
no cookie: they show a credential instead.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

_USUAL_PORT = {"http": 80, "https": 443}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def normal(origin: str) -> str | None:
    """Return the origin in lower case without its scheme's own port; None for what is none."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _USUAL_PORT or not parts.hostname or _has_more(origin):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = port in {None, _USUAL_PORT[parts.scheme]}
    return f"{parts.scheme}://{host}" + ("" if usual else f":{port}")


def is_own(origin: str, host: str | None) -> bool:
    """Tell whether the page was served by us: its origin is the ``Host`` that was asked.

    The scheme is not compared: behind a proxy that ends TLS we do not see it.
    """
    own = normal(origin)
    if own is None or not host:
        return False
    scheme = own.partition(":")[0]
    return normal(f"{scheme}://{host}") == own


def is_allowed(origin: str | None, host: str | None, listed: Collection[str]) -> bool:
    """Tell whether a page of that origin may act: ours, or one that the operator listed.

    ``listed`` is in normal form (:attr:`Settings.cors_origins` and ``public_url`` are).
    No origin, and the origin ``null``, are not allowed.
    """
    if origin is None:
        return False
    return is_own(origin, host) or normal(origin) in listed


def may_use_cookie(
    method: str, origin: str | None, host: str | None, listed: Collection[str]
) -> bool:
    """Tell whether a request may act on its cookie alone: reads may, without an Origin too."""
    if method in SAFE_METHODS and origin is None:
        return True
    return is_allowed(origin, host, listed)


def may_open_websocket(origin: str | None, host: str | None, listed: Collection[str]) -> bool:
    """Tell whether a WebSocket may open: a program without Origin, or a page that is allowed."""
    return origin is None or is_allowed(origin, host, listed)


def cors_origin(origin: str | None, listed: Collection[str]) -> str | None:
    """Return the value of ``Access-Control-Allow-Origin`` for a listed page, else None."""
    return origin if origin is not None and normal(origin) in listed else None


def _has_more(origin: str) -> bool:
    """Tell whether there is a path, a query, a fragment or a user in it, or a blank."""
    rest = origin.partition("://")[2]
    return any(character in rest or character.isspace() for character in "/?#@\\") or not (
        origin.isascii() and origin.isprintable() and " " not in origin
    )
