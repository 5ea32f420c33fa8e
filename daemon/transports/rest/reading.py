"""Reads queries and bodies into typed values; everything that cannot be has its own code."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any, TypeVar

import msgspec
import orjson
from starlette.requests import ClientDisconnect, Request

from daemon.errors import ApiError
from sessions.models import from_iso

T = TypeVar("T")
_UNKNOWN = "Object contains unknown field"  # how msgspec begins that sentence; a test holds it


def read_query(request: Request, shape: type[T]) -> T:
    """Return the query as ``shape``; each parameter at most once."""
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in ("ticket", "workspace"):  # for the authentication, not for the route
            continue
        if name in given:
            raise ApiError("invalid_parameter", f"The parameter {name[:40]!r} was given twice.")
        given[name] = value
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        sentence = str(error)
        unknown = sentence.startswith(_UNKNOWN)
        raise ApiError(
            "unknown_parameter" if unknown else "invalid_parameter", _about(sentence, given)
        ) from error


def _about(sentence: str, given: dict[str, str]) -> str:
    """Return msgspec's sentence, shortened: it may quote what was sent."""
    return sentence[:300] if given else "A parameter is missing."


def read_time(text: str, name: str, code: str = "invalid_parameter") -> int:
    """Return the milliseconds since 1970 of an ISO 8601 time."""
    try:
        return from_iso(text)
    except (ValueError, OverflowError) as error:
        raise ApiError(code, f"{name} is no ISO 8601 time.") from error


def check_path(text: str, shape: Any, name: str) -> str:  # noqa: ANN401 - an annotated str
    """Return a part of the path that a new thing is to be called by."""
    try:
        return msgspec.convert(text, type=shape)  # type: ignore[no-any-return]  # `shape` is a str
    except msgspec.ValidationError as error:
        raise ApiError("invalid_parameter", f"{name}: {error}"[:300]) from error


_PATIENCE = 60.0  # seconds for a whole body
_DISCARDED = 16 << 20  # bytes of a body that is too large which are read all the same


async def read_body(request: Request, shape: type[T], most: int) -> T:
    """Return the JSON body as ``shape``; read at most ``most`` bytes of it."""
    raw = await _read_bytes(request, most)
    try:
        return msgspec.json.decode(raw or b"{}", type=shape)
    except msgspec.ValidationError as error:
        sentence = str(error)
        code = "unknown_field" if sentence.startswith(_UNKNOWN) else "wrong_type"
        raise ApiError(code, sentence[:300]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError("malformed_json") from error


async def _read_bytes(request: Request, most: int) -> bytes:
    """Return the body. One that is too large is read on a while and thrown away.

    Else the connection would be reset before the client has read why.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_PATIENCE):
            async for part in request.stream():
                size += len(part)
                if size <= most:
                    parts.append(part)
                elif size > most + _DISCARDED:
                    break
    except (ClientDisconnect, TimeoutError) as error:
        raise ApiError("malformed_json", "The body ended early.") from error
    if size > most:
        sentence = f"The body is over {most} bytes."
        raise ApiError("body_too_large", sentence, headers={"Connection": "close"})
    return b"".join(parts)


def encode_cursor(place: tuple[Any, ...] | None) -> str | None:
    """Return an opaque cursor for a place in a list."""
    if place is None:
        return None
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def decode_cursor(text: str | None, shape: type[T]) -> T | None:
    """Return the place that a cursor names; it holds nothing secret and is not trusted."""
    if text is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.json.decode(raw, type=shape)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise ApiError("invalid_cursor") from error
