"""What a session keeps of what came in."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from sessions.provider.neonize import codes, people
from sessions.provider.neonize.addresses import Addresses
from sessions.provider.neonize.inbox import Received
from sessions.provider.neonize.journal_file import Journal
from sessions.provider.neonize.kept import Kept
from sessions.provider.neonize.lids import LidMap

OWN, OWN_LID = "5511900000001@s.whatsapp.net", "100000000000001@lid"
ALICE, ALICE_LID = "5511999990001@s.whatsapp.net", "200000000000002@lid"


def never() -> bool:
    """Say that nobody stops."""
    return False


async def opened(store: Path) -> Kept:
    """Return what is kept in a store, open."""
    kept = Kept(str(store))
    await kept.open(1, never)
    return kept


async def replayed(store: Path) -> list[bytes]:
    """Return what a next life would be given."""
    kept = Kept(str(store))
    records = await kept.open(1, never)
    kept.close()
    return [record.data for record in records]


async def test_only_the_daemon_confirms_what_it_was_told(tmp_path: Path) -> None:
    """What was handled and not confirmed comes again."""
    kept = await opened(tmp_path)
    marks = [kept.keep(codes.MESSAGE, text) for text in (b"1", b"2", b"3")]
    for mark in marks:
        kept.told(mark)
    assert not kept.is_settled
    kept.confirm(marks[1])
    kept.close()
    assert await replayed(tmp_path) == [b"3"]


async def test_what_has_nothing_to_tell_is_confirmed_with_its_neighbours(tmp_path: Path) -> None:
    """Nobody confirms it by itself; what was told before it is never confirmed by it."""
    kept = await opened(tmp_path)
    silent, told, later = (kept.keep(codes.MESSAGE, text) for text in (b"1", b"2", b"3"))
    kept.silent(silent)
    kept.told(told)
    kept.silent(later)
    assert not kept.is_settled
    kept.confirm(told)
    assert kept.is_settled
    kept.close()
    assert await replayed(tmp_path) == []


@pytest.mark.parametrize("number", [0, 1])
async def test_silence_confirms_nothing_that_waits(tmp_path: Path, number: int) -> None:
    """Told, then silent, then killed: the told one comes again."""
    kept = await opened(tmp_path)
    told, silent = kept.keep(codes.MESSAGE, b"told"), kept.keep(codes.MESSAGE, b"silent")
    kept.told(told)
    kept.silent(silent)
    kept.confirm(0 if number else told - 1)
    kept.close()
    assert (await replayed(tmp_path))[0] == b"told"


async def test_a_confirmation_that_came_before_the_journal_is_open(tmp_path: Path) -> None:
    """The daemon says what an earlier worker told it, before it starts the session."""
    kept = await opened(tmp_path)
    marks = [kept.keep(codes.RECEIPT, text) for text in (b"1", b"2")]
    kept.close()
    again = Kept(str(tmp_path))
    again.confirm(marks[0])
    assert [record.data for record in await again.open(1, never)] == [b"2"]
    again.close()


async def test_a_journal_that_another_process_has_is_waited_for(tmp_path: Path) -> None:
    """It still drains; and what it wrote is seen."""
    other = Journal(str(tmp_path))
    waiting = asyncio.get_running_loop().create_task(Kept(str(tmp_path)).open(20, never))
    await asyncio.sleep(0.15)
    assert not waiting.done()
    other.append(codes.MESSAGE, b"last words")
    other.close()
    assert [record.data for record in await waiting] == [b"last words"]


@pytest.mark.parametrize(("patience", "is_stopping"), [(0.0, never), (60.0, lambda: True)])
async def test_but_not_for_ever(
    tmp_path: Path, patience: float, is_stopping: Callable[[], bool]
) -> None:
    """Then it is RAM that has to do."""
    other = Journal(str(tmp_path))
    kept = Kept(str(tmp_path))
    assert await kept.open(patience, is_stopping) == []
    assert kept.keep(codes.MESSAGE, b"x") == 0
    assert kept.is_settled
    kept.silent(0)
    other.close()


async def test_without_a_store_it_is_ram(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It says so; nothing is raised."""
    kept = Kept(str(tmp_path / "nowhere"))
    assert await kept.open(1, never) == []
    kept.introduce(Addresses(LidMap()))
    kept.people.learned(ALICE_LID, ALICE)
    assert kept.keep(codes.MESSAGE, b"x") == 0
    kept.close()
    assert "cannot be opened" in caplog.text
    assert "cannot be read" in caplog.text


async def test_events_that_go_unjournaled_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """When it begins, and when it ends, with their number."""
    caplog.set_level(logging.WARNING)
    kept = Kept(str(tmp_path))
    for _ in range(3):
        kept.note(Received(codes.MESSAGE, b"", kept.keep(codes.MESSAGE, b"")))
        kept.note(Received(codes.PRESENCE, b""))
    await kept.open(1, never)
    kept.note(Received(codes.MESSAGE, b"", kept.keep(codes.MESSAGE, b"")))
    assert (len(caplog.messages), kept.unkept) == (2, 3)
    assert "3 were not" in caplog.messages[1]
    kept.close()


async def test_settling_waits_for_the_last_confirmation(tmp_path: Path) -> None:
    """Up to its patience, for each."""
    kept = await opened(tmp_path)
    marks = [kept.keep(codes.MESSAGE, b"x") for _ in range(3)]
    for mark in marks:
        kept.told(mark)
    settling = asyncio.get_running_loop().create_task(kept.settled(20))
    for mark in marks:
        await asyncio.sleep(0.01)
        assert not settling.done()
        kept.confirm(mark)
    await settling
    kept.told(kept.keep(codes.MESSAGE, b"x"))
    await kept.settled(0.01)
    assert not kept.is_settled
    kept.discard()
    assert list(tmp_path.iterdir()) == []


async def test_who_is_who_is_known_in_the_next_life(tmp_path: Path) -> None:
    """Own addresses and pairs, the newer over the older; the core is not needed."""
    kept = await opened(tmp_path)
    kept.introduce(Addresses(LidMap()))
    kept.people.own(OWN, OWN_LID)
    kept.people.own(OWN, OWN_LID)
    kept.people.learned(ALICE_LID, "5511999990009@s.whatsapp.net")
    kept.people.learned(ALICE_LID, ALICE)
    kept.close()
    for _ in range(2):
        addresses = Addresses(LidMap())
        kept = await opened(tmp_path)
        kept.introduce(addresses)
        kept.close()
        assert (addresses.own_pn, addresses.own_lid) == (OWN, OWN_LID)
        assert (addresses.canonical(ALICE_LID), addresses.lids.lid_of(ALICE)) == (ALICE, ALICE_LID)
    assert (tmp_path / people.FILE).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / people.FILE).stat().st_size < 300


async def test_a_full_disk_costs_only_who_is_who(tmp_path: Path) -> None:
    """Half a pair ends the file for this life: none after it would be read."""
    kept = await opened(tmp_path)
    kept.introduce(Addresses(LidMap()))
    kept.people.own(OWN, None)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / people.FILE).stat().st_size + 5, hard))
    try:
        kept.people.learned(ALICE_LID, ALICE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    kept.people.learned(ALICE_LID, ALICE)
    kept.close()
    addresses = Addresses(LidMap())
    kept.introduce(addresses)
    kept.close()
    assert (addresses.own_pn, addresses.own_lid, len(addresses.lids)) == (OWN, None, 0)
