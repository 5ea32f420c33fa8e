from __future__ import annotations

import csv
import io
import json
import tracemalloc
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from daemon.history.sqlite import SqliteHistory
from daemon.services.people.exporting import Order, export
from daemon.services.people.formats import Format
from daemon.services.people.past import Past
from daemon.services.people.source import Source, Wanted
from daemon.storage.database import Database
from daemon.storage.workspaces import WorkspaceStore
from sessions.cache.chats import ChatRow
from sessions.cache.messages import Entry
from sessions.ids import ChatRef
from sessions.manager.memory import Memory, MemorySettings
from sessions.models import MessageTail
from tests.unit.daemon.history.samples import ANNA, BOB, CHAT, NOON, chat, contact, message

GROUP = ChatRef("acme", "main", "120363000000000001@g.us")


@pytest_asyncio.fixture
async def history(tmp_path: Path) -> AsyncIterator[SqliteHistory]:
    """Yield an empty history."""
    store = SqliteHistory(tmp_path / "data")
    await store.ready()
    yield store
    await store.close()


class Desk:
    """Makes exports of workspace `acme` into a folder."""

    def __init__(self, folder: Path, source: Source, database: Database) -> None:
        self.target = folder / "out.zip"
        self._source = source
        self._database = database
        self.told: list[int] = []

    async def make(self, wanted: Wanted, form: Format = "jsonl") -> dict[str, list[Any]]:
        """Return the rows of each file."""

        async def told(hundredths: int) -> None:
            self.told.append(hundredths)

        order = Order(wanted, form, {"workspace": "acme"})
        await export(order, self.target, self._source, self._database, told)
        with zipfile.ZipFile(self.target) as zipped:
            bodies = {name: zipped.read(name) for name in zipped.namelist()}
        assert json.loads(bodies.pop("manifest.json"))["workspace"] == "acme"
        return {name.partition(".")[0]: _rows(name, body) for name, body in bodies.items()}


def _rows(name: str, body: bytes) -> list[Any]:
    if name.endswith(".csv"):
        return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    return [json.loads(line) for line in body.splitlines()]


@pytest.fixture
def memory() -> Memory:
    """Return empty caches."""
    return Memory(MemorySettings(budget=1 << 30))


@pytest.fixture
def desk(
    tmp_path: Path,
    memory: Memory,
    history: SqliteHistory,
    database: Database,
    workspaces: WorkspaceStore,
) -> Desk:
    """Return who exports from RAM and history."""
    return Desk(tmp_path, Source(memory, Past(history)), database)


ALL = Wanted("acme", ("main",))


def hold(memory: Memory, id: str, *, at: int, where: ChatRef = CHAT, status: str = "read") -> None:
    """Put a message into RAM, with its chat's row."""
    stored = message(id, f"text of {id}", chat=where, at=at, status=status)
    tail = MessageTail(wa_id=f"W{id}", status="played", ack=4)
    entry = Entry(where, id, at, from_me=False, head=stored.head, tail=tail)
    if memory.chats.look(where) is None:
        memory.chats.add(ChatRow(where))
    memory.messages.add(entry, at)


async def test_ram_has_the_last_word_and_nothing_is_there_twice(
    desk: Desk, memory: Memory, history: SqliteHistory
) -> None:
    """What both have is as RAM has it; what one alone has is there too."""
    await history.write([chat(), message("old", at=NOON), message("both", at=NOON + 1), contact()])
    hold(memory, "both", at=NOON + 1)
    hold(memory, "new", at=NOON + 2)
    hold(memory, "alone", at=NOON, where=GROUP)
    made = await desk.make(ALL)
    assert [(row["id"], row["status"]) for row in made["messages"]] == [
        ("old", "read"),
        ("both", "played"),
        ("new", "played"),
        ("alone", "played"),
    ]
    assert [row["jid"] for row in made["chats"]] == [ANNA, GROUP.jid]
    assert [row["jid"] for row in made["contacts"]] == [ANNA]
    assert desk.told == sorted(desk.told)
    assert desk.told[-1] == 90


async def test_an_export_leaves_the_caches_as_they_are(desk: Desk, memory: Memory) -> None:
    """Nothing counts as used by it: what was to leave first still is."""
    bob = CHAT._replace(jid=BOB)
    hold(memory, "first", at=NOON)
    hold(memory, "second", at=NOON + 1, where=bob)
    memory.messages.window(CHAT, NOON)
    before = [(usage.hits, usage.misses) for usage in memory.usage().values()]
    await desk.make(ALL)
    assert [(usage.hits, usage.misses) for usage in memory.usage().values()] == before
    assert memory.messages._windows.popitem()[0] == bob  # noqa: SLF001 - who would leave first


async def test_a_contact_has_what_they_wrote_in_groups(desk: Desk, history: SqliteHistory) -> None:
    """Not what the others wrote there, and not the group itself."""
    await history.write(
        [
            chat(),
            chat(GROUP, name="Team"),
            chat(CHAT._replace(jid=BOB), name="Bob"),
            message("direct"),
            message("hers", chat=GROUP, sender=ANNA),
            message("his", chat=GROUP, sender=BOB),
            message("bobs", chat=CHAT._replace(jid=BOB)),
            contact(),
            contact(BOB),
        ]
    )
    wanted = Wanted("acme", ("main",), frozenset({ANNA}), groups=True)
    made = await desk.make(wanted)
    assert {row["id"] for row in made["messages"]} == {"direct", "hers"}
    assert [row["jid"] for row in made["chats"]] == [ANNA]
    assert [row["jid"] for row in made["contacts"]] == [ANNA]


async def test_other_workspaces_and_sessions_are_not_in_it(
    desk: Desk, history: SqliteHistory
) -> None:
    """Though the address is the same."""
    others = [CHAT._replace(workspace="beta"), CHAT._replace(session="shop")]
    await history.write([chat(), message("mine"), contact(), contact(workspace="beta")])
    await history.write(
        [record for o in others for record in (chat(o), message(o[0] + o[1], chat=o))]
    )
    made = await desk.make(ALL)
    assert [row["id"] for row in made["messages"]] == ["mine"]
    assert len(made["chats"]) == len(made["contacts"]) == 1
    wanted = Wanted("acme", ("main",), frozenset({ANNA}))
    assert [row["id"] for row in (await desk.make(wanted))["messages"]] == ["mine"]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
async def test_memory_is_bounded_whatever_the_export_holds(
    desk: Desk, history: SqliteHistory, form: Format
) -> None:
    """Twenty thousand messages of a kilobyte each go through less than eight megabytes."""
    text = "x" * 1000
    for start in range(0, 20_000, 2000):
        some = range(start, start + 2000)
        await history.write([message(f"m{n}", text, at=NOON + n) for n in some])
    await history.write([chat()])
    seen: list[int] = []

    async def told(_: int) -> None:
        """Need not look."""

    order = Order(ALL, form, {})
    tracemalloc.start()
    try:
        await export(order, desk.target, Source(None, Past(history)), desk._database, told)  # noqa: SLF001 - the same
        seen.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert seen[0] < 8 << 20
    with zipfile.ZipFile(desk.target) as zipped:
        assert zipped.getinfo(f"messages.{form}").file_size > 20_000_000


async def test_nothing_stays_of_an_export_that_ends_early(
    desk: Desk, history: SqliteHistory, tmp_path: Path
) -> None:
    """No file under its name, none under another."""
    await history.write([chat(), message("m")])

    class Enough(Exception):
        pass

    async def told(_: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        await export(Order(ALL, "jsonl", {}), desk.target, desk._source, desk._database, told)  # noqa: SLF001 - the same
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []
