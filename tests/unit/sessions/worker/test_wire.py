from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings, strategies as st

from sessions import commands as c, events as e
from sessions.errors import WireError
from sessions.models import Contact, MessageTail
from sessions.worker import wire

EVENTS = st.one_of(*(st.from_type(kind) for kind in get_args(e.AnyEvent)))
COMMANDS = st.one_of(*(st.from_type(kind) for kind in get_args(c.AnyCommand)))
ANSWERS = st.one_of(*(st.from_type(kind) for kind in get_args(c.AnyAnswer)))
NUMBERS = st.integers(0, 2**63 - 1)


def fits(frame: wire.ToWorker | wire.FromWorker) -> bool:
    """Tell whether msgpack has room for its numbers."""
    try:
        return bool(wire.encode(frame))
    except WireError:
        return False


TO_WORKER = st.one_of(
    st.builds(wire.Ping, number=NUMBERS),
    st.builds(wire.Shutdown),
    st.builds(wire.Request, number=NUMBERS, command=COMMANDS),
).filter(fits)
FROM_WORKER = st.one_of(
    st.builds(wire.Ready, pid=NUMBERS),
    st.builds(wire.Pong, number=NUMBERS),
    st.builds(wire.Reply, number=NUMBERS, answer=ANSWERS),
    st.builds(wire.Emitted, sequence=NUMBERS, body=EVENTS),
).filter(fits)


def chunks(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut bytes into pieces of these sizes, over and over."""
    pieces, place, turn = [], 0, 0
    while place < len(data):
        size = sizes[turn % len(sizes)]
        pieces.append(data[place : place + size])
        place, turn = place + size, turn + 1
    return pieces


@settings(deadline=None)
@given(st.lists(FROM_WORKER, max_size=5), st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_any_cut_of_the_stream_gives_the_same_frames(
    frames: list[wire.FromWorker], sizes: list[int]
) -> None:
    """A pipe keeps bytes, not borders; every kind of event and answer passes whole."""
    reader = wire.parent_side()
    data = b"".join(wire.encode(frame) for frame in frames)
    assert frames == [frame for piece in chunks(data, sizes) for frame in reader.feed(piece)]


@settings(deadline=None)
@given(st.lists(TO_WORKER, max_size=5), st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_the_other_way_too(frames: list[wire.ToWorker], sizes: list[int]) -> None:
    """Every command passes whole."""
    reader = wire.worker_side()
    data = b"".join(wire.encode(frame) for frame in frames)
    assert frames == [frame for piece in chunks(data, sizes) for frame in reader.feed(piece)]


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_nonsense_is_a_wire_error_or_waits_for_more(data: bytes) -> None:
    """Whatever stands in a frame, nothing but ``WireError`` comes of it."""
    framed = len(data).to_bytes(4, "big") + data
    for reader in (wire.parent_side(), wire.worker_side()):
        with pytest.raises(WireError):
            list(reader.feed(framed))


def test_a_frame_of_the_other_side_is_nonsense() -> None:
    """Each side knows its own frames only."""
    with pytest.raises(WireError):
        list(wire.parent_side().feed(wire.encode(wire.Shutdown())))


def test_what_came_before_nonsense_is_told_first() -> None:
    """The frames up to it are good."""
    reader = wire.parent_side()
    frames = reader.feed(wire.encode(wire.Pong(number=1)) + b"\x00\x00\x00\x01\xc1")
    assert next(frames) == wire.Pong(number=1)
    with pytest.raises(WireError):
        next(frames)


def test_a_frame_over_the_limit_is_refused_when_it_is_announced() -> None:
    """Nobody waits for its end."""
    reader = wire.parent_side()
    with pytest.raises(WireError):
        list(reader.feed((wire.MAX_FRAME + 1).to_bytes(4, "big")))


def test_a_frame_over_the_limit_is_not_made() -> None:
    """The sender hears of it, not the reader."""
    with pytest.raises(WireError):
        wire.encode(
            wire.Request(
                number=1,
                workspace="w",
                session="s",
                command=c.SendText(chat="c", text="x" * wire.MAX_FRAME),
            )
        )


@pytest.mark.parametrize(
    "frame",
    [wire.Pong(number=2**70), wire.Ready(pid=-(2**70))],
)
def test_a_number_that_does_not_fit_is_a_wire_error(frame: wire.FromWorker) -> None:
    """Whoever sends it hears of it in our own words."""
    with pytest.raises(WireError):
        wire.encode(frame)


def test_half_a_surrogate_is_a_wire_error() -> None:
    """JSON can carry what UTF-8 cannot."""
    command = c.SendText(chat="c", text="\ud800")
    with pytest.raises(WireError):
        wire.encode(wire.Request(number=1, workspace="w", session="s", command=command))


def test_a_head_arrives_as_bytes_of_exact_size() -> None:
    """The parent keeps it as it came, and holds no frame with it."""
    contact = Contact(
        session="s",
        jid="j",
        pn=None,
        lid=None,
        name=None,
        push_name=None,
        picture_id=None,
        picture_url=None,
    )
    message = e.MessageReceived(
        chat=e.ChatAddress(jid="j"),
        chat_name=None,
        id="m",
        wa_id="W",
        sender="j",
        from_me=False,
        at=1,
        source="live",
        counts=True,
        head=b'{"id":"m"',
        tail=MessageTail(status="sent", ack=1),
    )
    bodies: tuple[e.AnyEvent, ...] = (e.ContactLearned(contact=contact), message)
    data = b"".join(
        wire.encode(wire.Emitted(workspace="w", session="s", sequence=1, body=body))
        for body in bodies
    )
    frames = list(wire.parent_side().feed(data))
    body = frames[1].body if isinstance(frames[1], wire.Emitted) else None
    assert isinstance(body, e.MessageReceived)
    assert type(body.head) is bytes
