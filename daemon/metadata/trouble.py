"""What a failed request to Supabase's Data API means for the rows that it carried.

Four kinds, and each is answered otherwise::

    transient   the way or the server is at fault: the same rows go again after a pause
    blocked     the key, the address or the schema is at fault: no row can go until a person
                acts; everything is kept and the alarm is raised
    poison      one of the rows can never be stored: it is found by halving and laid aside
    orphan      a row refers to one that is not there (yet): later, a few times, then poison

SQLSTATEs are PostgreSQL's (appendix A of its manual), ``PGRST…`` are PostgREST's own codes.
A gateway in front answers with other JSON, without a code, or with HTML: there the HTTP
status alone speaks.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, NamedTuple

_CHECK = "Run `zapd supabase check` and do what it says; what waits is sent by itself then."
_SHOWN = 300  # characters of a server's message that are kept: some quote whole values


class Kind(StrEnum):
    """What is to be done about the rows of a failed request."""

    TRANSIENT = "transient"
    BLOCKED = "blocked"
    POISON = "poison"
    ORPHAN = "orphan"


class Trouble(Exception):
    """A request failed. ``code`` is a SQLSTATE, PostgREST's code, an HTTP status or an error's name.

    ``sentence`` and ``user_action`` are for people and name no value of a row; ``message`` is
    the server's own and may. ``retry_after`` are seconds that the server asked for.
    """

    def __init__(
        self,
        kind: Kind,
        code: str,
        message: str,
        *,
        sentence: str,
        user_action: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {sentence}")
        self.kind = kind
        self.code = code
        self.message = message[:_SHOWN]
        self.sentence = sentence
        self.user_action = user_action
        self.retry_after = retry_after


class _Meaning(NamedTuple):
    kind: Kind
    sentence: str
    user_action: str | None = None


_KEY = _Meaning(
    Kind.BLOCKED,
    "Supabase refuses the key.",
    "Set ZAPD_SUPABASE_KEY to a secret key of the project (sb_secret_… or service_role) "
    "that was not revoked.",
)
_GRANT = _Meaning(Kind.BLOCKED, "The key may not use one of zapd's tables in Supabase.", _CHECK)
_SCHEMA = _Meaning(Kind.BLOCKED, "Supabase lacks a table or a column that zapd needs.", _CHECK)
_ADDRESS = _Meaning(
    Kind.BLOCKED,
    "The address of Supabase does not lead to its Data API.",
    "Set ZAPD_SUPABASE_URL to the project's own, such as https://<project>.supabase.co.",
)
_READ_ONLY = _Meaning(
    Kind.BLOCKED,
    "The database of Supabase is read-only.",
    "Look at the project's disk in Supabase: it turns read-only when that is nearly full.",
)
_UNKNOWN = _Meaning(Kind.BLOCKED, "Supabase answers with an error that zapd does not know.", _CHECK)
_SERVER = _Meaning(Kind.TRANSIENT, "Supabase cannot answer for now.")
_ROW = _Meaning(Kind.POISON, "Supabase can never store this row.")
_PARENT = _Meaning(Kind.ORPHAN, "The row refers to one that Supabase does not have.")

_BY_CODE: dict[str, _Meaning] = {
    "PGRST000": _SERVER,  # the database cannot be reached
    "PGRST001": _SERVER,
    "PGRST002": _SERVER,  # the schema cache is not there yet
    "PGRST003": _SERVER,  # no connection of the pool was free in time
    "PGRST204": _SCHEMA,  # a column is missing
    "PGRST205": _SCHEMA,  # a table is missing
    "PGRST301": _KEY,
    "PGRST302": _KEY,
    "PGRST303": _KEY,
    "23503": _PARENT,
    "25006": _READ_ONLY,
    "28000": _KEY,
    "28P01": _KEY,
    "42501": _GRANT,
    "P0001": _ROW,  # a trigger raised: of the operator's own, about this row
}
_BY_CLASS: dict[str, _Meaning] = {
    "08": _SERVER,  # connection
    "40": _SERVER,  # serialisation, deadlock
    "53": _SERVER,  # resources
    "55": _SERVER,  # a lock was not to be had
    "57": _SERVER,  # shut down, cancelled by a time limit
    "58": _SERVER,  # the system below
    "XX": _SERVER,
    "21": _ROW,
    "22": _ROW,  # a value that the column's type cannot hold
    "23": _ROW,  # unique, check, not null
    "54": _ROW,  # too large for an index or a row
    "3D": _SCHEMA,
    "3F": _SCHEMA,
    "42": _SCHEMA,
}
_BY_STATUS: dict[int, _Meaning] = {
    401: _KEY,
    403: _KEY,
    404: _ADDRESS,
    405: _ADDRESS,
    408: _SERVER,
    413: _ROW,  # halved, the rest passes
    425: _SERVER,
    429: _SERVER,
}


def of_answer(status: int, body: bytes, retry_after: str | None = None) -> Trouble:
    """Return what an HTTP answer other than a success means."""
    code, message = _said(body)
    meaning = _meaning(status, code)
    return Trouble(
        meaning.kind,
        code or str(status),
        message,
        sentence=meaning.sentence,
        user_action=meaning.user_action,
        retry_after=float(retry_after) if retry_after and retry_after.isdecimal() else None,
    )


def no_answer(error: Exception) -> Trouble:
    """Return what it means that no answer came: refused, cut, timed out."""
    return Trouble(
        Kind.TRANSIENT,
        type(error).__name__,
        str(error),
        sentence="Supabase does not answer.",
        user_action="Check that this machine reaches ZAPD_SUPABASE_URL; it is tried again by itself.",
    )


def not_the_api(content_type: str) -> Trouble:
    """Return what a success means that is not the API's: a proxy's page in its place."""
    return Trouble(
        Kind.TRANSIENT,
        "not_the_api",
        content_type,
        sentence="Something between here and Supabase answers in its place.",
        user_action="Check that this machine reaches ZAPD_SUPABASE_URL without a login page between.",
    )


def _said(body: bytes) -> tuple[str | None, str]:
    """Return (code, message) of the body; a page of HTML has neither."""
    try:
        found: Any = json.loads(body)
    except ValueError:
        return None, ""
    if not isinstance(found, dict):
        return None, ""
    code, message = found.get("code"), found.get("message")
    return (
        code if isinstance(code, str) and code else None,
        message if isinstance(message, str) else "",
    )


def _meaning(status: int, code: str | None) -> _Meaning:
    if code is not None and (known := _BY_CODE.get(code) or _of_class(code)):
        return known
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 300 <= status < 400:  # noqa: PLR2004 - HTTP's own classes
        return _ADDRESS
    if status >= 500:  # noqa: PLR2004 - likewise
        return _SERVER
    return _UNKNOWN


def _of_class(code: str) -> _Meaning | None:
    """Return the meaning of a SQLSTATE's class: its first two characters of five."""
    return _BY_CLASS.get(code[:2]) if len(code) == 5 else None  # noqa: PLR2004 - as PostgreSQL has it


def unsendable(error: Exception) -> Trouble:
    """Return what it means that a row cannot even be written as a request."""
    return Trouble(
        Kind.POISON, "unsendable", str(error), sentence="The row cannot be put into a request."
    )
