"""The journal's records and its book, without a file."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from sessions.provider.neonize import journal
from sessions.provider.neonize.journal import CONFIRMED, OVERHEAD, Bound, Ledger, Record, Segment

RECORDS = st.lists(
    st.builds(Record, st.integers(1, 2**62), st.integers(0, 200), st.binary(max_size=40)),
    max_size=8,
)
SMALL = Bound(size=200, records=6, idle=60)


def written(records: list[Record]) -> bytes:
    """Return the records as they stand in a segment."""
    return b"".join(journal.head(*record) + record.data for record in records)


@given(RECORDS, st.data())
def test_any_cut_leaves_whole_records(records: list[Record], data: st.DataObject) -> None:
    """A prefix of what was written, as long as it can be."""
    whole = written(records)
    cut = data.draw(st.integers(0, len(whole)))
    read = list(journal.read(whole[:cut]))
    assert records[: len(read)] == read
    if len(read) < len(records):
        assert len(written(records[: len(read) + 1])) > cut


@given(RECORDS.filter(bool), st.data())
def test_a_changed_byte_hides_its_record_and_what_follows(
    records: list[Record], data: st.DataObject
) -> None:
    """Nothing is told that was not written."""
    whole = bytearray(written(records))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    read = list(journal.read(bytes(whole)))
    assert records[: len(read)] == read
    assert len(read) < len(records)


class Disk:
    """Two segments in memory, written as the file part does."""

    def __init__(self) -> None:
        self.segments = [bytearray(), bytearray()]
        self.ledger = self.opened(1000)

    def opened(self, origin: int | None = None) -> Ledger:
        """Read it all, as a new life does."""
        return Ledger([Segment(journal.read(bytes(s))) for s in self.segments], SMALL, origin)

    def reopen(self) -> None:
        """Begin a new life: what is not whole is cut off."""
        self.ledger = self.opened()
        for segment, known in zip(self.segments, self.ledger.segments, strict=True):
            del segment[known.size :]

    def _write(self, index: int, record: Record) -> None:
        self.segments[index] += journal.head(*record) + record.data
        self.ledger.added(index, record.sequence, record.code, len(record.data))

    def _empty(self, index: int) -> None:
        self.segments[index].clear()
        self.ledger.emptied(index)

    def append(self, data: bytes) -> int:
        """Write an event; return its number, 0 at the bound."""
        index = self.ledger.place(len(data))
        if index is None:
            return 0
        if index != self.ledger.active:
            self._empty(index)
        sequence = self.ledger.last + 1
        self._write(index, Record(sequence, 17, data))
        return sequence

    def confirm(self, mark: int) -> None:
        """Write a confirmation, and empty what is spent."""
        if self.ledger.confirm(mark):
            self._write(self.ledger.active, Record(mark, CONFIRMED, b""))
            for index in self.ledger.spent():
                self._empty(index)
                if index == self.ledger.active:
                    self._write(index, Record(self.ledger.confirmed, CONFIRMED, b""))

    def unconfirmed(self) -> list[Record]:
        """Return what a new life would replay."""
        found = (r for s in self.segments for r in journal.read(bytes(s)) if r.code != CONFIRMED)
        return sorted(r for r in found if r.sequence > self.opened(0).confirmed)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 100)),
        st.tuples(st.just("confirm"), st.integers(0, 8)),
        st.tuples(st.just("reopen"), st.just(0)),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(STEPS)
def test_nothing_unconfirmed_is_ever_lost(steps: list[tuple[str, int]]) -> None:
    """However it is appended, confirmed, rotated and opened anew; and the bound holds."""
    disk = Disk()
    kept: list[Record] = []
    for step, number in steps:
        if step == "append":
            data = bytes(number)
            sequence = disk.append(data)
            if sequence:
                assert not kept or sequence > kept[-1].sequence
                kept.append(Record(sequence, 17, data))
        elif step == "confirm" and kept:
            mark = kept[min(number, len(kept) - 1)].sequence
            disk.confirm(mark)
            kept = [record for record in kept if record.sequence > mark]
        elif step == "reopen":
            disk.reopen()
        assert kept == disk.unconfirmed()
        assert sum(len(s) for s in disk.segments) <= 2 * SMALL.size + len(steps) * OVERHEAD


def test_at_the_bound_the_oldest_stay() -> None:
    """What comes goes unjournaled until something is confirmed."""
    disk = Disk()
    numbers = [disk.append(b"x" * 50) for _ in range(10)]
    kept = [number for number in numbers if number]
    assert numbers == [*kept, *([0] * (10 - len(kept)))]
    assert kept == [record.sequence for record in disk.unconfirmed()]
    disk.confirm(kept[-1])
    assert disk.append(b"y") == kept[-1] + 1


def test_the_number_of_records_is_bounded_too() -> None:
    """Twice six, however small they are."""
    disk = Disk()
    assert sum(bool(disk.append(b"")) for _ in range(30)) == 2 * SMALL.records


def test_an_event_that_no_segment_can_hold_is_not_kept() -> None:
    """It would displace nothing, and fit nowhere."""
    disk = Disk()
    assert disk.append(bytes(SMALL.size)) == 0
    assert disk.append(b"small") != 0


def test_a_spent_journal_goes_on_counting() -> None:
    """The numbers rise over all lives, so that an old confirmation never fits a new event."""
    disk = Disk()
    last = 0
    for _ in range(50):
        last = disk.append(b"x" * 40)
        disk.confirm(last)
        disk.reopen()
    assert disk.append(b"") == last + 1 == 1051
    assert sum(len(s) for s in disk.segments) < SMALL.size


def test_a_confirmation_of_another_journal_confirms_nothing() -> None:
    """Numbers begin at random: an older, a foreign and a repeated one are no news."""
    disk = Disk()
    first = disk.append(b"x")
    for foreign in (0, 1, 999, 1000, 2**60):
        assert not disk.ledger.confirm(foreign)
    assert disk.ledger.confirm(first)
    assert not disk.ledger.confirm(first)
    assert len({Ledger([Segment(), Segment()], SMALL).last for _ in range(5)}) == 5


def test_a_confirmation_beyond_a_cut_tail_counts() -> None:
    """The daemon had seen what the file lost: the next number is not one that it knows."""
    disk = Disk()
    last = [disk.append(b"x") for _ in range(3)][-1]
    disk.segments[0] = disk.segments[0][:-5]
    disk.reopen()
    disk.confirm(last)
    assert disk.unconfirmed() == []
    assert disk.append(b"new") == last + 1
