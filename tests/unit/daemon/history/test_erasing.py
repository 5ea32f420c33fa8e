"""A person leaves history.db: what others quoted of them, and every byte of the file."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from daemon.history.models import StoredMessage
from daemon.history.sqlite import SqliteHistory
from daemon.storage.device_store import count_in
from sessions.ids import ChatRef, SessionKey
from sessions.models import splice
from tests.unit.daemon.history.samples import ANNA, BOB, chat, contact, message

KEY = SessionKey("acme", "main")
GROUP = ChatRef(*KEY, "120363000000000001@g.us")


def quoting(id: str, sender: str, quoted: str, reacted: str) -> StoredMessage:
    """Return a message in the group that quotes somebody and has somebody's reaction."""
    plain = message(id, "what others say stays", chat=GROUP, sender=sender)
    reply = {"id": "m0", "wa_id": "W0", "sender": quoted, "text": "secretphrase", "type": "text"}
    head = json.loads(plain.head + b"}") | {"reply_to": reply}
    tail = json.loads(b"{" + plain.tail[1:])
    tail["reactions"] = [{"emoji": "+", "sender": reacted, "from_me": False, "at": ""}]
    return plain._replace(
        head=json.dumps(head).encode()[:-1], tail=b"," + json.dumps(tail).encode()[1:]
    )


async def shown(store: SqliteHistory, id: str) -> Any:  # noqa: ANN401 - JSON
    """Return a message as clients read it."""
    stored = await store.message("acme", id)
    assert stored is not None
    return json.loads(splice(stored.head, stored.tail))


async def test_quotations_and_reactions_of_the_person_go(tmp_path: Path) -> None:
    """What the others wrote stays, and what they quoted of each other."""
    store = SqliteHistory(tmp_path / "data")
    await store.ready()
    await store.write([chat(GROUP), quoting("q1", BOB, ANNA, BOB), quoting("q2", BOB, BOB, ANNA)])
    counts = await store.erase_contact(KEY, frozenset({ANNA}))
    assert counts == {"messages": 0, "chats": 0, "contacts": 0, "quotations": 2}
    first, second = await shown(store, "q1"), await shown(store, "q2")
    assert first["reply_to"] is None
    assert first["text"] == "what others say stays"
    assert [reaction["sender"] for reaction in first["reactions"]] == [BOB]
    assert second["reply_to"]["text"] == "secretphrase"
    assert second["reactions"] == []
    assert sum(count_in(path, ANNA[:13].encode()) for path in (tmp_path / "data").iterdir()) == 0
    await store.close()


async def test_no_byte_of_an_erased_contact_is_left(tmp_path: Path) -> None:
    """Though SQLite had moved rows between pages, and left copies in the gaps where they were.

    With this seed one is left unless the file is written anew.
    """
    order = random.Random(0)  # noqa: S311 - a workload, no secret
    numbers = [f"55119{n:08d}" for n in range(3000)]
    order.shuffle(numbers)
    store = SqliteHistory(tmp_path / "data")
    await store.ready()
    for start in range(0, 3000, 100):
        refs = [ChatRef(*KEY, f"{n}@s.whatsapp.net") for n in numbers[start : start + 100]]
        bodies = [
            b'{"jid":"%s","x":"%s"}' % (r.jid.encode(), b"y" * order.randrange(300)) for r in refs
        ]
        await store.write([chat(ref, name="x" * order.randrange(200)) for ref in refs])
        pairs = zip(refs, bodies, strict=True)
        await store.write([contact(ref.jid)._replace(body=body) for ref, body in pairs])
    gone = order.sample(numbers, 200)
    await store.erase_contact(KEY, frozenset(f"{number}@s.whatsapp.net" for number in gone))
    body = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    assert [number for number in gone if number.encode() in body] == []
    await store.close()
