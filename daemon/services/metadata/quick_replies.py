"""Texts under a shortcut: everybody's, and each member's own."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.metadata.models import QuickReply
from daemon.metadata.port import Change
from daemon.services.abilities import Ability
from daemon.services.metadata.changes import differing, given, gone, limited
from daemon.services.metadata.core import Core

#: Of a workspace, everybody's and own ones together; they are held in memory.
MOST = 5000


class ReplyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be different."""

    shortcut: str | UnsetType = UNSET
    body: str | UnsetType = UNSET


class QuickReplies:
    """The use cases on quick replies."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def all(self, who: Principal) -> list[QuickReply]:
        """Return everybody's quick replies and the principal's own."""
        self._core.require(who, Ability.VIEW)
        found = self._core.index.quick_replies(who.workspace)
        return [reply for reply in found if reply.owner in {None, who.subject}]

    async def create(self, who: Principal, shortcut: str, body: str, *, shared: bool) -> QuickReply:
        """Make a quick reply, for everybody or for oneself."""
        owner = None if shared else who.subject
        actor = self._core.require(who, _ability(who, owner)).actor
        count = len(self._core.index.quick_replies(who.workspace))
        limited(self._core.index, who.workspace, count, MOST, "quick replies")
        reply = QuickReply(
            workspace=who.workspace,
            id=self._core.ids.new(),
            shortcut=shortcut,
            body=body,
            owner=owner,
            actor=actor,
        )
        change = Change(reply, "quick_reply_created", 0, {"shortcut": shortcut})
        rows = await self._core.write([change])
        return next(row for row in rows if isinstance(row, QuickReply))

    async def change(
        self, who: Principal, id: str, wanted: ReplyChange, expected: int | None
    ) -> QuickReply:
        """Change a quick reply."""

        def make(current: QuickReply | None) -> Change | None:
            reply = _found(who, current)
            actor = self._core.require(who, _ability(who, reply.owner)).actor
            after = replace(reply, **given(wanted))
            return differing(reply, after, actor, "quick_reply_changed")

        found = await self._core.change(QuickReply, who.workspace, (id,), expected, make)
        return _found(who, found)

    async def delete(self, who: Principal, id: str, expected: int | None) -> None:
        """Delete a quick reply."""

        def make(current: QuickReply | None) -> Change:
            reply = _found(who, current)
            actor = self._core.require(who, _ability(who, reply.owner)).actor
            change = gone(reply, actor, "quick_reply_deleted", self._core.clock)
            return change._replace(data={"shortcut": reply.shortcut})

        await self._core.change(QuickReply, who.workspace, (id,), expected, make)


def _ability(who: Principal, owner: str | None) -> Ability:
    own = owner == who.subject
    return Ability.OWN_QUICK_REPLIES if own else Ability.MANAGE_QUICK_REPLIES


def _found(who: Principal, reply: QuickReply | None) -> QuickReply:
    """Return the reply; another member's own one is not there for others."""
    if reply is None or reply.owner not in {None, who.subject}:
        raise ApiError("quick_reply_not_found")
    return reply
