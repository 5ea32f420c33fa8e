"""The use cases on sessions, chats and messages: what a route or a dialect asks for.

Everything is asked by a principal and stays in its workspace: a name of another workspace
is a name that does not exist. Transports hold no logic, so that all of them say the same.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, NoReturn

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from sessions import commands as c
from sessions.cache.chats import ChatPage, ChatQuery, ChatRow
from sessions.cache.messages import Entry
from sessions.errors import MessageNotFound, SessionNotFound, Unsupported
from sessions.ids import ChatRef, SessionKey, check_session, split_chat_id
from sessions.manager import Anchor, SessionManager, TextToSend
from sessions.manager.live import LiveSession
from sessions.manager.reading import ContactPage, MessagePage
from sessions.manager.views import NO_MESSAGE
from sessions.models import ProviderName, QrCode, Session

#: WhatsApp's own limit, in characters.
TEXT_MAX = 65_536


class Unable(NamedTuple):
    """What no provider can do yet: its field of ``Capabilities``, and what a person is told."""

    ability: str
    sentence: str
    user_action: str


_ON_PHONE = "Do it on the phone."
_LIST = "The engine cannot {} a chat: what it would send carries no name, and WhatsApp drops it."

UNABLE = {
    "archive": Unable("archive_on_phone", _LIST.format("archive"), _ON_PHONE),
    "unarchive": Unable("archive_on_phone", _LIST.format("unarchive"), _ON_PHONE),
    "pin": Unable("pin_on_phone", _LIST.format("pin"), _ON_PHONE),
    "unpin": Unable("pin_on_phone", _LIST.format("unpin"), _ON_PHONE),
    "mute": Unable("mute_on_phone", _LIST.format("mute"), _ON_PHONE),
    "unmute": Unable("mute_on_phone", _LIST.format("unmute"), _ON_PHONE),
    "history": Unable(
        "history_on_demand",
        "The engine cannot ask the phone for older messages; the past comes once, after pairing.",
        "To get it again, log the session out and pair it anew.",
    ),
}


class Engine:
    """The session manager, asked by principals."""

    def __init__(self, manager: SessionManager) -> None:
        """Ask ``manager``."""
        self._manager = manager

    # -- sessions

    def sessions(self, who: Principal) -> list[Session]:
        """Return the sessions that the principal may see."""
        found = self._manager.lifecycle.of_workspace(who.workspace)
        return [live.view() for live in found if who.sees(live.record.id)]

    def session(self, who: Principal, id: str) -> Session:
        """Return one session."""
        return self._live(who, id).view()

    async def create(self, who: Principal, id: str, label: str, provider: ProviderName) -> Session:
        """Make a session; who sees only some may make these alone, whether others exist or not."""
        if not who.sees(id):
            raise ApiError("missing_scope", "You see only some sessions, and this is none of them.")
        live = await self._manager.lifecycle.create(who.workspace, id, label, provider)
        return live.view()

    async def delete(self, who: Principal, id: str) -> None:
        """Close and forget a session."""
        await self._manager.delete(self._live(who, id).key)

    def order(
        self, who: Principal, id: str, what: Literal["start", "stop", "restart", "logout"]
    ) -> Session:
        """Start, stop, restart or log out a session, in the background; return it as it is."""
        live = self._live(who, id)
        getattr(self._manager.lifecycle, what)(live)
        return live.view()

    def qr(self, who: Principal, id: str) -> QrCode:
        """Return the code to scan now."""
        return self._manager.qr(self._live(who, id).key)

    async def pairing_code(self, who: Principal, id: str, phone: str) -> c.Code:
        """Ask for a code to type into the phone."""
        return await self._manager.pairing_code(self._live(who, id).key, phone)

    async def sandbox(self, who: Principal, id: str, command: c.SandboxCommand) -> c.AnyAnswer:
        """Play a command of the scripted phone."""
        return await self._manager.sandbox(self._live(who, id).key, command)

    def _live(self, who: Principal, id: str) -> LiveSession:
        if not who.sees(id):
            raise SessionNotFound("There is no such session.")
        return self._manager.lifecycle.get(SessionKey(who.workspace, check_session(id)))

    # -- chats

    async def chats(self, who: Principal, query: ChatQuery) -> ChatPage:
        """Return a page of the list of the chats that the principal may see.

        It is as of the moment of its return: nothing happened since its last row was looked at.
        """
        return await self._manager.reader.chats(
            query._replace(workspace=who.workspace, sessions=who.sessions)
        )

    async def chat(self, who: Principal, chat: str) -> ChatRow:
        """Return one chat."""
        return await self._manager.reader.chat(self.ref(who, chat))

    async def mark_read(self, who: Principal, chat: str) -> ChatRow:
        """Tell WhatsApp that the chat was read; return the chat."""
        ref = self.ref(who, chat)
        await self._manager.mark_read(ref)
        return await self._manager.reader.chat(ref)

    async def set_typing(
        self, who: Principal, chat: str, *, is_typing: bool, kind: Literal["text", "audio"]
    ) -> None:
        """Show, or stop showing, that the account types."""
        await self._manager.set_typing(self.ref(who, chat), is_typing=is_typing, kind=kind)

    def refuse_unable(self, who: Principal, chat: str, what: str) -> NoReturn:
        """Say that the engine behind the chat's session cannot do ``what`` (a key of ``UNABLE``).

        A chat whose session does not exist here is not found first: nobody learns what there is.
        A provider that gains the ability gets a command first, and its route another handler.
        """
        self.ref(who, chat)
        raise Unsupported(UNABLE[what].sentence, user_action=UNABLE[what].user_action)

    def ref(self, who: Principal, chat: str) -> ChatRef:
        """Return the chat's whole name; its session must exist in the principal's workspace."""
        session, jid = split_chat_id(chat)
        return ChatRef(*self._live(who, session).key, jid)

    # -- messages

    async def messages(
        self, who: Principal, chat: str, anchor: Anchor | None, limit: int
    ) -> MessagePage:
        """Return messages of a chat, newest first."""
        return await self._manager.reader.messages(self.ref(who, chat), anchor, limit)

    async def message(self, who: Principal, id: str) -> Entry:
        """Return one message."""
        entry = await self._manager.reader.message(who.workspace, id)
        if not who.sees(entry.chat.session):
            raise MessageNotFound(NO_MESSAGE)
        return entry

    async def send_text(
        self,
        who: Principal,
        chat: str,
        text: str,
        *,
        reply_to: str | None = None,
        client_ref: str | None = None,
        idempotency_key: str | None = None,
    ) -> bytes:
        """Accept a text; return the message as ``pending``."""
        if not text.strip():
            raise ApiError("text_empty")
        if len(text) > TEXT_MAX:
            raise ApiError(
                "text_too_long", f"The text has {len(text)} characters; WhatsApp takes {TEXT_MAX}."
            )
        request = TextToSend(
            chat=self.ref(who, chat),
            text=text,
            reply_to=reply_to,
            client_ref=client_ref,
            idempotency_key=idempotency_key,
        )
        return await self._manager.send_text(request)

    # -- contacts

    async def contacts(
        self, who: Principal, session: str | None, after: tuple[str, str] | None, limit: int
    ) -> ContactPage:
        """Return a page of contacts, and where to go on."""
        return await self._manager.reader.contacts(
            who.workspace, session, after, limit, who.sessions
        )
