"""Who cares for a chat, and where that stands."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.metadata.models import SYSTEM, Actor, Assignment, ConversationStatus
from daemon.metadata.port import Change
from daemon.services.abilities import Ability, Standing
from daemon.services.metadata.core import Core
from daemon.services.metadata.refusals import answered
from daemon.services.metadata.reopening import reopens
from sessions.ids import ChatRef
from sessions.models import iso


class AssignmentChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be different; ``UNSET`` stays as it is. ``snoozed_until`` in milliseconds."""

    assignee: str | UnsetType | None = UNSET
    status: ConversationStatus | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    snoozed_until: int | UnsetType | None = UNSET


class Assignments:
    """The use cases on assignments."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def get(self, who: Principal, chat: str) -> Assignment:
        """Return the chat's assignment; version 0 where nobody ever touched it."""
        ref = self._core.chat(who, chat)
        self._core.require(who, Ability.VIEW, ref.session)
        return await self._core.assignment(ref) or untouched(ref)

    async def change(
        self, who: Principal, chat: str, wanted: AssignmentChange, expected: int | None
    ) -> Assignment:
        """Assign the chat, set its status or its priority."""
        ref = self._core.chat(who, chat)
        standing = self._core.require(who, Ability.VIEW, ref.session)
        now = self._core.clock.now_ms()

        def make(current: Assignment | None) -> Change | None:
            before = current or untouched(ref)
            after = _applied(before, wanted, now)
            self._check(standing, before, after)
            if after.assignee != before.assignee:
                after = replace(after, assigned_by=standing.actor.id)
            return change_of(before, after, standing.actor)

        return await self._core.change(Assignment, *_name(ref), expected, make) or untouched(ref)

    async def claim(self, who: Principal, chat: str, *, steal: bool) -> Assignment:
        """Give the chat to the principal, if it is nobody's; or anybody's, with ``steal``."""
        ref = self._core.chat(who, chat)
        standing = self._core.require(who, Ability.ASSIGN_CHATS, ref.session)
        if steal:
            self._core.require(who, Ability.TRANSFER_CHATS, ref.session)
        async with self._core.at(ref) as ref:
            before = await self._core.stored(Assignment, *_name(ref))
            with answered(self._core.index):
                row = await self._core.store.claim(ref, who.subject, standing.actor, steal=steal)
            if before is None or before.version != row.version:
                await self._core.took([row])
        return row

    async def release(self, who: Principal, chat: str) -> Assignment:
        """Let the chat be nobody's."""
        return await self.change(who, chat, AssignmentChange(assignee=None), None)

    async def reopen(self, ref: ChatRef) -> None:
        """Open a chat that was put aside, for somebody wrote in it."""

        def make(current: Assignment | None) -> Change | None:
            if current is None or not reopens(self._core.index, current):
                return None
            return _opened(current, "reopened")

        await self._core.change(Assignment, *_name(ref), None, make)

    async def wake(self, row: Assignment) -> None:
        """Open a chat whose snooze is over."""

        def make(current: Assignment | None) -> Change | None:
            return (
                None if current is None or not is_due(current, now) else _opened(current, "woken")
            )

        now = self._core.clock.now_ms()
        await self._core.change(Assignment, *_name(row.chat), None, make)

    def _check(self, standing: Standing, before: Assignment, after: Assignment) -> None:
        session = before.session
        if after.assignee != before.assignee:
            own = before.assignee in {None, standing.actor.id}
            _require(standing, Ability.ASSIGN_CHATS if own else Ability.TRANSFER_CHATS, session)
            if after.assignee is not None:
                self._check_assignee(before.workspace, after.assignee, session)
        others = ("status", "priority", "snoozed_until")
        if any(getattr(after, name) != getattr(before, name) for name in others):
            _require(standing, Ability.SET_STATUS, session)

    def _check_assignee(self, workspace: str, user: str, session: str) -> None:
        """Refuse who is a member and could not see the chat. Who must be one, the store knows."""
        member = self._core.index.member(workspace, user)
        if member is None:
            return
        if not member.active:
            raise ApiError("unknown_member", "That member is not active.")
        if member.sessions is not None and session not in member.sessions:
            raise ApiError("unknown_member", "That member does not see this session.")


def untouched(ref: ChatRef) -> Assignment:
    """Return what holds for a chat that nobody touched."""
    return Assignment(workspace=ref.workspace, session=ref.session, jid=ref.jid)


def is_due(row: Assignment, now: int) -> bool:
    """Tell whether the snooze is over."""
    until = row.snoozed_until
    return row.status is ConversationStatus.SNOOZED and until is not None and until <= now


def _applied(before: Assignment, wanted: AssignmentChange, now: int) -> Assignment:
    """Return the assignment as it is wanted; raise ``invalid_value`` for what cannot be."""
    asked = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    after: Assignment = replace(before, **{k: v for k, v in asked.items() if v is not UNSET})
    if after.status is not ConversationStatus.SNOOZED:
        if wanted.snoozed_until not in {UNSET, None}:
            raise ApiError("invalid_value", "snoozed_until goes with the status snoozed only.")
        return replace(after, snoozed_until=None)
    if after.snoozed_until is None:
        raise ApiError("invalid_value", "The status snoozed needs snoozed_until.")
    if after.snoozed_until != before.snoozed_until and after.snoozed_until <= now:
        raise ApiError("invalid_value", "snoozed_until must be in the future.")
    return after


def change_of(
    before: Assignment, after: Assignment, actor: Actor, action: str | None = None
) -> Change | None:
    """Return the change with what the log says of it; None where nothing differs."""
    names = ("assignee", "status", "priority", "snoozed_until")
    data: dict[str, object] = {
        name: [_shown(before, name), _shown(after, name)]
        for name in names
        if getattr(before, name) != getattr(after, name)
    }
    if not data:
        return None
    if action is None:
        action = next(iter(data))
        if action == "assignee":
            action = "assign" if after.assignee is not None else "release"
    return Change(replace(after, actor=actor), f"{action}", data=data)


def _shown(row: Assignment, name: str) -> Any:  # noqa: ANN401 - one of four types
    value = getattr(row, name)
    return iso(value) if name == "snoozed_until" and value is not None else value


def _opened(current: Assignment, action: str) -> Change | None:
    after = replace(current, status=ConversationStatus.OPEN, snoozed_until=None)
    return change_of(current, after, SYSTEM, action)


def _name(ref: ChatRef) -> tuple[str, tuple[str, str]]:
    return ref.workspace, (ref.session, ref.jid)


def _require(standing: Standing, ability: Ability, session: str) -> None:
    if not standing.may(ability, session):
        raise ApiError("missing_ability", f"This needs the ability {ability}.")
