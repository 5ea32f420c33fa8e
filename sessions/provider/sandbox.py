"""A scripted phone: deterministic, no network, and a product of its own.

It serves the demo, the tests and the benchmarks. It does what WhatsApp does, in the same
events: codes that rotate, a scan, contacts that write, ticks that progress, typing, drops,
logout. It is silent unless told otherwise, and keeps its pairing in its store directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sessions import commands as c, events as e, ids
from sessions.ids import SessionKey
from sessions.models import Contact, MessageHead, MessageTail, ProviderName, encode_head, iso
from sessions.provider.capabilities import CAPABILITIES
from sessions.provider.port import Emit

_PAIRING_CODE_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTVWXYZ"  # WhatsApp's, without 0 I O U
_CONTACTS = ("Ana Souza", "Bruno Lima", "Carla Dias", "Diego Reis", "Elisa Nunes")
_LINES = (
    "Bom dia! Vocês atendem hoje?",
    "Quero remarcar a minha consulta.",
    "Qual é o valor?",
    "Obrigada, até amanhã!",
)


class Pace(NamedTuple):
    """How fast the phone plays, in seconds."""

    codes: Sequence[float] = (60, 20, 20, 20, 20, 20)  # as WhatsApp rotates them
    tick: float = 0.4  # from sent to delivered, and from delivered to read
    drop: float = 1.0  # until a dropped line is back


_PACE = Pace()


class SandboxProvider:
    """One scripted phone and its line."""

    capabilities = CAPABILITIES[ProviderName.SANDBOX]
    disposable = False

    def __init__(self, key: SessionKey, store: str, emit: Emit, pace: Pace = _PACE) -> None:
        """Play the phone of session ``key``; its pairing is remembered in ``store``."""
        self._key = key
        self._emit = emit
        self._pace = pace
        self._file = Path(store) / "sandbox.json"
        seed = hashlib.blake2b("/".join(key).encode(), digest_size=4).digest()
        self._number = f"5500{int.from_bytes(seed) % 10**9:09d}"  # +55 00: no area code, nobody's
        self._jid = ids.phone_jid(self._number)
        self._counter = 0
        self._paired = False
        self._connected = False
        self._pairing: asyncio.Task[None] | None = None
        self._traffic: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._commands: dict[type, Callable[[Any], Awaitable[c.AnyAnswer]]] = {
            c.SendText: self._send,
            c.MarkRead: self._accepted,
            c.SetTyping: self._accepted,
            c.Probe: self._accepted,
            c.RequestCode: self._request_code,
            c.Logout: self._logout,
            c.SandboxScan: self._scan,
            c.SandboxReceive: self._receive,
            c.SandboxDrop: self._drop,
            c.SandboxLogout: self._unlink,
            c.SandboxTraffic: self._set_traffic,
        }

    async def start(self) -> None:
        """Connect where a pairing is remembered, else show codes."""
        self._restore()
        if self._paired:
            self._emit(e.Connecting())
            self._connect()
        else:
            self._emit(e.PairingStarted())
            self._pairing = self._own(self._show_codes())

    def confirm(self, mark: int) -> None:
        """Keep nothing: a scripted phone has nothing to lose."""

    async def execute(self, command: c.AnyCommand) -> c.AnyAnswer:
        """Play one command."""
        handler = self._commands.get(type(command))
        if handler is None:
            return c.Refused(kind="unsupported", message="The sandbox cannot do that.")
        return await handler(command)

    async def stop(self) -> None:
        """Hang up."""
        self._connected = False
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _show_codes(self) -> None:
        for number, seconds in enumerate(self._pace.codes, 1):
            digest = hashlib.sha256(f"{self._jid}/{number}".encode()).hexdigest()
            expires = _now_ms() + round(seconds * 1000)
            self._emit(e.QrShown(qr=f"SANDBOX,{number},{digest}", expires_at=expires))
            await asyncio.sleep(seconds)
        self._pairing = None
        self._emit(e.Troubled(code="pairing_expired"))

    def _connect(self) -> None:
        self._connected = True
        self._emit(e.Connected(jid=self._jid, lid=None, name="Sandbox"))

    async def _scan(self, _: c.SandboxScan) -> c.AnyAnswer:
        if self._pairing is None:
            return c.Refused(kind="not_pairing", message="The sandbox shows no code now.")
        self._pairing.cancel()
        self._pairing = None
        self._paired = True
        self._remember(self._counter)
        self._emit(e.Paired(jid=self._jid, lid=None))
        self._emit(e.Connecting())
        self._connect()
        self._emit(e.HistoryProgress(percent=100, done=True))
        return c.Done()

    async def _request_code(self, command: c.RequestCode) -> c.AnyAnswer:
        if self._pairing is None:
            return c.Refused(kind="not_pairing", message="The sandbox is not pairing.")
        digest = hashlib.sha256(f"{self._jid}/{command.phone}".encode()).digest()
        letters = "".join(_PAIRING_CODE_ALPHABET[byte % 32] for byte in digest[:8])
        code = f"{letters[:4]}-{letters[4:]}"
        expires = _now_ms() + 160_000  # WhatsApp's last code ends about then
        self._emit(e.CodeShown(code=code, expires_at=expires))
        return c.Code(code=code, expires_at=expires)

    async def _accepted(self, _: c.AnyCommand) -> c.AnyAnswer:
        return c.Done() if self._connected else _NOT_CONNECTED

    async def _send(self, command: c.SendText) -> c.AnyAnswer:
        if not self._connected:
            return _NOT_CONNECTED
        wa_id = self._next_id()
        self._own(self._tick(command.chat, wa_id))
        return c.Sent(wa_id=wa_id, at=_now_ms(), chat=command.chat, sender=self._jid)

    async def _tick(self, chat: str, wa_id: str) -> None:
        """Deliver and read what was sent, as a person with the chat open would."""
        for ack in (2, 3):
            await asyncio.sleep(self._pace.tick)
            address = e.ChatAddress(jid=chat, pn=chat)
            self._emit(
                e.ReceiptReceived(chat=address, wa_ids=(wa_id,), ids=(), ack=ack, at=_now_ms())
            )

    async def _receive(self, command: c.SandboxReceive) -> c.AnyAnswer:
        if not self._connected:
            return _NOT_CONNECTED
        return c.Received(id=self._write(command.phone, command.text, command.name))

    def _write(self, phone: str, text: str, name: str | None) -> str:
        """Let a contact write; return our id of the message."""
        sender = ids.phone_jid(phone)
        chat = e.ChatAddress(jid=sender, pn=sender)
        wa_id, now = self._next_id(), _now_ms()
        if name:
            self._emit(e.ContactLearned(contact=_contact(self._key.session, sender, name)))
        self._type(chat, sender, name, is_typing=True)
        self._type(chat, sender, name, is_typing=False)
        message = ids.inbound_message_id(self._key.session, sender, sender, wa_id)
        head = MessageHead(
            id=message,
            session=self._key.session,
            chat=ids.chat_id(self._key.session, sender),
            sender=sender,
            sender_name=name,
            from_me=False,
            at=iso(now),
            type="text",
            text=text,
            source="live",
        )
        self._emit(
            e.MessageReceived(
                chat=chat,
                chat_name=name,
                id=message,
                wa_id=wa_id,
                sender=sender,
                from_me=False,
                at=now,
                source="live",
                counts=True,
                head=encode_head(head),
                tail=MessageTail(wa_id=wa_id, status="delivered", ack=2),
            )
        )
        return message

    def _type(self, chat: e.ChatAddress, sender: str, name: str | None, *, is_typing: bool) -> None:
        self._emit(
            e.TypingChanged(
                chat=chat, sender=sender, sender_name=name, is_typing=is_typing, kind="text"
            )
        )

    async def _drop(self, _: c.SandboxDrop) -> c.AnyAnswer:
        if not self._connected:
            return _NOT_CONNECTED
        self._connected = False
        self._emit(e.Troubled(code="line_lost"))
        self._own(self._come_back())
        return c.Done()

    async def _come_back(self) -> None:
        await asyncio.sleep(self._pace.drop)
        self._emit(e.Connecting())
        self._connect()

    async def _unlink(self, _: c.SandboxLogout) -> c.AnyAnswer:
        return await self._end("unlinked_by_phone")

    async def _logout(self, _: c.Logout) -> c.AnyAnswer:
        return await self._end("logged_out")

    async def _end(self, code: str) -> c.AnyAnswer:
        if not self._paired:
            return _NOT_CONNECTED
        self._paired = False
        self._remember(self._counter)
        await self.stop()
        self._emit(e.Troubled(code=code))
        return c.Done()

    async def _set_traffic(self, command: c.SandboxTraffic) -> c.AnyAnswer:
        if not self._connected:
            return _NOT_CONNECTED
        if self._traffic is not None:
            self._traffic.cancel()
            self._traffic = None
        if command.messages_per_minute > 0:
            self._traffic = self._own(self._chatter(60 / command.messages_per_minute))
        return c.Done()

    async def _chatter(self, seconds: float) -> None:
        """Write every ``seconds``; what falls due at once is written at once (high rates)."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for turn in range(2**62):
            due += seconds
            await asyncio.sleep(max(0.0, due - loop.time()))
            if self._connected:
                contact = turn % len(_CONTACTS)
                text = f"{_LINES[turn % len(_LINES)]} ({turn + 1})"
                self._write(f"550099{contact:07d}", text, _CONTACTS[contact])

    def _next_id(self) -> str:
        """Return a message id that no later life repeats: the counter is kept in the store."""
        if self._counter % _ID_BLOCK == 0:
            self._remember(self._counter + 1)
        self._counter += 1
        return f"SANDBOX{self._counter:012X}"

    def _restore(self) -> None:
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            memory = json.loads(self._file.read_bytes())
            self._counter, self._paired = int(memory["counter"]), bool(memory["paired"])

    def _remember(self, used: int) -> None:
        """Write the pairing, and the first block of ids that ``used`` leaves free, in one step."""
        free = -(-used // _ID_BLOCK) * _ID_BLOCK
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(json.dumps({"paired": self._paired, "counter": free}).encode())
        fresh.replace(self._file)


_ID_BLOCK = 1000
_NOT_CONNECTED = c.Refused(
    kind="session_not_connected", message="The sandbox's line is down.", reason="not_connected"
)


def _contact(session: str, jid: str, name: str) -> Contact:
    return Contact(
        session=session,
        jid=jid,
        pn=jid,
        lid=None,
        name=name,
        push_name=name,
        picture_id=None,
        picture_url=None,
    )


def _now_ms() -> int:
    return round(datetime.now(UTC).timestamp() * 1000)


def open_session(key: SessionKey, store: str, emit: Emit) -> SandboxProvider:
    """Make the scripted phone of a session (a ``ProviderFactory``)."""
    return SandboxProvider(key, store, emit)
