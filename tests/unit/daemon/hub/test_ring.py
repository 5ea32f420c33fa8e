from __future__ import annotations

from hypothesis import given, strategies as st

from daemon.hub.ring import FRAME_OVERHEAD, Frame, Ring


def frame(offset: int, size: int = 10) -> Frame:
    """Return a frame of so many bytes of JSON."""
    return Frame(offset, "new_message", "a", None, b"x" * size)


def offsets(ring: Ring, after: int, limit: int = 100_000) -> list[int]:
    """Return the offsets that follow."""
    return [held.offset for held in ring.after(after, limit)]


def test_a_new_ring_is_before_the_first_event() -> None:
    """Its head is 0, and nothing follows."""
    ring = Ring(10, 1 << 20)
    assert (ring.head, ring.first, ring.bytes, offsets(ring, 0)) == (0, 1, 0, [])


def test_the_oldest_goes_when_the_count_is_reached() -> None:
    """The offsets that stay are contiguous."""
    ring = Ring(3, 1 << 20)
    for offset in range(1, 6):
        ring.append(frame(offset))
    assert (ring.head, ring.first) == (5, 3)
    assert offsets(ring, 2) == [3, 4, 5]
    assert offsets(ring, 3, limit=1) == [4]


def test_the_newest_stays_however_big() -> None:
    """Who listens now must be able to read it."""
    ring = Ring(3, 100)
    ring.append(frame(1))
    ring.append(frame(2, 5000))
    assert offsets(ring, 1) == [2]


def test_bounds_can_shrink() -> None:
    """What is over the new ones is dropped at once."""
    ring = Ring(100, 1 << 20)
    for offset in range(1, 51):
        ring.append(frame(offset))
    ring.set_bounds(100, 10 * (10 + FRAME_OVERHEAD))
    assert (ring.first, len(ring)) == (41, 10)
    ring.set_bounds(4, 1 << 20)
    ring.append(frame(51))
    assert ring.first == 48
    ring.trim(2 * (10 + FRAME_OVERHEAD))
    assert offsets(ring, 49) == [50, 51]


@given(
    st.integers(1, 40),
    st.integers(1, 40 * (20 + FRAME_OVERHEAD)),
    st.lists(st.integers(0, 40), max_size=200),
)
def test_it_is_the_tail_of_all_events(max_events: int, max_bytes: int, sizes: list[int]) -> None:
    """Contiguous, within both bounds (but for the newest), its bytes exact."""
    ring = Ring(max_events, max_bytes)
    for offset, size in enumerate(sizes, 1):
        ring.append(frame(offset, size))
        held = ring.after(ring.first - 1, 1000)
        assert list(range(ring.first, offset + 1)) == [one.offset for one in held]
        assert sum(one.size for one in held) == ring.bytes
        assert len(held) == 1 or (len(held) <= max_events and ring.bytes <= max_bytes)


def test_a_long_life_leaves_no_dead_slots() -> None:
    """The list behind it stays within twice what it holds, and a cut."""
    ring = Ring(100, 1 << 20)
    for offset in range(1, 10_001):
        ring.append(frame(offset))
    assert list(range(9_901, 10_001)) == offsets(ring, 9_900)
