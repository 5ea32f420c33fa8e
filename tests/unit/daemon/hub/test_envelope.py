from __future__ import annotations

import sys

import orjson
import pytest
from hypothesis import given, strategies as st

from daemon.hub.envelope import Cursor, encode, envelope_id, parse_cursor
from sessions.ports import Published

EVENT = Published(
    "acme",
    "new_message",
    "main",
    "main:551199@s.whatsapp.net",
    1_700_000_000_123,
    "live",
    b'{"a":1}',
)


def test_an_envelope_has_the_fields_of_the_wire() -> None:
    """Id, type, workspace, session, chat, time, source, data: in that order."""
    expected = (
        b'{"id":"e1-7","type":"new_message","workspace":"acme","session":"main",'
        b'"chat":"main:551199@s.whatsapp.net","at":"2023-11-14T22:13:20.123Z","source":"live",'
        b'"data":{"a":1}}'
    )
    assert expected == encode(EVENT, Cursor("e1", 7))


def test_extra_joins_the_top_level() -> None:
    """A connection_status has ``connected`` beside ``data``."""
    event = EVENT._replace(extra={"connected": True})
    assert orjson.loads(encode(event, None))["connected"] is True


def test_a_streams_own_event_has_null_for_what_it_lacks() -> None:
    """The shape is one: keys are never absent."""
    event = EVENT._replace(session=None, chat=None)
    envelope = orjson.loads(encode(event, None))
    assert (envelope["id"], envelope["session"], envelope["chat"]) == (None, None, None)


def test_an_envelope_pins_no_more_memory_than_its_size() -> None:
    """orjson's own results keep a 4 KB block: ours is joined, so it is exact."""
    json = encode(EVENT, Cursor("e1", 7))
    assert len(json) + sys.getsizeof(b"") == sys.getsizeof(json)


def test_texts_that_are_no_utf_8_are_refused() -> None:
    """The hub counts them instead of raising."""
    with pytest.raises(TypeError):
        encode(EVENT._replace(chat="main:\ud800"), None)


@given(st.from_regex(r"\A[A-Za-z0-9_]{1,32}\Z"), st.integers(0, 10**18 - 1))
def test_a_cursor_reads_back(epoch: str, offset: int) -> None:
    """What is written as ``<epoch>-<offset>`` is understood."""
    cursor = Cursor(epoch, offset)
    assert cursor == parse_cursor(str(cursor))
    assert str(cursor).encode() == envelope_id(encode(EVENT, cursor))


@pytest.mark.parametrize(
    "text",
    ["", "e", "e-", "-1", "e-1 ", "e-x", "e--1", "e-٣", "a-b-1", "e-" + "1" * 19, "é-1", "e-1\n"],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="is not <epoch>-<offset>"):
        parse_cursor(text)
