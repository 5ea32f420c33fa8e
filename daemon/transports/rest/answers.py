"""How answers leave: JSON bytes, lists with an ETag, problems."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from daemon.errors import ApiError


def json_bytes(body: bytes, status: int = 200) -> Response:
    """Return ready JSON."""
    return Response(body, status, media_type="application/json")


def json(value: object, status: int = 200) -> Response:
    """Return a Struct, or a plain value, as JSON."""
    return json_bytes(msgspec.json.encode(value), status)


def listing(
    request: Request,
    items: Iterable[bytes],
    next_cursor: str | None = None,
    extra: Mapping[str, object] | None = None,
) -> Response:
    """Return ``{"items","next_cursor",…}``; 304 where the client has these items already.

    The ETag is of the items, not of ``extra``: a head that moved elsewhere changes nothing.
    """
    body = b",".join(items)
    digest = hashlib.blake2b(body + (next_cursor or "").encode(), digest_size=12).hexdigest()
    etag = f'"{digest}"'
    if etag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers={"ETag": etag})
    rest = orjson.dumps({"next_cursor": next_cursor, **(extra or {})})
    whole = b'{"items":[' + body + b"]," + rest[1:]
    return Response(whole, media_type="application/json", headers={"ETag": etag})


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def problem(error: ApiError) -> Response:
    """Return the problem document of an error."""
    return Response(
        orjson.dumps(error.body()),
        error.status,
        headers=error.headers,
        media_type="application/problem+json",
    )
