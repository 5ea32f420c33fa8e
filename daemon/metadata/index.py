"""What is known of metadata in memory: lists and chats are shown from here alone.

Members, tags, quick replies and settings are all here; they are few, and bounded when they are
made. Of chats, those that were used last: a workspace of which a chat had to leave is no longer
whole, and what is not here of it must be asked of the store (:meth:`MetadataIndex.is_known`).
Notes and the activity log are never here. Rows come in the order of their versions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from daemon.metadata.models import (
    AnyRow,
    Assignment,
    ChatTag,
    Key,
    Member,
    Note,
    QuickReply,
    Row,
    Setting,
    Tag,
)
from sessions.cache.byte_lru import ByteLRU, Usage
from sessions.cache.sizing import bytes_cost, text_cost
from sessions.ids import LID, ChatRef

R = TypeVar("R", bound=Row)

#: Of the bound, in hundredths: what chats may take; the rest is for the kinds that never leave.
CHATS_SHARE = 75
#: Of that rest, what one workspace may fill: no tenant takes the room of all.
WORKSPACE_SHARE = 25
#: A row beside its texts: struct, numbers, actor, dictionary slot.
_ROW_OVERHEAD = 330
#: A member beside the row: the place by the user's name, and the set of workspaces there.
_MEMBER_OVERHEAD = 340
#: A chat beside its rows: address, entry, LRU slot.
_CHAT_OVERHEAD = 320
#: Chats by a LID of which it is known whether something hangs on them; one weighs some 300 bytes.
MAX_LIDS = 100_000
#: A tag on a chat: its place in a tuple; its text may be shared.
_TAG_BYTES = 80


class _Chat:
    """What is known of one chat."""

    __slots__ = ("assignment", "nbytes", "tags")

    def __init__(self) -> None:
        self.assignment: Assignment | None = None
        self.tags: tuple[str, ...] = ()
        self.nbytes = 0

    def weigh(self, ref: ChatRef) -> None:
        own = row_cost(self.assignment) if self.assignment else sum(map(text_cost, ref))
        self.nbytes = _CHAT_OVERHEAD + own + _TAG_BYTES * len(self.tags)


class _Small:
    """The rows of one workspace that never leave."""

    __slots__ = ("members", "nbytes", "quick_replies", "settings", "tags")

    def __init__(self) -> None:
        self.nbytes = 0
        self.members: dict[Key, Member] = {}
        self.tags: dict[Key, Tag] = {}
        self.quick_replies: dict[Key, QuickReply] = {}
        self.settings: dict[Key, Setting] = {}


_NOTHING = _Small()  # of a workspace that has no rows; nobody adds to it


class MetadataIndex:
    """Rows by their names. Nothing here waits."""

    def __init__(self, max_bytes: int, chats_share: int = CHATS_SHARE) -> None:
        """Hold at most ``max_bytes``; ``chats_share`` hundredths of it are for chats."""
        chats = max_bytes * chats_share // 100
        self._chats: ByteLRU[ChatRef, _Chat] = ByteLRU(chats, self._left)
        self._small: dict[str, _Small] = {}
        self._small_bytes = 0
        self._small_max = max_bytes - chats
        self._workspaces_of: dict[str, set[str]] = {}
        self._torn: set[str] = set()
        self._lids: set[ChatRef] = set()

    # -- the kinds that never leave

    def member(self, workspace: str, user: str) -> Member | None:
        """Return a member, an inactive one too."""
        return self._of(workspace).members.get((user,))

    def members(self, workspace: str) -> list[Member]:
        """Return all members, by their ids."""
        return _sorted(self._of(workspace).members)

    def workspaces_of(self, user: str) -> list[str]:
        """Return the workspaces that have the user as a member, an inactive one too, sorted."""
        return sorted(self._workspaces_of.get(user, ()))

    def tag(self, workspace: str, id: str) -> Tag | None:
        """Return a tag."""
        return self._of(workspace).tags.get((id,))

    def tags(self, workspace: str) -> list[Tag]:
        """Return all tags, by position and name."""
        found = self._of(workspace).tags.values()
        return sorted(found, key=lambda tag: (tag.position, tag.name, tag.id))

    def quick_reply(self, workspace: str, id: str) -> QuickReply | None:
        """Return a quick reply."""
        return self._of(workspace).quick_replies.get((id,))

    def quick_replies(self, workspace: str) -> list[QuickReply]:
        """Return everybody's quick replies and each member's own, by shortcut."""
        found = self._of(workspace).quick_replies.values()
        return sorted(found, key=lambda reply: (reply.shortcut, reply.id))

    def setting(self, workspace: str, scope: str, name: str) -> Setting | None:
        """Return a setting."""
        return self._of(workspace).settings.get((scope, name))

    def settings(self, workspace: str, scope: str) -> list[Setting]:
        """Return the settings of a scope, by name."""
        return [row for row in _sorted(self._of(workspace).settings) if row.scope == scope]

    def has_room(self, workspace: str) -> bool:
        """Tell whether the workspace may have another row of a kind that never leaves."""
        most = self._small_max * WORKSPACE_SHARE // 100
        return self._small_bytes < self._small_max and self._of(workspace).nbytes < most

    # -- chats

    def assignment(self, ref: ChatRef) -> Assignment | None:
        """Return the chat's assignment; see :meth:`is_known` for what None means."""
        chat = self._chats.find(ref)
        return chat.assignment if chat else None

    def tags_of(self, ref: ChatRef) -> tuple[str, ...]:
        """Return the ids of the chat's tags that exist, sorted."""
        chat = self._chats.get(ref)
        if chat is None or not chat.tags:
            return ()
        tags = self._of(ref.workspace).tags
        return tuple(tag for tag in chat.tags if (tag,) in tags)

    def chats_with(self, workspace: str, tag: str) -> list[ChatRef]:
        """Return the chats that are held here and have the tag. Looks at all: not for each call."""
        return [
            ref
            for ref, chat in self._chats.items()
            if ref.workspace == workspace and tag in chat.tags
        ]

    def is_known(self, ref: ChatRef) -> bool:
        """Tell whether what is said here of the chat is all there is, as far as it is held here."""
        return ref.workspace not in self._torn or ref in self._chats

    def is_whole(self, workspace: str) -> bool:
        """Tell whether no chat of the workspace had to leave."""
        return workspace not in self._torn

    def may_have_rows(self, lid: ChatRef) -> bool:
        """Tell whether something, a note maybe, hangs on the LID's chat."""
        return lid in self._lids or len(self._lids) >= MAX_LIDS

    # -- what came from the store

    def apply(self, rows: Iterable[AnyRow]) -> None:
        """Take rows as they are now; deleted ones leave."""
        for row in rows:
            if isinstance(row, Assignment | ChatTag | Note):
                self._apply_of_chat(row)
            else:
                self._apply_small(row)

    def learn(self, ref: ChatRef, rows: Iterable[AnyRow]) -> None:
        """Take all that the store has of a chat that was not known."""
        chat = _Chat()
        for row in rows:
            if isinstance(row, Assignment):
                chat.assignment = row
            elif isinstance(row, ChatTag):
                chat.tags = tuple(sorted({*chat.tags, row.tag}))
        self._keep(ref, chat)

    def note_lids(self, refs: Iterable[ChatRef]) -> None:
        """Learn at the start which chats by a LID something hangs on."""
        for ref in refs:
            self._note_lid(ref)

    def forget(self, ref: ChatRef) -> None:
        """Let go of a chat that the store has nothing of any more."""
        self._chats.pop(ref, None)
        self._lids.discard(ref)

    def tear(self, workspace: str) -> None:
        """Learn that not all chats of the workspace are here."""
        self._torn.add(workspace)

    def usage(self) -> Usage:
        """Return the figures; the kinds that never leave are in the bytes."""
        chats = self._chats.usage()
        return msgspec.structs.replace(
            chats,
            used_bytes=chats.used_bytes + self._small_bytes,
            max_bytes=chats.max_bytes + self._small_max,
            entries=chats.entries + sum(map(_count, self._small.values())),
        )

    def _apply_of_chat(self, row: Assignment | ChatTag | Note) -> None:
        ref = row.chat
        if ref.jid.endswith(f"@{LID}"):
            self._note_lid(ref)
        if isinstance(row, Note) or not self.is_known(ref):
            return  # who asks for the chat reads it whole
        chat = self._chats.get(ref) or _Chat()
        if isinstance(row, Assignment):
            chat.assignment = row if row.live else None
        else:
            others = {tag for tag in chat.tags if tag != row.tag}
            chat.tags = tuple(sorted(others | {row.tag} if row.live else others))
        self._keep(ref, chat)

    def _note_lid(self, ref: ChatRef) -> None:
        if len(self._lids) < MAX_LIDS:
            self._lids.add(ref)

    def _keep(self, ref: ChatRef, chat: _Chat) -> None:
        if chat.assignment is None and not chat.tags and self.is_whole(ref.workspace):
            self._chats.pop(ref, None)
            return
        chat.weigh(ref)
        if not self._chats.put(ref, chat):
            self._torn.add(ref.workspace)

    def _left(self, ref: ChatRef, _: _Chat) -> None:
        self._torn.add(ref.workspace)

    def _apply_small(self, row: Member | Tag | QuickReply | Setting) -> None:
        small = self._small.setdefault(row.workspace, _Small())
        rows: dict[Key, Row] = _rows_of(small, row)
        before = rows.pop(row.key, None)
        grown = -row_cost(before) if before is not None else 0
        if row.live:
            rows[row.key] = row
            grown += row_cost(row)
        small.nbytes += grown
        self._small_bytes += grown
        if isinstance(row, Member):
            self._note_member(row)

    def _note_member(self, row: Member) -> None:
        workspaces = self._workspaces_of.setdefault(row.user, set())
        if row.live:
            workspaces.add(row.workspace)
        else:
            workspaces.discard(row.workspace)
        if not workspaces:
            del self._workspaces_of[row.user]

    def _of(self, workspace: str) -> _Small:
        return self._small.get(workspace, _NOTHING)


