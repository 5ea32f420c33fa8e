"""Versions in headers: ``ETag`` on rows, ``If-Match`` on what changes them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import orjson
from starlette.requests import Request
from starlette.responses import Response

from daemon.errors import ApiError
from daemon.metadata.models import AnyRow, render
from daemon.transports.rest.answers import json

#: How routes tell of the header.
IF_MATCH = {"If-Match": 'The `"<version>"` that is to be changed; 412 if it is another by now.'}
_VERSION = re.compile(r'"(\d{1,18})"')
_TAGS = re.compile(r'"([0-9a-f]{24})"')


def row_answer(row: AnyRow, status: int = 200) -> Response:
    """Return a row as JSON, with its version as ETag."""
    response = json(render(row), status)
    response.headers["ETag"] = f'"{row.version}"'
    return response


def expected_version(request: Request) -> int | None:
    """Return the version that ``If-Match`` names; None where whatever is there may be changed."""
    given = _if_match(request)
    if given is None:
        return None
    found = _VERSION.fullmatch(given)
    if found is None:
        raise ApiError("invalid_parameter", 'If-Match is "<version>", as the ETag had it.')
    return int(found[1])


def tags_etag(tags: Iterable[str]) -> str:
    """Return the ETag of a chat's tags: of the set, which has no version of its own."""
    return f'"{_digest(tags)}"'


def check_tags(request: Request, tags: Iterable[str]) -> bool:
    """Tell whether ``If-Match`` lets a chat that has these tags be changed."""
    given = _if_match(request)
    if given is None:
        return True
    found = _TAGS.fullmatch(given)
    if found is None:
        raise ApiError("invalid_parameter", "If-Match is the ETag of the chat's tags.")
    return found[1] == _digest(tags)


def _digest(tags: Iterable[str]) -> str:
    return hashlib.blake2b(orjson.dumps(sorted(tags)), digest_size=12).hexdigest()


def _if_match(request: Request) -> str | None:
    given = request.headers.get("if-match", "").strip()
    return None if given in {"", "*"} else given
