"""Logging: one handler to stderr, text for people or JSON a line, nothing secret in it.

Redaction works on the finished line, so that it also covers what a traceback or a foreign
library put there. What the daemon knows about a line goes in as ``extra={"workspace": …,
"session": …}``. Foreign libraries never log below INFO: at DEBUG several of them write
whole frames, and with them message texts.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from time import gmtime
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

FIELDS = ("workspace", "session", "worker", "code")
OURS = ("zapd", "daemon", "sessions")
#: Foreign loggers with a level of their own; all others follow the root, never below INFO.
PINNED: dict[str, int] = {
    "sse_starlette": logging.INFO,  # logs every chunk at DEBUG
    "sse_starlette.sse": logging.INFO,
    "aiosqlite": logging.INFO,  # logs statements with their values at DEBUG
    "websockets": logging.INFO,  # logs frames at DEBUG
    "uvicorn": logging.INFO,
    "uvicorn.error": logging.INFO,
    "uvicorn.access": logging.WARNING,  # a line a request, with its query
    "httpx": logging.WARNING,  # a line a request, with its query, at INFO
    "httpcore": logging.WARNING,
    "engineio": logging.WARNING,  # logs packets at INFO
    "socketio": logging.WARNING,
}

_WORD = r"[^\s\"'\\,;&<>)\]}]+"
_REDACTIONS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (rf"\b(bearer|basic)(\s+|%20){_WORD}", r"\1 [redacted]"),
        (r"\bzk_[a-z0-9_-]+", "zk_[redacted]"),
        (r"\beyJ[a-z0-9_-]{4,}\.[a-z0-9_-]*(\.[a-z0-9_-]*)?", "[redacted]"),
        (rf"([?&](?:ticket|token|access_token|api_key|key)=){_WORD}", r"\1[redacted]"),
        (rf"(/(?:login|k)/)(?:(?!/){_WORD})", r"\1[redacted]"),
        (rf"(\bzapd_session=){_WORD}", r"\1[redacted]"),
        (
            rf"(\b(?:x-api-key|jwt_secret|password|ticket)[\"']?\s*[:=,]\s*(?:b?[\"'])?)(?!\[redacted){_WORD}",
            r"\1[redacted]",
        ),
        (r"(://[^/\s:@]*:)[^/\s@]+@", r"\1[redacted]@"),
    )
)
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160))}


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text with every credential in it replaced; ``secrets`` are known ones."""
    for secret in secrets:
        text = text.replace(secret, "[redacted]")
    for pattern, replacement in _REDACTIONS:
        text = pattern.sub(replacement, text)
    return text


def setup(
    level: str = "info",
    form: str = "text",
    *,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> logging.Handler:
    """Make one handler the only one of the process, and return it.

    Args:
        level: The least level of our own loggers: debug, info, warning or error.
        form: ``text`` or ``json``.
        secrets: Texts that must not appear, whatever is around them.
        stream: Where lines go; stderr unless given.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    maker = JsonFormatter if form == "json" else TextFormatter
    handler.setFormatter(maker(tuple(secrets)))
    handler.addFilter(_not_foreign_debug)
    number = logging.getLevelNamesMapping()[level.upper()]
    _install(handler, number)
    return handler


def _install(handler: logging.Handler, number: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.INFO))
    for name in OURS:
        logging.getLogger(name).setLevel(number)
    for name, floor in PINNED.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(number, floor))
    logging.captureWarnings(capture=True)


def _not_foreign_debug(record: logging.LogRecord) -> bool:
    """Let nothing below INFO pass that is not ours, whatever level its logger was given."""
    return record.levelno >= logging.INFO or record.name.partition(".")[0] in OURS


def _time(record: logging.LogRecord) -> str:
    moment = gmtime(record.created)
    stamp = "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}".format(*moment[:6])
    return f"{stamp}.{int(record.msecs):03d}Z"


def _trace(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    return "".join(traceback.format_exception(record.exc_info[1])).rstrip()


class TextFormatter(logging.Formatter):
    """``time LEVEL logger [workspace/session] message``; line breaks in a message are escaped."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, redacted."""
        fields = "/".join(str(record.__dict__[name]) for name in FIELDS if name in record.__dict__)
        message = (f"[{fields}] " if fields else "") + record.getMessage()
        line = f"{_time(record)} {record.levelname} {record.name} {message.translate(_CONTROLS)}"
        trace = _trace(record)
        return redact(f"{line}\n{trace}" if trace else line, self._secrets)


class JsonFormatter(TextFormatter):
    """One JSON object a line: ``at level logger message`` and the fields that are known."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, redacted value by value, so that it stays JSON."""
        entry: dict[str, Any] = {
            "at": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage(), self._secrets),
        }
        for name in FIELDS:
            if name in record.__dict__:
                entry[name] = redact(str(record.__dict__[name]), self._secrets)
        if trace := _trace(record):
            entry["trace"] = redact(trace, self._secrets)
        return json.dumps(entry, ensure_ascii=False)
