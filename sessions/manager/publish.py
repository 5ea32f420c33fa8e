"""Makes events of what changed: the one place that knows how each resource is told."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from sessions.cache.chats import ChatRow
from sessions.cache.messages import Entry
from sessions.ids import ChatRef, SessionKey
from sessions.manager.live import LiveSession
from sessions.models import Contact, iso
from sessions.ports import Clock, EventSink, Published
from sessions.states import SessionState


def status_event(live: LiveSession, at: int) -> Published:
    """Return ``connection_status`` for a session as it is now."""
    return Published(
        workspace=live.key.workspace,
        type="connection_status",
        session=live.key.session,
        chat=None,
        at=at,
        source="live",
        data=msgspec.json.encode(live.view()),
        extra={"connected": live.status.state is SessionState.CONNECTED},
    )


class Publisher:
    """Hands events to the sink; called after the caches have what they tell."""

    def __init__(self, sink: EventSink, clock: Clock) -> None:
        """Publish to ``sink``, dated by ``clock``."""
        self._sink = sink
        self._clock = clock

    def status(self, live: LiveSession) -> None:
        """Tell a session's state."""
        self._sink.publish(status_event(live, self._clock.now_ms()))

    def qr(self, key: SessionKey, qr: str, expires_at: int) -> None:
        """Tell the code to scan now."""
        self._tell(key, "qr", {"qr": qr, "expires_at": iso(expires_at)})

    def pairing_code(self, key: SessionKey, code: str, expires_at: int) -> None:
        """Tell the code to type into the phone."""
        self._tell(key, "pairing_code", {"code": code, "expires_at": iso(expires_at)})

    def message(self, type: str, entry: Entry, source: str, at: int | None = None) -> None:
        """Tell a message, new or changed."""
        self._chat(type, entry.chat, entry.render(), source, at)

    def chat(self, type: str, row: ChatRow, source: str = "live") -> None:
        """Tell a chat, new or changed."""
        self._chat(type, row.ref, row.render(), source)

    def merged(self, old: ChatRef, row: ChatRow) -> None:
        """Tell that a chat became part of another."""
        data = {"from": old.id, "to": row.ref.id, "chat": orjson.Fragment(row.render())}
        self._chat("chat_merged", row.ref, orjson.dumps(data), "live")

    def ack(self, entry: Entry, code: str | None = None) -> None:
        """Tell the fate of a message that the account sent."""
        data: dict[str, Any] = {
            "messageId": entry.id,
            "chat": entry.chat.id,
            "ack": entry.tail.ack,
            "status": entry.tail.status,
        }
        if code:
            data["code"] = code
        self._chat("message_ack", entry.chat, orjson.dumps(data), "live")

    def in_chat(self, type: str, ref: ChatRef, data: dict[str, Any]) -> None:
        """Tell something small that happened in a chat."""
        self._chat(type, ref, orjson.dumps(data), "live")

    def in_session(self, type: str, key: SessionKey, data: dict[str, Any]) -> None:
        """Tell something small that happened in a session."""
        self._tell(key, type, data)

    def contact(self, key: SessionKey, contact: Contact) -> None:
        """Tell a contact, new or changed."""
        self._publish(key, "contact_updated", None, msgspec.json.encode(contact))

    def _tell(self, key: SessionKey, type: str, data: dict[str, Any]) -> None:
        self._publish(key, type, None, orjson.dumps(data))

    def _chat(
        self, type: str, ref: ChatRef, data: bytes, source: str, at: int | None = None
    ) -> None:
        self._publish(ref.key, type, ref.id, data, source, at)

    def _publish(
        self,
        key: SessionKey,
        type: str,
        chat: str | None,
        data: bytes,
        source: str = "live",
        at: int | None = None,
    ) -> None:
        moment = self._clock.now_ms() if at is None else at
        self._sink.publish(Published(key.workspace, type, key.session, chat, moment, source, data))
