"""Who among the agents looks at a chat, or writes in it, right now: in memory only.

A collision is seen before it happens. A presence ends when it is set ``away`` or was not set
again for thirty seconds; only what changes is told.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Literal, NamedTuple

import msgspec
import orjson

from daemon.clock import Steady
from daemon.metadata.models import Actor
from sessions.ids import ChatRef
from sessions.models import iso
from sessions.ports import Clock, EventSink, Published

State = Literal["viewing", "typing", "away"]
STATES: tuple[State, ...] = ("viewing", "typing", "away")

#: How long a presence lasts after it was set last.
LASTS_MS = 30_000
#: Presences of all workspaces together; one weighs some 700 bytes. The oldest make room.
MOST = 20_000
#: Chats that one agent can be in at once; the oldest makes room.
MOST_OF_AGENT = 20


class Presence(NamedTuple):
    """One agent in one chat. ``since`` is when this state began, in milliseconds."""

    chat: ChatRef
    actor: Actor
    state: State
    since: int
    version: int

    def shown(self) -> dict[str, Any]:
        """Return it as clients read it."""
        return {
            "chat": self.chat.id,
            "user": self.actor.id,
            "state": self.state,
            "since": iso(self.since),
            "actor": msgspec.to_builtins(self.actor),
            "version": self.version,
        }


_Key = tuple[ChatRef, str]


class AgentPresence:
    """All presences. Nothing here waits; the owner calls :meth:`expire` each second."""

    def __init__(self, sink: EventSink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._passed = Steady(clock)
        self._kept: OrderedDict[_Key, tuple[Presence, int]] = OrderedDict()
        self._of_chat: dict[ChatRef, dict[str, Presence]] = {}
        self._of_agent: dict[tuple[str, str], OrderedDict[ChatRef, None]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, chat: ChatRef) -> list[Presence]:
        """Return who is in the chat, the first to come first."""
        self.expire()
        return sorted(self._of_chat.get(chat, {}).values(), key=lambda p: (p.since, p.actor.id))

    def set(self, chat: ChatRef, actor: Actor, state: State) -> None:
        """Say that the agent is in the chat, or has left it."""
        self.expire()
        known = self._of_chat.get(chat, {}).get(actor.id)
        if state == "away":
            if known is not None:
                self._end(known)
            return
        presence = known
        if known is None or known.state != state:
            version = known.version + 1 if known else 1
            presence = Presence(chat, actor, state, self._clock.now_ms(), version)
        assert presence is not None  # noqa: S101 - one of the two is there
        self._keep(presence)
        if presence is not known:
            self._tell(presence)
            self._make_room(presence)

    def moved(self, old: ChatRef, new: ChatRef) -> None:
        """Take who is in a chat along, as it becomes part of another."""
        for presence in list(self._of_chat.get(old, {}).values()):
            self._end(presence)
            self.set(new, presence.actor, presence.state)

    def expire(self) -> None:
        """End what was not set again in time."""
        now = self._passed()
        while self._kept:
            presence, until = next(iter(self._kept.values()))
            if until > now:
                return
            self._end(presence)

    def _keep(self, presence: Presence) -> None:
        chat, user = presence.chat, presence.actor.id
        key = (chat, user)
        self._kept[key] = presence, self._passed() + LASTS_MS
        self._kept.move_to_end(key)
        self._of_chat.setdefault(chat, {})[user] = presence
        chats = self._of_agent.setdefault((chat.workspace, user), OrderedDict())
        chats[chat] = None
        chats.move_to_end(chat)

    def _make_room(self, newest: Presence) -> None:
        agent = (newest.chat.workspace, newest.actor.id)
        chats = self._of_agent[agent]
        if len(chats) > MOST_OF_AGENT:
            self._end(self._of_chat[next(iter(chats))][newest.actor.id])
        if len(self._kept) > MOST:
            self._end(next(iter(self._kept.values()))[0])

    def _end(self, presence: Presence) -> None:
        chat, user = presence.chat, presence.actor.id
        del self._kept[(chat, user)]
        in_chat = self._of_chat[chat]
        del in_chat[user]
        if not in_chat:
            del self._of_chat[chat]
        chats = self._of_agent[(chat.workspace, user)]
        del chats[chat]
        if not chats:
            del self._of_agent[(chat.workspace, user)]
        now = self._clock.now_ms()
        self._tell(presence._replace(state="away", since=now, version=presence.version + 1))

    def _tell(self, presence: Presence) -> None:
        chat = presence.chat
        self._sink.publish(
            Published(
                workspace=chat.workspace,
                type="agent_presence",
                session=chat.session,
                chat=chat.id,
                at=self._clock.now_ms(),
                source="live",
                data=orjson.dumps(presence.shown()),
            )
        )
