from __future__ import annotations

import asyncio
import logging

import pytest

from daemon.auth.principal import Membership, Principal
from daemon.errors import ApiError
from daemon.hub.envelope import Cursor
from daemon.hub.hub import Hub
from daemon.hub.interest import Filter
from daemon.metadata.models import Role
from daemon.services.stream_query import StreamQuery
from daemon.services.stream_session import StreamSession
from daemon.services.streams import StreamLimits, StreamService
from sessions.ports import Published


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000

    def now_ms(self) -> int:
        """Return what was set."""
        return self.now


class Scene:
    """Streams without a server or a running heartbeat."""

    def __init__(self) -> None:
        self.hub = Hub("e1")
        self.clock = Clock()
        self.asked: list[str] = []
        self.streams = StreamService(
            self.hub, self.clock, self.snapshot, self.still_valid, StreamLimits(per_credential=3)
        )

    def snapshot(self, workspace: str, filter_: Filter) -> list[Published]:
        """Return too many: another workspace's too."""
        return [
            Published(name, "connection_status", session, None, 0, "live", b"{}")
            for name in ("acme", "other")
            for session in ("a", "b")
        ]

    async def still_valid(self, principal: Principal) -> bool:
        """Fail for key:broken, deny key:gone and viewers."""
        self.asked.append(principal.credential)
        if principal.membership is not None and principal.membership.role == Role.VIEWER:
            return False
        if principal.credential == "key:broken":
            raise OSError("the disk is full")
        return principal.credential != "key:gone"

    def open(
        self,
        credential: str = "key:1",
        *,
        expires_at: int | None = None,
        sessions: frozenset[str] | None = None,
        membership: Membership | None = None,
        greet: bool = True,
        query: StreamQuery | None = None,
    ) -> StreamSession:
        """Open a stream of acme."""
        principal = Principal(
            "acme",
            "test",
            frozenset(),
            "api_key",
            credential,
            expires_at,
            sessions,
            membership=membership,
        )
        return self.streams.open(principal, query or StreamQuery(), greet=greet)


def own_types(stream: StreamSession) -> list[str]:
    """Return the types of the events that are due, and forget them."""
    return [frame.type for frame in stream.own()]


def test_a_stream_opens_in_order() -> None:
    """Hello, the reset, the states of its own workspace's sessions."""
    stream = Scene().open(query=StreamQuery(Cursor("e0", 1)))
    assert [frame.type for frame in stream.due] == [
        "hello",
        "stream_reset",
        "connection_status",
        "connection_status",
    ]
    assert not any(b"other" in frame.json for frame in stream.due)


def test_a_stream_shows_no_session_that_its_owner_does_not_see() -> None:
    """Whatever the filter asks for, in the past as well; what is of no session, it shows."""
    scene = Scene()
    start = Cursor("e1", 0)
    own = frozenset({"a"})
    narrowed = scene.open(sessions=own)
    assert [frame.session for frame in narrowed.own()] == [None, "a"]
    elsewhere = scene.open(
        sessions=own, query=StreamQuery(sessions=("b",), chats=("b:1111111@g.us",))
    )
    assert [frame.type for frame in elsewhere.own()] == ["hello"]
    for session, chat in (("a", None), ("b", None), (None, None), ("b", "b:1111111@g.us")):
        scene.hub.publish(Published("acme", "qr", session, chat, 0, "live", b"{}"))
    assert [frame.session for frame in narrowed.take(list, 1000)] == ["a", None]
    assert None is elsewhere.take(list, 1000)
    scene = Scene()
    for session in ("a", "b"):
        scene.hub.publish(Published("acme", "qr", session, None, 0, "live", b"{}"))
    late = scene.open(sessions=own, query=StreamQuery(start))
    assert [frame.session for frame in late.take(list, 1000)] == ["a"]


