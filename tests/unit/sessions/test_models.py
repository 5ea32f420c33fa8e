from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, strategies as st

from sessions import models as m
from sessions.cache.chats import ChatRow
from sessions.ids import ChatRef

TEXTS = st.none() | st.text(max_size=20)
HEADS = st.builds(
    m.MessageHead,
    id=st.text(max_size=10),
    client_ref=TEXTS,
    session=st.just("s1"),
    chat=st.just("s1:1@g.us"),
    sender=st.text(max_size=10),
    sender_name=TEXTS,
    from_me=st.booleans(),
    at=st.just("2026-01-01T00:00:00.000Z"),
    type=st.sampled_from(["text", "image", "unsupported"]),
    text=TEXTS,
    reply_to=st.none()
    | st.builds(m.ReplyTo, id=TEXTS, wa_id=st.text(), sender=TEXTS, text=TEXTS, type=st.none()),
    media=st.none() | st.builds(m.Media, id=st.text(max_size=5), kind=st.just("image")),
    content=st.just(msgspec.UNSET) | st.builds(m.Unsupported, name=st.text(max_size=5)),
    source=st.sampled_from(["live", "api"]),
)
REACTIONS = st.builds(
    m.Reaction, emoji=st.text(max_size=4), sender=st.text(), from_me=st.booleans(), at=st.just("x")
)
TAILS = st.builds(
    m.MessageTail,
    wa_id=TEXTS,
    status=st.sampled_from(["sent", "read"]),
    ack=st.integers(-1, 4),
    edited_at=TEXTS,
    deleted_at=TEXTS,
    reactions=st.lists(REACTIONS, max_size=3).map(tuple),
)


@given(HEADS, TAILS)
def test_a_spliced_message_is_the_message(head: m.MessageHead, tail: m.MessageTail) -> None:
    """Head and tail, joined as bytes, are the JSON of the whole message."""
    joined = m.splice(m.encode_head(head), m.encode_tail(tail))
    values = {**msgspec.structs.asdict(head), **msgspec.structs.asdict(tail)}
    assert m.Message(**values) == msgspec.json.decode(joined, type=m.Message)
    assert set(msgspec.json.decode(joined)) == set(
        msgspec.json.decode(msgspec.json.encode(m.Message(**values)))
    )


def test_head_and_tail_have_the_fields_of_the_message() -> None:
    """No field is in both halves, and none is missing."""
    halves = m.MessageHead.__struct_fields__ + m.MessageTail.__struct_fields__
    assert sorted(m.Message.__struct_fields__) == sorted(halves)


def test_a_chat_row_is_rendered_as_a_chat() -> None:
    """The list's row has the fields of the schema, and their types."""
    row = ChatRow(ChatRef("w", "s1", "5511999990000@s.whatsapp.net"))
    row.updated_at = row.muted_until = row.evicted_before = 1
    chat = msgspec.json.decode(row.render(), type=m.Chat, strict=True)
    assert set(m.Chat.__struct_fields__) == set(msgspec.json.decode(row.render()))
    assert (chat.name, chat.last_message, chat.unread) == ("+5511999990000", None, 0)


@given(HEADS)
def test_a_rewritten_head_changes_in_what_it_is_told(head: m.MessageHead) -> None:
    """Other values replace those of the head, or go; the rest stays as it was."""
    rewritten = m.rewrite_head(m.encode_head(head), without="content", text="new", type="text")
    read = msgspec.json.decode(rewritten + b"}", type=m.MessageHead)
    assert read == msgspec.structs.replace(head, text="new", type="text", content=msgspec.UNSET)


@given(st.integers(0, m.MAX_MS))
def test_times_round_trip(ms: int) -> None:
    """Every millisecond from 1970 to 9999 survives being written."""
    assert ms == m.from_iso(m.iso(ms))


@pytest.mark.parametrize("ms", [-1, -(2**62), m.MAX_MS + 1, 2**63])
def test_times_that_nobody_can_mean_are_bounded(ms: int) -> None:
    """A sender chooses some times; an absurd one is no error."""
    assert m.iso(ms) in ("1970-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05.678Z", datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)),
        ("2026-01-02T00:04:05.678-03:00", datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, 0, UTC)),
    ],
)
def test_times_are_read_as_people_write_them(text: str, moment: datetime) -> None:
    """Zones count; without one it is UTC."""
    assert round(moment.timestamp() * 1000) == m.from_iso(text)


def test_what_is_no_time_is_refused() -> None:
    """Nonsense is a ValueError."""
    with pytest.raises(ValueError, match="Invalid isoformat"):
        m.from_iso("yesterday")


def test_acks_and_statuses_agree() -> None:
    """Each ack number has its status, and back."""
    for ack in range(-1, 5):
        assert ack == m.ACK[m.status_of(ack)]
    assert m.ACK["unknown"] == 0
