from __future__ import annotations

import stat
from pathlib import Path

from sessions.provider.neonize.journal import Record, head
from sessions.provider.neonize.journal_file import Journal
from sessions.provider.neonize.people import People
from sessions.provider.scrubbing import addresses, scrub

ANA, LID, BOB = (
    "5511999990000@s.whatsapp.net",
    "123456789012345@lid",
    "5521988887777@s.whatsapp.net",
)
HERS = frozenset({ANA, LID})


def journal(store: Path, *events: bytes) -> list[int]:
    """Write events as a worker does; return their numbers."""
    made = Journal(str(store))
    numbers = [made.append(1, event) for event in events]
    made.close()
    return numbers


def left(store: Path) -> list[bytes]:
    """Return what the next life would be told."""
    made = Journal(str(store))
    try:
        return [record.data for record in made.unconfirmed()]
    finally:
        made.close()


def test_what_the_daemon_has_goes_and_what_it_lacks_stays(tmp_path: Path) -> None:
    """But for what names the person: that must not be told again."""
    numbers = journal(tmp_path, b"old of 5511999990000", b"bob", b"123456789012345 new", b"bob too")
    assert scrub(tmp_path, HERS, confirmed=numbers[1]) == {
        "events": 2,
        "not told yet": 1,
        "undecrypted": 0,
        "addresses": 0,
    }
    assert left(tmp_path) == [b"bob too"]
    body = (tmp_path / "inbound.0").read_bytes()
    assert b"5511999990000" not in body
    assert b"123456789012345" not in body


def test_a_mark_of_another_journal_confirms_nothing(tmp_path: Path) -> None:
    """It was of an earlier pairing: what is here was not told."""
    journal(tmp_path, b"bob", b"bob too")
    scrub(tmp_path, HERS, confirmed=5)
    assert left(tmp_path) == [b"bob", b"bob too"]


def test_a_journal_goes_on_after_it(tmp_path: Path) -> None:
    """Numbers rise on, so that no mark means something else; files stay their owner's."""
    numbers = journal(tmp_path, b"of 5511999990000", b"bob")
    scrub(tmp_path, HERS, confirmed=numbers[0])
    assert journal(tmp_path, b"next")[0] == numbers[1] + 1
    assert left(tmp_path) == [b"bob", b"next"]
    assert stat.S_IMODE((tmp_path / "inbound.0").stat().st_mode) == 0o600


def test_a_message_that_is_waited_for_is_forgotten(tmp_path: Path) -> None:
    """Nobody tells of it any more."""
    records = [Record(1, 1, b"of 123456789012345"), Record(2, 1, b"of bob")]
    body = b"".join(head(*record) + record.data for record in records)
    (tmp_path / "inbound.undecrypted").write_bytes(body)
    assert scrub(tmp_path, HERS)["undecrypted"] == 1
    assert b"of bob" in (tmp_path / "inbound.undecrypted").read_bytes()
    assert b"123456789012345" not in (tmp_path / "inbound.undecrypted").read_bytes()


def test_who_is_who_is_told_before_and_unknown_after(tmp_path: Path) -> None:
    """The pair goes; other pairs and the account's own addresses stay."""
    people = People(str(tmp_path))
    people.load()
    people.own("5511900000001@s.whatsapp.net", "100000000000001@lid")
    people.learned(LID, ANA)
    people.learned("999999999999999@lid", BOB)
    people.close()
    assert addresses(tmp_path, ANA) == {ANA, LID}
    assert addresses(tmp_path, LID) == {ANA, LID}
    assert scrub(tmp_path, HERS)["addresses"] == 1
    assert addresses(tmp_path, ANA) == set()
    own, pairs = People(str(tmp_path)).load()
    assert own == ("5511900000001@s.whatsapp.net", "100000000000001@lid")
    assert pairs == [("999999999999999@lid", BOB)]


def test_a_session_that_has_no_such_files(tmp_path: Path) -> None:
    """A sandbox keeps nothing of anybody."""
    assert set(scrub(tmp_path, HERS).values()) == {0}
    assert list(tmp_path.iterdir()) == []
    assert addresses(tmp_path / "nowhere", ANA) == set()