def row_cost(row: Row) -> int:
    """Return about what a row weighs, in bytes."""
    beside = _MEMBER_OVERHEAD if isinstance(row, Member) else 0
    return _ROW_OVERHEAD + beside + sum(_costs(row)) + sum(_costs(row.actor))


def _costs(row: msgspec.Struct) -> Iterator[int]:
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if isinstance(value, str):
            yield text_cost(value)
        elif isinstance(value, dict | list | tuple) and value:
            yield 4 * bytes_cost(msgspec.json.encode(value))


def _rows_of(small: _Small, row: Member | Tag | QuickReply | Setting) -> dict[Key, Row]:
    kinds: dict[type, dict[Key, Row]] = {
        Member: small.members,  # type: ignore[dict-item]  # each holds rows of its own kind
        Tag: small.tags,  # type: ignore[dict-item]  # as above
        QuickReply: small.quick_replies,  # type: ignore[dict-item]  # as above
        Setting: small.settings,  # type: ignore[dict-item]  # as above
    }
    return kinds[type(row)]


def _sorted(rows: dict[Key, R]) -> list[R]:
    return [rows[key] for key in sorted(rows)]


def _count(small: _Small) -> int:
    return len(small.members) + len(small.tags) + len(small.quick_replies) + len(small.settings)
