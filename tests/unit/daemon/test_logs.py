from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator

import jwt
import pytest
from hypothesis import given, strategies as st

from daemon import logs

JWT = jwt.encode({"sub": "u", "exp": 1}, "k" * 32, algorithm="HS256")
KEY = "zk_ab12cd34_" + "Qw3rTy" * 7 + "x"  # fixed: it is in the names of tests
TICKET = "acme.Jx3_-abc" + "d" * 32


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    names = [*logs.OURS, *logs.PINNED]
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, number in levels.items():
        logging.getLogger(name).setLevel(number)
    logging.captureWarnings(capture=False)


def fail(error: Exception) -> None:
    """Raise the error, as something deep inside would."""
    raise error


Lines = Callable[[], list[str]]


def start(level: str = "info", form: str = "text", secrets: tuple[str, ...] = ()) -> Lines:
    """Set logging up; return what gives the lines so far."""
    stream = io.StringIO()
    logs.setup(level, form, secrets=secrets, stream=stream)
    return lambda: stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (f"Authorization: Bearer {JWT}", JWT),
        (f"authorization: bearer {KEY}", KEY),
        ("{'authorization': 'Bearer opaque-token-1'}", "opaque-token-1"),
        (f"x-api-key: {KEY}", KEY),
        ("(b'x-api-key', b'not-ours-at-all')", "not-ours-at-all"),
        (f"GET /v1/events?session=a&ticket={TICKET}&x=1", TICKET),
        (f"GET /v1/ws?ticket={TICKET}", TICKET),
        ("GET /login/Zm9vYmFyYmF6 HTTP/1.1", "Zm9vYmFyYmF6"),
        (f"wss://host/k/{KEY}/chat/1", KEY),
        (f"the token {JWT} is odd", JWT),
        ("Cookie: a=b; zapd_session=c00kie_value; c=d", "c00kie_value"),
        ("postgres://user:pa55word@host/db", "pa55word"),
        ("ticket='abcdefgh'", "abcdefgh"),
    ],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_credentials_are_redacted_wherever_they_are(form: str, line: str, secret: str) -> None:
    """In the message, in its arguments and in a traceback: no credential reaches the log."""
    lines = start(form=form)
    logger = logging.getLogger("daemon.test")
    logger.info(line)  # noqa: G004,RUF100 - the line is the message here
    logger.info("got %s", line)
    try:
        fail(ValueError(line))
    except ValueError:
        logger.exception("failed")
    text = "\n".join(lines())
    assert len(lines()) >= 3
    assert secret not in text
    assert text.count("[redacted]") >= 3


@pytest.mark.parametrize(
    "line", ["GET /v1/sessions?limit=5", "/k/ and /login/ are paths", "the bearer", "key revoked"]
)
def test_what_is_no_credential_stays(line: str) -> None:
    """Redaction leaves ordinary lines alone."""
    assert logs.redact(line) == line


@given(st.text(), st.sampled_from([KEY, JWT]), st.text())
def test_a_key_or_token_never_survives(before: str, secret: str, after: str) -> None:
    """Whatever stands around a key or a token, its secret part is gone."""
    kept = secret[3:] if secret == KEY else secret.split(".")[1]
    if before[-1:].isalnum() or before[-1:] == "_":
        before += " "
    assert kept not in logs.redact(before + secret + after)


def test_a_known_secret_is_redacted_as_it_is() -> None:
    """The operator's secret is looked for by its text."""
    lines = start(secrets=("hunter2hunter2",))
    logging.getLogger("daemon").warning("it is hunter2hunter2!")
    assert lines()[0].endswith("it is [redacted]!")


def test_text_lines_name_workspace_and_session() -> None:
    """A line has time, level, logger, fields and message."""
    lines = start()
    logging.getLogger("sessions.manager").info("up", extra={"workspace": "acme", "session": "s1"})
    stamp, rest = lines()[0].split(" ", 1)
    assert stamp.endswith("Z")
    assert len(stamp) == len("2026-11-21T00:00:00.000Z")
    assert rest == "INFO sessions.manager [acme/s1] up"


def test_json_lines_have_fields() -> None:
    """Each line is one object, the fields apart, the trace in it."""
    lines = start(form="json")
    try:
        fail(RuntimeError("boom"))
    except RuntimeError:
        logging.getLogger("daemon.x").exception("bad\nnews", extra={"workspace": "acme"})
    assert len(lines()) == 1
    entry = json.loads(lines()[0])
    assert entry["message"] == "bad\nnews"
    assert (entry["level"], entry["logger"], entry["workspace"]) == ("error", "daemon.x", "acme")
    assert "RuntimeError: boom" in entry["trace"]


def test_a_message_cannot_forge_a_line() -> None:
    """Line breaks and terminal codes in a message are escaped."""
    lines = start()
    logging.getLogger("daemon").info("a\n2026 INFO daemon all is well\x1b[2J")
    assert len(lines()) == 1
    assert "\\x0a2026" in lines()[0]
    assert "\x1b" not in lines()[0]


def test_foreign_debug_lines_never_appear() -> None:
    """sse_starlette and aiosqlite write message texts at DEBUG: such lines are dropped."""
    lines = start(level="debug")
    for name in ("sse_starlette.sse", "aiosqlite", "websockets.protocol", "anything"):
        logger = logging.getLogger(name)
        logger.debug("chunk: %s", "hello from Ana")
        logger.setLevel(logging.DEBUG)  # even where a library sets its own level
        logger.debug("chunk: %s", "hello from Ana")
        logger.setLevel(logging.NOTSET)
    logging.getLogger("daemon.hub").debug("ours")
    assert [line.rsplit(" ", 1)[1] for line in lines()] == ["ours"]


def test_sse_chunks_are_not_even_formatted() -> None:
    """The chunk logger stays at INFO when ours are at DEBUG."""
    start(level="debug")
    assert not logging.getLogger("sse_starlette.sse").isEnabledFor(logging.DEBUG)
    assert logging.getLogger("daemon.x").isEnabledFor(logging.DEBUG)


def test_uvicorn_speaks_through_our_handler() -> None:
    """uvicorn's own handlers go; its errors come as our lines, its access lines do not."""
    logging.getLogger("uvicorn.error").addHandler(logging.StreamHandler(io.StringIO()))
    logging.getLogger("uvicorn.error").propagate = False
    lines = start()
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.access").info("GET /v1/me?ticket=abc 200")
    assert len(lines()) == 1
    assert lines()[0].endswith("INFO uvicorn.error Started server process")


def test_the_level_holds_for_all() -> None:
    """At `error` nothing less is logged, ours or not."""
    lines = start(level="error")
    for name in ("daemon.x", "sessions.y", "uvicorn.error", "other"):
        logging.getLogger(name).warning("no")
        logging.getLogger(name).error("yes")
    assert len(lines()) == 4
