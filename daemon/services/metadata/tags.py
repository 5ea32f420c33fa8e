"""The workspace's tags, and which of them are on a chat."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.metadata.models import Actor, ChatTag, Tag
from daemon.metadata.port import Change
from daemon.services.abilities import Ability
from daemon.services.metadata.changes import differing, given, gone, limited
from daemon.services.metadata.core import Core
from daemon.services.metadata.refusals import answered
from daemon.services.metadata.telling import chat_tags
from sessions.ids import ChatRef

#: Of a workspace; they are held in memory.
MOST_TAGS = 1000
#: On one chat.
MOST_ON_CHAT = 50


class TagChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be different."""

    name: str | UnsetType = UNSET
    color: str | UnsetType = UNSET
    position: int | UnsetType = UNSET


class Tags:
    """The use cases on tags."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def all(self, who: Principal) -> list[Tag]:
        """Return the workspace's tags."""
        self._core.require(who, Ability.VIEW)
        return self._core.index.tags(who.workspace)

    async def create(self, who: Principal, wanted: TagChange) -> Tag:
        """Make a tag; ``wanted`` has a name."""
        actor = self._core.require(who, Ability.MANAGE_TAGS).actor
        limited(
            self._core.index,
            who.workspace,
            len(self._core.index.tags(who.workspace)),
            MOST_TAGS,
            "tags",
        )
        id = self._core.ids.new()
        tag = Tag(workspace=who.workspace, id=id, actor=actor, **given(wanted))
        rows = await self._core.write([Change(tag, "tag_created", 0, {"name": tag.name})])
        return next(row for row in rows if isinstance(row, Tag))

    async def change(self, who: Principal, id: str, wanted: TagChange, expected: int | None) -> Tag:
        """Rename, recolour or move a tag."""
        actor = self._core.require(who, Ability.MANAGE_TAGS).actor

        def make(current: Tag | None) -> Change | None:
            if current is None:
                raise ApiError("tag_not_found")
            return differing(current, replace(current, **given(wanted)), actor, "tag_changed")

        found = await self._core.change(Tag, who.workspace, (id,), expected, make)
        return found or _missing()

    async def delete(self, who: Principal, id: str, expected: int | None) -> None:
        """Delete a tag; no chat shows it any more."""
        actor = self._core.require(who, Ability.MANAGE_TAGS).actor

        def make(current: Tag | None) -> Change:
            if current is None:
                raise ApiError("tag_not_found")
            change = gone(current, actor, "tag_deleted", self._core.clock)
            return change._replace(data={"name": current.name})

        await self._core.change(Tag, who.workspace, (id,), expected, make)

    # -- on chats

    async def of_chat(self, who: Principal, chat: str) -> dict[str, Any]:
        """Return the chat's tags as clients read them."""
        ref = self._core.chat(who, chat)
        self._core.require(who, Ability.VIEW, ref.session)
        await self._core.tags_of(ref)
        return chat_tags(ref, self._core.index)

    async def put(
        self,
        who: Principal,
        chat: str,
        tags: Iterable[str],
        admits: Callable[[frozenset[str]], bool] = lambda _: True,
    ) -> dict[str, Any]:
        """Let the chat have these tags and no others.

        ``admits`` is given those that it has, and tells whether the client knows of them.
        """
        wanted = frozenset(tags)
        return await self._set(who, chat, lambda _: wanted, admits)

    async def add(self, who: Principal, chat: str, tag: str) -> dict[str, Any]:
        """Put a tag on the chat."""
        return await self._set(who, chat, lambda current: current | {tag})

    async def remove(self, who: Principal, chat: str, tag: str) -> dict[str, Any]:
        """Take a tag off the chat."""
        if self._core.index.tag(who.workspace, tag) is None:
            raise ApiError("tag_not_found")
        return await self._set(who, chat, lambda current: current - {tag})

    async def _set(
        self,
        who: Principal,
        chat: str,
        choose: Callable[[frozenset[str]], frozenset[str]],
        admits: Callable[[frozenset[str]], bool] = lambda _: True,
    ) -> dict[str, Any]:
        ref = self._core.chat(who, chat)
        actor = self._core.require(who, Ability.TAG_CHATS, ref.session).actor
        async with self._core.at(ref) as ref:
            current = await self._current(ref)
            if not admits(current):
                raise ApiError("version_conflict", members={"current_tags": sorted(current)})
            wanted = choose(current)
            self._check(ref, wanted)
            changes = self._changes(ref, current, wanted, actor)
            if changes:
                await self._core.write(changes)
            return {"chat": ref.id, "tags": sorted(wanted)}

    async def _current(self, ref: ChatRef) -> frozenset[str]:
        with answered(self._core.index):
            rows = await self._core.store.of_chat(ref)
        tags = {row.tag for row in rows if isinstance(row, ChatTag)}
        return frozenset(tag for tag in tags if self._core.index.tag(ref.workspace, tag))

    def _check(self, ref: ChatRef, wanted: frozenset[str]) -> None:
        for tag in sorted(wanted):
            if self._core.index.tag(ref.workspace, tag) is None:
                raise ApiError("unknown_tag", f"The workspace has no tag {tag[:60]!r}.")
        if len(wanted) > MOST_ON_CHAT:
            raise ApiError("limit_reached", f"A chat has at most {MOST_ON_CHAT} tags.")

    def _changes(
        self, ref: ChatRef, current: frozenset[str], wanted: frozenset[str], actor: Actor
    ) -> list[Change]:
        def row(tag: str) -> ChatTag:
            return ChatTag(
                workspace=ref.workspace, session=ref.session, jid=ref.jid, tag=tag, actor=actor
            )

        def data(tag: str) -> dict[str, object]:
            found = self._core.index.tag(ref.workspace, tag)
            return {"tag": tag, "name": found.name if found else None}

        now = self._core.clock.now_ms()
        added = [Change(row(t), "tag", data=data(t)) for t in sorted(wanted - current)]
        taken = (replace(row(t), deleted_at=now) for t in sorted(current - wanted))
        return [*added, *(Change(r, "untag", data=data(r.tag)) for r in taken)]


def _missing() -> Tag:
    raise ApiError("tag_not_found")
