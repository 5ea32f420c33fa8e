"""The people and rows of the contract. All ids are UUIDs: Supabase takes nothing else."""

from __future__ import annotations

from typing import Any, TypeVar

from daemon.metadata.models import (
    Actor,
    AnyRow,
    Assignment,
    ChatTag,
    Member,
    Note,
    QuickReply,
    Role,
    Setting,
    Tag,
)
from daemon.metadata.port import Change, MetadataStore
from sessions.ids import ChatRef

ANA = Actor(id="a0000000-0000-4000-8000-00000000000a", name="Ana")
BEN = Actor(id="b0000000-0000-4000-8000-00000000000b", name="Ben")
KEY = Actor(id="key:3f", name="CRM key", kind="gateway")
OUTSIDE = Actor(id="", name="", kind="external")

CHAT = ChatRef("acme", "s1", "5511999990000@s.whatsapp.net")
OTHER = ChatRef("acme", "s1", "5511999990001@s.whatsapp.net")
LID = ChatRef("acme", "s1", "123456789012345@lid")

R = TypeVar("R", bound=AnyRow)


def uuid_of(number: int) -> str:
    """Return a UUID that a test can tell from others."""
    return f"00000000-0000-4000-8000-{number:012d}"


def members(workspace: str) -> list[Change]:
    """Return who works in a workspace."""
    return [
        Change(
            Member(workspace=workspace, user=who.id, role=Role.AGENT, name=who.name, actor=ANA),
            "member_updated",
        )
        for who in (ANA, BEN)
    ]


def assignment(chat: ChatRef = CHAT, **fields: object) -> Assignment:
    """Return an assignment as Ana writes it."""
    given: dict[str, Any] = {"actor": ANA, **fields}
    return Assignment(workspace=chat.workspace, session=chat.session, jid=chat.jid, **given)


def tag(number: int = 1, name: str = "VIP", workspace: str = "acme", **fields: object) -> Tag:
    """Return a tag as Ana writes it."""
    given: dict[str, Any] = {"actor": ANA, **fields}
    return Tag(workspace=workspace, id=uuid_of(number), name=name, **given)


def chat_tag(number: int = 1, chat: ChatRef = CHAT, **fields: object) -> ChatTag:
    """Return a tag on a chat as Ana puts it there."""
    given: dict[str, Any] = {"actor": ANA, "tag": uuid_of(number), **fields}
    return ChatTag(workspace=chat.workspace, session=chat.session, jid=chat.jid, **given)


def note(number: int, body: str = "calls back", chat: ChatRef = CHAT, **fields: object) -> Note:
    """Return a note as Ana writes it."""
    given: dict[str, Any] = {"actor": ANA, "author": ANA.id, **fields}
    return Note(
        workspace=chat.workspace,
        session=chat.session,
        jid=chat.jid,
        id=uuid_of(number),
        body=body,
        **given,
    )


def reply(number: int, shortcut: str, owner: str | None = None, **fields: object) -> QuickReply:
    """Return a quick reply as Ana writes it."""
    given: dict[str, Any] = {"workspace": "acme", "actor": ANA, "body": "Good morning!", **fields}
    return QuickReply(id=uuid_of(number), shortcut=shortcut, owner=owner, **given)


def setting(name: str, value: object, scope: str = "workspace", **fields: object) -> Setting:
    """Return a setting as Ana writes it."""
    given: dict[str, Any] = {"workspace": "acme", "actor": ANA, **fields}
    return Setting(scope=scope, name=name, value=value, **given)


async def put(store: MetadataStore, row: R, expected: int | None = None) -> R:
    """Write one row; return it as stored."""
    (stored,) = await store.write([Change(row, f"{row.kind}_updated", expected)])
    assert isinstance(stored, type(row))
    return stored


async def find(store: MetadataStore, row: R) -> R:
    """Return what the store has under the row's key."""
    found = await store.row(type(row), row.workspace, row.key)
    assert isinstance(found, type(row))
    return found
