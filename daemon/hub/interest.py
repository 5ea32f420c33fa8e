"""What a stream wants to see."""

from __future__ import annotations

from dataclasses import dataclass, field

from daemon.hub.event_types import CONNECTION_STATUS


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events pass. None admits all, an empty set nothing; all four must admit.

    ``chats`` are chat ids (``{session}:{jid}``). They admit the chat's own events, and the
    ``connection_status`` of its session: who shows one chat must know whether its line is up.
    ``visible`` are the sessions that the stream's owner sees at all. Unlike ``sessions``, it admits
    what is of no session, such as the workspace's tags.
    """

    sessions: frozenset[str] | None = None
    chats: frozenset[str] | None = None
    types: frozenset[str] | None = None
    visible: frozenset[str] | None = None
    lines: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        lines = frozenset(chat.partition(":")[0] for chat in self.chats or ())
        object.__setattr__(self, "lines", lines)

    def admits(self, type_: str, session: str | None, chat: str | None) -> bool:
        """Tell whether an event of that type, session and chat passes."""
        if self.types is not None and type_ not in self.types:
            return False
        if self.visible is not None and session is not None and session not in self.visible:
            return False
        if self.sessions is not None and session not in self.sessions:
            return False
        if self.chats is None or chat in self.chats:
            return True
        return chat is None and type_ == CONNECTION_STATUS and session in self.lines


#: What a stream wants: an event is delivered once if any of the filters admits it.
Interest = frozenset[Filter]

EVERYTHING: Interest = frozenset({Filter()})
NOTHING: Interest = frozenset()


def admits(interest: Interest, type_: str, session: str | None, chat: str | None) -> bool:
    """Tell whether one of the filters admits the event."""
    return any(part.admits(type_, session, chat) for part in interest)