async def test_pings_come_with_jitter_in_their_bounds() -> None:
    """15 to 25 s after the last, at different times for different streams; not to a poll."""
    scene = Scene()
    stream, poll = scene.open(), scene.open(greet=False)
    stream.own()
    gaps, last = list[int](), scene.clock.now
    while len(gaps) < 100:
        scene.clock.now += 1000
        scene.streams.heartbeat.tick()
        if own_types(stream) == ["ping"]:
            gaps.append((scene.clock.now - last) // 1000)
            last = scene.clock.now
    assert (min(gaps) >= 15, max(gaps) <= 25) == (True, True)
    assert len(set(gaps)) > 4
    assert poll.due == []


async def test_pings_go_on_when_the_clock_is_set_back() -> None:
    """A client that hears nothing for an hour takes its stream for dead."""
    scene = Scene()
    stream = scene.open()
    stream.own()
    scene.clock.now -= 3_600_000
    scene.streams.heartbeat.tick()
    scene.clock.now += 25_000
    scene.streams.heartbeat.tick()
    assert own_types(stream) == ["ping"]


async def test_a_blocked_stream_is_not_pinged() -> None:
    """Its pings would pile up."""
    scene = Scene()
    stream = scene.open()
    stream.own()
    stream.busy = True
    scene.clock.now += 60_000
    scene.streams.heartbeat.tick()
    assert stream.due == []


async def test_a_stream_ends_when_its_credential_expires() -> None:
    """At the first tick after it."""
    scene = Scene()
    stream = scene.open(expires_at=scene.clock.now + 1500)
    stays = scene.open()
    scene.clock.now += 1000
    scene.streams.heartbeat.tick()
    assert [stream.ended, stays.ended] == [None, None]
    scene.clock.now += 1000
    scene.streams.heartbeat.tick()
    assert [stream.ended, stays.ended] == ["credential", None]


async def test_a_credential_is_asked_about_once() -> None:
    """However many streams it has; who cannot be told stays."""
    scene = Scene()
    gone = [scene.open("key:gone"), scene.open("key:gone")]
    broken = scene.open("key:broken")
    logging.disable()
    await scene.streams.heartbeat.check_credentials()
    logging.disable(logging.NOTSET)
    assert sorted(scene.asked) == ["key:broken", "key:gone"]
    assert [stream.ended for stream in gone] == ["credential"] * 2
    assert None is broken.ended


async def test_streams_of_one_credential_end_by_what_they_were_let_in_as() -> None:
    """A stream that a user opened after a change of role stays, those from before end."""
    scene = Scene()
    before = [scene.open("jwt:1", membership=Membership(Role.VIEWER, None)) for _ in range(2)]
    after = scene.open("jwt:1", membership=Membership(Role.AGENT, None))
    await scene.streams.heartbeat.check_credentials()
    assert [stream.ended for stream in before] == ["credential"] * 2
    assert None is after.ended
    assert scene.asked == ["jwt:1", "jwt:1"]


async def test_a_blocked_stream_is_cut_when_it_ends() -> None:
    """After its patience; a close before that calls it off."""
    scene = Scene()
    cut: list[str] = []
    for name in ("first", "closed"):
        stream = scene.open(name)
        stream.busy = True
        stream.abort = lambda name=name: cut.append(name)
        stream.end("slow")
        if name == "closed":
            stream.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert cut == ["first"]


def test_a_close_is_told_once_and_frees_the_place() -> None:
    """Of the three that the credential has."""
    scene = Scene()
    told: list[int] = []
    streams = [scene.open() for _ in range(3)]
    with pytest.raises(ApiError, match="too many"):
        scene.open()
    with streams[0] as first:
        first.on_close(lambda: told.append(1))
    streams[0].close()
    assert told == [1]
    assert len(scene.streams) == 2
    scene.open()


async def test_a_close_with_nothing_open_is_at_once() -> None:
    """And after it nothing opens."""
    scene = Scene()
    await scene.streams.close()
    with pytest.raises(ApiError, match="stopping"):
        scene.open()
