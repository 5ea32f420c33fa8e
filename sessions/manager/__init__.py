"""The one door into the engine: sessions, what they received, what they are to do.

``SessionManager`` joins the parts; each has a file of its own: ``lifecycle`` (sessions from
making to end), ``inbox`` (events into caches and hub), ``outbox`` (sends), ``views`` (reads of
RAM), ``reading`` (reads of RAM and of what is kept beyond it), ``recall`` (events that need it).
"""

from __future__ import annotations

import logging
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Literal

from sessions import commands as c
from sessions.errors import (
    CommandFailed,
    EngineError,
    NotASandbox,
    NotPairing,
    SessionNotConnected,
    Unsupported,
)
from sessions.events import AnyEvent, HistoryProgress, MessageReceived
from sessions.ids import ChatRef, SessionKey, phone_digits
from sessions.keeper import Keeper, KeeperFailed, NoKeeper
from sessions.manager.erasing import Eraser
from sessions.manager.inbox import Inbox
from sessions.manager.lifecycle import Lifecycle
from sessions.manager.live import LiveSession
from sessions.manager.memory import Memory, MemorySettings
from sessions.manager.needs import Needs
from sessions.manager.outbox import Outbox, TextToSend
from sessions.manager.past import AtHand, Past
from sessions.manager.probing import Prober
from sessions.manager.publish import Publisher, status_event
from sessions.manager.reading import Reader
from sessions.manager.recall import Recall
from sessions.manager.views import Anchor, Direction, Views
from sessions.models import ProviderName, QrCode, Value, iso
from sessions.ports import (
    Annotations,
    Clock,
    EventSink,
    KnownChats,
    NoAnnotations,
    Published,
    SendJournal,
    SessionStore,
)
from sessions.states import SessionState
from sessions.worker.process import Death
from sessions.worker.supervisor import Plan, Supervisor

__all__ = [
    "Anchor",
    "Direction",
    "ManagerSettings",
    "MemorySettings",
    "Ports",
    "SessionManager",
    "TextToSend",
    "Views",
]

log = logging.getLogger("zapd.sessions")

COMMAND_SECONDS = 20.0
TEND_SECONDS = 10  # between two looks at what the workers hold


class ManagerSettings(Value, frozen=True, kw_only=True):
    """What the engine is told at its making. Seconds, bytes."""

    stores: Path
    memory: MemorySettings = MemorySettings()
    pairing_host_seconds: float = 180.0
    probe_after: float = 300.0
    send_queue_max: int = 1000
    send_timeout: float = 90.0


class Ports(Value, frozen=True, kw_only=True):
    """What the daemon supplies."""

    clock: Clock
    sink: EventSink
    sessions: SessionStore
    sends: SendJournal
    known_chats: KnownChats
    annotations: Annotations = NoAnnotations()
    keeper: Keeper | None = None


