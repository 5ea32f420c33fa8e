"""What people add to chats, as use cases: assignments, tags, notes, quick replies, settings.

``Metadata`` joins the parts; each has a file of its own. :mod:`core` is what they share.
"""

from __future__ import annotations

from daemon.auth.principal import Principal
from daemon.metadata.index import MetadataIndex
from daemon.metadata.models import (
    Activity,
    AnyRow,
    Assignment,
    ChatTag,
    Member,
    QuickReply,
    Setting,
    Tag,
)
from daemon.metadata.port import ActivityQuery, MetadataStore
from daemon.services.abilities import Ability, Standing
from daemon.services.agent_presence import AgentPresence, Presence, State
from daemon.services.metadata.assignments import Assignments
from daemon.services.metadata.background import Background
from daemon.services.metadata.chores import Chores
from daemon.services.metadata.core import Core, Parts
from daemon.services.metadata.members import Members
from daemon.services.metadata.notes import Notes
from daemon.services.metadata.quick_replies import QuickReplies
from daemon.services.metadata.refusals import answered
from daemon.services.metadata.settings import SettingsService
from daemon.services.metadata.tags import Tags
from sessions.ids import ChatRef

__all__ = ["Metadata", "Parts", "load"]


class Metadata:
    """The metadata of all workspaces, asked by principals."""

    def __init__(self, parts: Parts, chores: Chores) -> None:
        """Join the parts; ``chores`` is what the engine's annotations put work into."""
        self._core = core = Core(parts)
        self.assignments = Assignments(core)
        self.tags = Tags(core)
        self.notes = Notes(core)
        self.quick_replies = QuickReplies(core)
        self.settings = SettingsService(core)
        self.members = Members(core)
        self.presence = AgentPresence(parts.sink, parts.clock)
        self.background = Background(core, self.assignments, self.presence, chores)

    def standing(self, who: Principal) -> Standing:
        """Return what the principal is in its workspace; raise ``not_a_member``."""
        return self._core.standing(who)

    def visible(self, who: Principal) -> frozenset[str] | None:
        """Return the sessions that the principal may see; None: all."""
        return self._core.visible(who)

    async def activity(self, who: Principal, query: ActivityQuery) -> list[Activity]:
        """Return lines of the activity log, newest first."""
        self._core.require(who, Ability.VIEW)
        narrowed = query._replace(workspace=who.workspace, sessions=self._core.visible(who))
        with answered(self._core.index):
            return await self._core.store.activity(narrowed)

    def chat(self, who: Principal, chat: str) -> ChatRef:
        """Return the chat by the name it goes by now; raise where its session cannot be seen."""
        return self._core.chat(who, chat)

    def set_presence(self, who: Principal, chat: str, state: State) -> None:
        """Say that the principal looks at the chat, writes in it, or has left it."""
        ref = self._core.chat(who, chat)
        actor = self._core.require(who, Ability.VIEW, ref.session).actor
        self.presence.set(ref, actor, state)

    def present(self, who: Principal, chat: str) -> list[Presence]:
        """Return who is in the chat."""
        ref = self._core.chat(who, chat)
        self._core.require(who, Ability.VIEW, ref.session)
        return self.presence.of(ref)

    async def on_rows(self, rows: list[AnyRow]) -> None:
        """Learn rows that others wrote elsewhere, and that the store has taken."""
        await self._core.took_elsewhere(rows)


async def load(index: MetadataIndex, store: MetadataStore, workspaces: list[str]) -> None:
    """Fill the index, workspace by workspace; one whose chats do not all fit is not whole."""
    for workspace in workspaces:
        for shape in (Member, Tag, QuickReply, Setting, Assignment, ChatTag):
            index.apply(await store.rows(shape, workspace))
