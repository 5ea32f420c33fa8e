"""Any interleaving of publishing, reading, cuts and evictions: each event once, or told."""

from __future__ import annotations

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from daemon.hub.envelope import parse_cursor
from daemon.hub.hub import Hub, HubBounds
from daemon.hub.interest import EVERYTHING, Filter, Interest, admits
from daemon.hub.ring import FRAME_OVERHEAD, Frame
from daemon.hub.subscriber import Subscriber
from sessions.ports import Published

SESSIONS = ("a", "b", "c")
WISHES: tuple[Interest, ...] = (
    EVERYTHING,
    frozenset({Filter(sessions=frozenset({"a"}))}),
    frozenset({Filter(chats=frozenset({"b:1111111@g.us"})), Filter(types=frozenset({"qr"}))}),
    frozenset({Filter(sessions=frozenset({"none"}))}),
)


class Reader:
    """A client: what it was given, and the place that it would come back to."""

    def __init__(self, hub: Hub, wish: Interest) -> None:
        self.hub, self.wish = hub, wish
        self.subscriber: Subscriber = hub.subscribe("acme", wish)
        self.next = self.subscriber.cursor + 1

    def place(self) -> str:
        """Return what a client would resume by."""
        return self.hub.cursor(self.subscriber.cursor)


class Streams(RuleBasedStateMachine):
    """The model is the list of all events; a reader's next one is known from it."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Frame] = []
        self.readers: list[Reader] = []

    @initialize(count=st.integers(2, 30), share=st.integers(3, 40))
    def start(self, count: int, share: int) -> None:
        """Bound the ring tightly, so that it overtakes."""
        size = share * (FRAME_OVERHEAD + 150)
        self.hub = Hub("e1", HubBounds(ring_events=count, ring_bytes=size, total_bytes=size * 2))

    @rule(
        events=st.lists(
            st.tuples(st.sampled_from(SESSIONS), st.booleans(), st.sampled_from(("qr", "typing"))),
            max_size=12,
        )
    )
    def publish(self, events: list[tuple[str, bool, str]]) -> None:
        """Several at once, as they come from a worker's pipe."""
        for session, in_chat, type_ in events:
            chat = f"{session}:1111111@g.us" if in_chat else None
            self.hub.publish(Published("acme", type_, session, chat, 0, "live", b"{}"))
            self.log.append(Frame(len(self.log) + 1, type_, session, chat, b""))

    @rule(noise=st.integers(1, 30))
    def publish_elsewhere(self, noise: int) -> None:
        """Another workspace takes its share of the total."""
        for _ in range(noise):
            self.hub.publish(Published("other", "qr", "a", None, 0, "live", b'"other"'))

    @rule(wish=st.sampled_from(WISHES))
    def connect(self, wish: Interest) -> None:
        """A new client."""
        self.readers.append(Reader(self.hub, wish))

    @rule(which=st.integers(0, 9), max_bytes=st.integers(1, 2000), scan=st.integers(1, 30))
    def take(self, which: int, max_bytes: int, scan: int) -> None:
        """One client reads a batch."""
        if self.readers:
            reader = self.readers[which % len(self.readers)]
            self.check(reader, reader.subscriber.take(list, max_bytes, scan) or [])

    @rule(which=st.integers(0, 9))
    def cut(self, which: int) -> None:
        """One client's connection breaks, and it comes back with its place."""
        if not self.readers:
            return
        reader = self.readers[which % len(self.readers)]
        place = parse_cursor(reader.place())
        self.hub.unsubscribe(reader.subscriber)
        reader.subscriber = self.hub.subscribe("acme", reader.wish, place)
        if reader.subscriber.reset:
            assert reader.subscriber.reset == "too_old"
            reader.next = len(self.log) + 1

    def check(self, reader: Reader, frames: list[Frame]) -> None:
        """What was given is what the model has next, without gap or repeat."""
        for frame in frames:
            expected = self.following(reader)
            assert expected
            assert expected[0].offset == frame.offset
            reader.next = frame.offset + 1
        assert all(b"other" not in frame.json for frame in frames)

    def following(self, reader: Reader) -> list[Frame]:
        """Return the events that the reader has not been given yet."""
        return [
            frame
            for frame in self.log[reader.next - 1 :]
            if admits(reader.wish, frame.type, frame.session, frame.chat)
        ]

    @invariant()
    def nothing_is_passed_over(self) -> None:
        """A cursor never stands after an event that was due: its reader was told it is slow."""
        for reader in self.readers:
            due = self.following(reader)
            assert not due or reader.subscriber.ended or due[0].offset > reader.subscriber.cursor
            assert not reader.subscriber.ended or reader.subscriber.ended == "slow"

    def teardown(self) -> None:
        """In the end who is not slow gets all."""
        for reader in self.readers:
            while not reader.subscriber.ended and not reader.subscriber.caught_up:
                self.check(reader, reader.subscriber.take(list, 1 << 20, 7) or [])
            assert reader.subscriber.ended or not self.following(reader)


TestStreams = Streams.TestCase
TestStreams.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