class SessionManager:
    """All sessions of all workspaces."""

    def __init__(self, settings: ManagerSettings, ports: Ports, plan: Plan) -> None:
        """Join the parts; nothing runs before :meth:`start`."""
        self._clock = ports.clock
        self.keeper = ports.keeper or NoKeeper()
        self.keeper.attach(self._durable)
        self.memory = Memory(settings.memory, self.keeper)
        self.past = Past(self.memory, ports.annotations)
        self.views = Views(self.memory, ports.clock)
        self.reader = Reader(self.memory, self.views, self.past, ports.clock)
        self._publisher = Publisher(ports.sink, ports.clock)
        self._inbox = Inbox(self.memory, self._publisher, ports.known_chats, ports.annotations)
        self.supervisor = Supervisor(plan, self)
        self.lifecycle = Lifecycle(
            self.supervisor,
            self._publisher,
            ports.sessions,
            ports.clock,
            stores=settings.stores,
            pairing_host_seconds=settings.pairing_host_seconds,
            on_line=self._line_changed,
        )
        needs = Needs(self.memory, self.past)
        self._recall = Recall(self.past, needs, self._take)
        self._seconds = 0
        self._prober = Prober(self.supervisor, self.lifecycle, ports.clock, settings.probe_after)
        self.outbox = Outbox(
            self.memory,
            self._inbox,
            self.past,
            self._publisher,
            ports.sends,
            self.supervisor,
            ports.clock,
            most_waiting=settings.send_queue_max,
            timeout=settings.send_timeout,
        )

    async def start(self) -> None:
        """Remember what was, take up the sends that were left, start what ran."""
        await self.lifecycle.load()
        await self.outbox.recover()
        for live in self.lifecycle.all():
            self._refuse_if_gone(live)
        self.lifecycle.resume()

    async def close(self) -> None:
        """Finish the sends in hand, drain the workers, write what is not written."""
        self.lifecycle.begin_close()
        await self.outbox.close()
        await self.supervisor.close()
        await self._recall.close()
        await self.lifecycle.close()

    def tick(self) -> None:
        """Do what is due each second (called by the daemon)."""
        self._prober.tick()
        self._seconds += 1
        if self._seconds % TEND_SECONDS == 0:
            self.supervisor.tend()
        self.memory.messages.drop_idle(self._clock.now_ms())
        if self.memory.partial:
            self.lifecycle.tasks.own(self.past.mend())

    # -- the supervisor's listener

    def session_event(self, key: SessionKey, event: AnyEvent, mark: int = 0) -> None:
        """Apply an event: cache first, then hub. One that cannot be costs itself only.

        One about what is not in RAM waits for it, and what comes behind it too; not what tells of
        the session itself, which must be as true as its worker.
        """
        if self.lifecycle.handles(event) and not isinstance(event, HistoryProgress):
            self._take(key, event, 0)
            if mark and not self._recall.defer(key, None, mark):
                self.keeper.taken(key, mark)
        elif not self._recall.defer(key, event, mark):
            self._take(key, event, mark)

    def _take(
        self, key: SessionKey, event: AnyEvent | None, mark: int, found: AtHand | None = None
    ) -> None:
        """Apply an event with what was read for it, and have its mark confirmed when it is kept.

        A mark that came before was told again by a new worker, before it could be confirmed.
        """
        is_fresh = event is None or not mark or self.memory.reads(key, mark)
        if event is not None and is_fresh:
            try:
                self._apply(key, event, found, mark)
            except Exception:
                log.exception("an event of session %s was lost: %s", key, type(event).__name__)
        if mark:
            self.keeper.taken(key, mark)

    def _durable(self, key: SessionKey, mark: int) -> None:
        """Confirm what is in the cache, told, and kept where there is a keeper."""
        if self.lifecycle.knows(key):
            self.supervisor.confirm(key, mark)

    def _apply(self, key: SessionKey, event: AnyEvent, found: AtHand | None, mark: int) -> None:
        if isinstance(event, HistoryProgress):
            self._inbox.tell_history(key)
        if self.lifecycle.handles(event):
            self.lifecycle.take(key, event)
            return
        now = self._clock.now_ms()
        self._inbox.take(key, event, now, found, mark)
        live = self.lifecycle.get(key)
        live.last_heard_at = now
        if isinstance(event, MessageReceived) and event.source in ("live", "offline"):
            live.last_received_at = now

    def session_lost(self, key: SessionKey, death: Death) -> None:
        """Pass on that a worker died."""
        self.lifecycle.lost(key, death)

    def session_starting(self, key: SessionKey) -> None:
        """Pass on that a worker opens the session."""
        self.lifecycle.starting(key)

    def _line_changed(self, live: LiveSession) -> None:
        self.outbox.set_connected(live)
        self._refuse_if_gone(live)

    def _refuse_if_gone(self, live: LiveSession) -> None:
        if live.status.state is SessionState.LOGGED_OUT:
            self.outbox.refuse(live.key, "session_logged_out")

    # -- sessions

    def status_events(self, workspace: str) -> list[Published]:
        """Return ``connection_status`` of each session, for a stream that opens."""
        now = self._clock.now_ms()
        return [status_event(live, now) for live in self.lifecycle.of_workspace(workspace)]

    async def delete(self, key: SessionKey) -> None:
        """Close and forget the session with all that it had; raise ``SessionNotFound``."""
        await self.lifecycle.delete(self.lifecycle.get(key))
        await self.outbox.drop(key)  # after it: nothing can be accepted any more
        self._recall.forget(key)
        self._inbox.forget(key)
        self.supervisor.forget(key)
        self.memory.drop_session(key)
        self.keeper.dropped(key)

    def qr(self, key: SessionKey) -> QrCode:
        """Return the code to scan now; raise ``NotPairing``."""
        live = self.lifecycle.get(key)
        if live.qr is None or live.qr.expires_at <= self._clock.now_ms():
            raise NotPairing(
                "The session shows no code now.",
                user_action=live.status.user_action or "Start the session, then ask again.",
            )
        return QrCode(qr=live.qr.qr, expires_at=iso(live.qr.expires_at))

    async def pairing_code(self, key: SessionKey, phone: str) -> c.Code:
        """Ask for a code to type into the phone; raise ``InvalidJid``, ``NotPairing``."""
        live = self.lifecycle.get(key)
        digits = phone_digits(phone)
        if live.status.state is not SessionState.PAIRING:
            raise NotPairing("The session is not pairing.", user_action="Start it, then ask again.")
        answer = await self._ask(live, c.RequestCode(phone=digits), 60.0)
        if not isinstance(answer, c.Code):
            raise CommandFailed("The engine gave no code.")
        return answer

    async def sandbox(self, key: SessionKey, command: c.SandboxCommand) -> c.AnyAnswer:
        """Play a command of the scripted phone; raise ``NotASandbox``."""
        live = self.lifecycle.get(key)
        if live.record.provider is not ProviderName.SANDBOX:
            raise NotASandbox("This is no sandbox session.")
        if isinstance(command, c.SandboxReceive):
            phone_digits(command.phone)
        return await self._ask(live, command, COMMAND_SECONDS)

    # -- chats

    async def send_text(self, request: TextToSend) -> bytes:
        """Accept a text; see ``Outbox.send``."""
        return await self.outbox.send(self.lifecycle.get(request.chat.key), request)

    async def mark_read(self, ref: ChatRef) -> None:
        """Tell WhatsApp that the chat was read; raise ``ChatNotFound``."""
        live = self.lifecycle.get(ref.key)
        live.require_connected()
        row = await self.reader.chat(ref)
        count = row.unread  # more may come while WhatsApp is told
        unread = sorted(await self.reader.unread(row))
        for sender, messages in groupby(unread, key=lambda message: message.sender):
            wa_ids = tuple(message.wa_id for message in messages)
            command = c.MarkRead(chat=row.ref.jid, sender=sender, wa_ids=wa_ids)
            await self._ask(live, command, COMMAND_SECONDS)
        row = await self.reader.chat(row.ref)  # it may have left, or have been merged, meanwhile
        self._inbox.mark_read(row.ref, count)
        await self.keeper.flush()  # what was answered is not undone by a kill

    async def erase(self, key: SessionKey, jids: frozenset[str]) -> dict[str, int]:
        """Forget a person of a session in RAM; return how much that was, by kind."""
        waiting = self.outbox.forget(key, jids)
        self._inbox.forget_chats(frozenset(ChatRef(*key, jid) for jid in jids))
        return {"sends": waiting, **await Eraser(self.memory, key, jids).run()}

    def annotate(self, ref: ChatRef, *, tell: bool = False) -> None:
        """Ask the annotations port about a chat again; ``tell`` publishes ``chat_updated``.

        Called after what the port would answer has changed. Nothing happens to a chat that is
        neither in memory nor kept beyond it.
        """
        if tell and self.memory.chats.look(ref) is None and not self.memory.chats.is_whole:
            self.lifecycle.tasks.own(self._annotate_later(ref))
        else:
            self._inbox.annotate(ref, tell=tell)

    async def _annotate_later(self, ref: ChatRef) -> None:
        with suppress(KeeperFailed):  # nobody can read it now either
            await self.past.row(ref)
        self._inbox.annotate(ref, tell=True)

    async def set_typing(
        self, ref: ChatRef, *, is_typing: bool, kind: Literal["text", "audio"] = "text"
    ) -> None:
        """Show, or stop showing, that the account types."""
        live = self.lifecycle.get(ref.key)
        live.require_connected()
        command = c.SetTyping(chat=self.memory.home(ref).jid, is_typing=is_typing, kind=kind)
        await self._ask(live, command, COMMAND_SECONDS)

    async def _ask(self, live: LiveSession, command: c.AnyCommand, seconds: float) -> c.AnyAnswer:
        answer = await self.supervisor.request(live.key, command, seconds)
        if isinstance(answer, c.Refused):
            raise _refusal(answer, live)
        return answer


def _refusal(answer: c.Refused, live: LiveSession) -> EngineError:
    action = live.status.user_action
    match answer.kind:
        case "session_not_connected":
            return SessionNotConnected(answer.message, user_action=action)
        case "not_pairing":
            return NotPairing(answer.message, user_action=action)
        case "unsupported":
            return Unsupported(answer.message)
        case "command_failed":
            return CommandFailed(answer.message, reason=answer.reason)
