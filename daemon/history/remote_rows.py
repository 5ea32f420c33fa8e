"""Records as the functions of ``…_zapd_history_calls.sql`` take and give them, in JSON.

What PostgreSQL cannot hold in a text, U+0000, is taken out of names and of what search looks at;
heads and tails are JSON themselves and never have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from daemon.history.models import (
    Dropped,
    Moved,
    Place,
    Record,
    StoredChat,
    StoredContact,
    StoredMessage,
)
from sessions.ids import ChatRef
from sessions.models import rewrite_head

ROWS_MAX = 500  # a request: 4 ms of the event loop to make it, hardly slower than with 1000
BYTES_MAX = 1 << 20  # likewise, of heads, tails and texts
Kept = StoredMessage | StoredChat | StoredContact
Row = dict[str, Any]

#: U+0000, and the marks of a snippet: only a search puts those there.
_TAKEN_OUT = str.maketrans("", "", "\x00\x02\x03")
_CHAT_COLUMNS = (
    "pn", "lid", "name", "picture_id", "unread", "active_ms", "archived", "pinned", "muted_until_ms"
)  # fmt: skip


class Rows(NamedTuple):
    """What one request writes. Of one key there is one row."""

    workspaces: list[str]
    messages: list[Row]
    chats: list[Row]
    contacts: list[Row]


def steps(records: Iterable[Record]) -> Iterator[list[Kept] | Moved | Dropped]:
    """Yield the records in order: those that one request can write together, and the others."""
    batch: list[Kept] = []
    size = 0
    for record in records:
        more = _size(record)
        is_kept = not isinstance(record, Moved | Dropped)
        if batch and not (is_kept and len(batch) < ROWS_MAX and size + more <= BYTES_MAX):
            yield batch
            batch, size = [], 0
        if isinstance(record, Moved | Dropped):
            yield record
        else:
            batch.append(record)
            size += more
    if batch:
        yield batch


def rows_of(records: Sequence[Kept]) -> Rows:
    """Return the records' rows, of each key the last; ``ValueError`` for what JSON cannot have."""
    messages: dict[tuple[str, str], Row] = {}
    chats: dict[ChatRef, Row] = {}
    contacts: dict[tuple[str, str, str], Row] = {}
    for record in records:
        if isinstance(record, StoredMessage):
            messages[(record.chat.workspace, record.id)] = _message_row(record)
        elif isinstance(record, StoredChat):
            chats[record.ref] = _chat_row(record)
        else:
            contacts[record[:3]] = {
                "workspace": record.workspace,
                "session": record.session,
                "jid": record.jid,
                "body": record.body.decode(),
            }
    workspaces = {key[0] for kind in (messages, chats, contacts) for key in kind}
    return Rows(sorted(workspaces), [*messages.values()], [*chats.values()], [*contacts.values()])


def chat_key(ref: ChatRef) -> Row:
    """Return the columns that name a chat."""
    return {"workspace": ref.workspace, "session": ref.session, "chat": ref.jid}


def by_workspace(refs: Iterable[ChatRef]) -> dict[str, list[Row]]:
    """Return the chats as the functions take them, by their workspace."""
    found: dict[str, list[Row]] = {}
    for ref in refs:
        found.setdefault(ref.workspace, []).append({"session": ref.session, "chat": ref.jid})
    return found


def readdressed(message: StoredMessage, moved: Moved) -> StoredMessage:
    """Return the message in the chat that its own became, as the cache does with what it holds."""
    by = moved.new.jid if message.sender == moved.old.jid else message.sender
    head = rewrite_head(message.head, chat=moved.new.id, sender=by)
    return message._replace(chat=moved.new, sender=by, head=head)


def message_of(row: Sequence[Any], workspace: str) -> tuple[Place, StoredMessage]:
    """Return the message of ``private.history_row``, and where it stands."""
    place, session, jid, id_, at, from_me, sender, type_, text, wa_id, head, tail = row
    message = StoredMessage(
        ChatRef(workspace, session, jid),
        *(id_, at, from_me, sender, type_, text, wa_id),
        head.encode(),
        tail.encode(),
    )
    return int(place), message


def chat_of(row: Sequence[Any]) -> StoredChat:
    """Return the chat of ``private.history_chat``."""
    return StoredChat(ChatRef(*row[:3]), *row[3:12])._replace(mark=int(row[12]))


def contact_of(row: Sequence[Any]) -> StoredContact:
    """Return the contact of ``zapd_history_contacts``."""
    workspace, session, jid, body = row[:4]
    return StoredContact(workspace, session, jid, body.encode())


def _message_row(message: StoredMessage) -> Row:
    return {
        **chat_key(message.chat),
        "id": message.id,
        "at": message.at,
        "from_me": message.from_me,
        "sender": message.sender,
        "type": message.type,
        "text": message.text.translate(_TAKEN_OUT) if message.text else None,
        "wa_id": message.wa_id,
        "head": message.head.decode(),
        "tail": message.tail.decode(),
    }


def _chat_row(chat: StoredChat) -> Row:
    row = {**chat_key(chat.ref), **dict(zip(_CHAT_COLUMNS, chat[1:-1], strict=True))}
    row["mark"] = str(chat.mark)  # up to 2**61: as a number, JavaScript would round it
    if chat.name is not None:
        row["name"] = chat.name.replace("\x00", "")
    return row


_SIZES: dict[type[Any], Callable[[Any], int]] = {
    StoredMessage: lambda m: len(m.head) + len(m.tail) + len(m.text or ""),
    StoredContact: lambda contact: len(contact.body),
}


def _size(record: Record) -> int:
    measure = _SIZES.get(type(record))
    return measure(record) if measure else 0
