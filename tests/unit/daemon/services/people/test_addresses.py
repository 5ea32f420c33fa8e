from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from daemon.history.models import StoredChat, StoredContact
from daemon.history.sqlite import SqliteHistory
from daemon.services.people.addresses import Addresses
from daemon.services.people.past import Past
from daemon.storage.database import Database
from sessions.ids import ChatRef, SessionKey
from sessions.manager.memory import Memory, MemorySettings
from sessions.models import Contact

KEY = SessionKey("acme", "main")
PN, LID = "5511999990001@s.whatsapp.net", "200000000000001@lid"


def contact() -> Contact:
    """Return a contact with both addresses."""
    return Contact(
        session="main",
        jid=PN,
        pn=PN,
        lid=LID,
        name=None,
        push_name=None,
        picture_id=None,
        picture_url=None,
    )


@pytest.mark.parametrize("told_by", ["contact", "chat"])
@pytest.mark.parametrize("has_memory", [True, False])
async def test_what_left_the_memory_tells_who_is_one_person(
    tmp_path: Path, database: Database, told_by: str, has_memory: bool
) -> None:
    """By a contact alone, who never had a chat, or by a chat; beside a daemon or without one."""
    store = SqliteHistory(tmp_path / "history")
    await store.ready()
    if told_by == "contact":
        record = StoredContact(*KEY, PN, msgspec.json.encode(contact()))
        await store.write([record])
    else:
        await store.write(
            [StoredChat(ChatRef(*KEY, PN), PN, LID, None, None, 0, 1, False, False, None)]
        )
    memory = Memory(MemorySettings()) if has_memory else None
    addresses = Addresses(database, memory, Past(store))
    assert await addresses.of(KEY, PN) == {PN, LID}
    assert await addresses.of(KEY._replace(session="other"), PN) == {PN}
    await store.close()
