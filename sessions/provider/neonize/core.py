"""One client of the Go library, guarded: what would abort the process never reaches it.

neonize 0.5.2's traps, and what stands against each:

* Calls on a client that is not connected or not paired abort the process: refused here.
* The maps of clients are shared and unsynchronised: every call goes through ``GO_LOCK``.
* ``connect()`` uses a thread that keeps the interpreter alive and polls five times a second;
  the function below it is called here, from a daemon thread, with callbacks of ours. So the
  end of a callback loop is known at once, and nothing is printed or parsed on Go's thread.
* A collected client object stops whoever has its name: its finalizer is detached.
* Handlers count only if they stand before the connect: all codes are subscribed to then.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from neonize._binder import func_callback_bytes, func_callback_bytes2, func_string, gocode
from neonize.client import NewClient
from neonize.proto.Neonize_pb2 import JID, SendResponse
from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message
from neonize.utils.enum import (
    ChatPresence,
    ChatPresenceMedia,
    LogLevel,
    Presence,
    ReceiptType,
)
from neonize.utils.log import log_whatsmeow

from sessions.ids import SessionKey
from sessions.provider.neonize import codes, encode
from sessions.provider.neonize.locks import GoLock, StartHold

STORE_FILE = "whatsapp.db"
#: WAL and a quiet log make receiving eleven times faster; the trailing name swallows what
#: the library appends to the path.
_DSN_OPTIONS = "?_foreign_keys=on&_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=10000&_x="
_DEVICE = DeviceProps(os="zapd", platformType=DeviceProps.CHROME)

GO_LOCK = GoLock()
_live: set[bytes] = set()
_live_lock = threading.Lock()

ResultT = TypeVar("ResultT")


class CoreNotReady(Exception):
    """The call was refused before it reached Go: it would have ended the process."""


class Raw(NamedTuple):
    """An event as Go gave it: its number and its bytes (see ``codes``)."""

    code: int
    data: bytes


def client_name(key: SessionKey) -> str:
    """Return the name that Go's maps know the session by; nothing from outside is in it."""
    return hashlib.blake2b("/".join(key).encode(), digest_size=16).hexdigest()


def store_files(store: str) -> list[Path]:
    """Return the files of a session's keys, whether they exist or not."""
    return [Path(store) / f"{STORE_FILE}{suffix}" for suffix in ("", "-wal", "-shm")]


def dsn(store: str) -> str:
    """Return the database's name for the library, which reads it as a URL.

    Raises ``ValueError`` for a path that would be read as something else.
    """
    path = str(Path(store) / STORE_FILE)
    if not Path(path).is_absolute() or any(sign in path for sign in "%?#") or "\0" in path:
        raise ValueError("The store's path must be absolute and free of %, ? and #.")
    return path + _DSN_OPTIONS


class Core:
    """One client: ``run`` in a thread of its own, calls from others, events through ``take``.

    ``take`` is called on Go's thread: it must only queue. After ``run`` has returned, a new
    ``run`` may follow ``stop``.
    """

    def __init__(self, key: SessionKey, store: str, take: Callable[[Raw], None]) -> None:
        """Prepare a client; nothing is opened yet. Raises ``ValueError`` for a bad store."""
        self._dsn = dsn(store)
        self._take = take
        self._client = NewClient(self._dsn, props=_DEVICE, uuid=client_name(key))
        self._client._stop_finalizer.detach()  # noqa: SLF001 - collected, it would stop a later client
        self._hold = StartHold(GO_LOCK)
        self._up = False
        self._pairing = False
        self._thread: threading.Thread | None = None
        self._is_started = False
        self._entry = threading.Lock()
        self._is_cancelled = False
        self._has_entered = False

    @property
    def is_running(self) -> bool:
        """Whether Go holds the session's thread."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_up(self) -> bool:
        """Whether Go has the account's line: calls are let through."""
        return self._up

    @property
    def is_pairing(self) -> bool:
        """Whether Go is in its QR phase, which only the process's end can end."""
        return self._pairing and self.is_running

    def start(self) -> None:
        """Connect in a thread; its end comes as ``codes.ENDED``.

        Raises ``CoreNotReady`` while a client of the same name lives in this process.
        """
        with _live_lock:
            if self._client.uuid in _live:
                raise CoreNotReady("A client of this session still runs in this process.")
            _live.add(self._client.uuid)
        self._is_cancelled = self._has_entered = False
        self._thread = threading.Thread(target=self._run, name="whatsapp", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        error = ""
        self._hold.begin()
        try:
            if self._enter():
                self._take(Raw(codes.ENTERED, b""))
                error = self._neonize()
        except Exception as failure:  # noqa: BLE001 - the thread's end must be told whatever it is
            error = repr(failure)
        finally:
            self._up = self._pairing = False
            self._hold.settle()
            with _live_lock:
                _live.discard(self._client.uuid)
            self._take(Raw(codes.ENDED, error.encode()))

    def _enter(self) -> bool:
        """Go into Go, unless a stop came while the neighbours' starts were waited for."""
        with self._entry:
            self._is_started = self._has_entered = not self._is_cancelled
            return self._is_started

    def _neonize(self) -> str:
        """Call the library's main function, as ``NewClient.connect`` does; return its error."""
        subscribed = bytearray(codes.SUBSCRIBED)
        props = _DEVICE.SerializeToString()
        # Kept in locals: Go calls these for as long as its function runs, which is this frame.
        on_qr = func_string(self._on_qr)
        on_status = func_string(self._on_status)
        on_event = func_callback_bytes(self._on_event)
        on_log = func_callback_bytes2(log_whatsmeow)
        error: bytes = gocode.Neonize(
            self._dsn.encode(),
            self._client.uuid,
            b"",  # no JID: an unknown one aborts the process
            0,
            0,
            LogLevel.from_logging(logging.ERROR).level,
            on_qr,
            on_status,
            on_event,
            on_log,
            (ctypes.c_char * len(subscribed)).from_buffer(subscribed),
            len(subscribed),
            props,
            len(props),
            b"",
            0,
            None,
        )
        return error.decode(errors="replace")

    def _on_event(self, _: bytes, pointer: int, size: int, code: int) -> None:
        """Copy and queue, nothing else: this is Go's thread, and Go has already acknowledged."""
        data = ctypes.string_at(pointer, size)
        if code == codes.DEVICE:
            self._up, self._pairing = True, False
            self._hold.settle()
        self._take(Raw(code, data))

    def _on_qr(self, _: int, pointer: int) -> None:
        self._pairing = True
        self._hold.settle()
        self._take(Raw(codes.QR_CODE, ctypes.string_at(pointer)))

    def _on_status(self, _: int, pointer: int) -> None:
        status = ctypes.string_at(pointer)
        if status == b"success":
            self._hold.resume()  # Go reads its maps next
        self._take(Raw(codes.PAIRING_STATUS, status))

    def relax(self) -> None:
        """Let other calls in although this start has not settled: its writes are long done."""
        self._hold.relax()

    def abandon(self) -> None:
        """Give the lock back for a start that hangs; the process is to be ended."""
        self._hold.settle()

    def disconnect(self) -> bool:
        """Close the line, if there is one; Go hands over what it has.

        Blocks without end where the line hangs.
        """
        with GO_LOCK.reading():
            if self._up:
                self._client.disconnect()
            return self._up

    def stop(self, patience: float) -> bool:
        """Stop the client; False if the lock was not to be had in time. Disconnect first."""
        with self._entry:
            self._is_cancelled = True
            if not self._is_started:
                return True
        if not GO_LOCK.acquire_write(patience):
            return False
        try:
            self._up = False
            gocode.Stop(self._client.uuid)  # also after the thread came back: the client lives on
            self._is_started = False
        finally:
            GO_LOCK.release_write()
        return True

    def join(self, patience: float) -> bool:
        """Wait for Go to give the thread back; False if it does not."""
        if self._thread is None or not self._has_entered:
            return True
        self._thread.join(patience)
        return not self.is_running

    def send(self, chat: str, message: Message) -> SendResponse:
        """Send a message; return what WhatsApp calls it."""
        return self._guarded(lambda: self._client.send_message(encode.jid(chat), message))

    def mark_read(self, chat: str, sender: str, wa_ids: tuple[str, ...]) -> None:
        """Tell that messages of one sender were read."""
        chat_jid, sender_jid = encode.jid(chat), encode.jid(sender)
        self._guarded(
            lambda: self._client.mark_read(
                *wa_ids, chat=chat_jid, sender=sender_jid, receipt=ReceiptType.READ
            )
        )

    def show_typing(self, chat: str, *, is_typing: bool, is_audio: bool) -> None:
        """Show, or stop showing, that the account types or records."""
        state = ChatPresence(0 if is_typing else 1)
        media = ChatPresenceMedia(1 if is_audio else 0)
        self._guarded(lambda: self._client.send_chat_presence(encode.jid(chat), state, media))

    def show_available(self) -> None:
        """Be available: WhatsApp tells only those who are that somebody types."""
        self._guarded(lambda: self._client.send_presence(Presence.AVAILABLE))

    def pn_from_lid(self, lid: str) -> JID:
        """Return a LID's number as the library's store has it, empty for unknown."""
        return self._guarded(lambda: self._client.get_pn_from_lid(encode.jid(lid)))

    def ask_about(self, phone: str) -> None:
        """Ask WhatsApp whether a number (with its ``+``) has an account; the answer is dropped."""
        self._guarded(lambda: self._client.is_on_whatsapp(phone))

    def delete(self, chat: str, wa_id: str) -> SendResponse:
        """Delete a message of ours for everyone.

        The sender is the account's number, never its LID: with that one the library builds an
        admin's deletion of somebody else's message, which does nothing.
        """

        def call() -> SendResponse:
            own = self._client.get_me().JID
            return self._client.revoke_message(encode.jid(chat), own, wa_id)

        return self._guarded(call)

    def set_disappearing(self, chat: str, seconds: int) -> None:
        """Let messages of a chat disappear after so many seconds; 0 is never.

        The library takes nanoseconds for a number, and makes microseconds of a ``timedelta``
        that it then takes for nanoseconds, so that every timer would be "off".
        """
        nanoseconds = seconds * 10**9
        self._guarded(lambda: self._client.set_disappearing_timer(encode.jid(chat), nanoseconds))

    def logout(self) -> None:
        """Unlink the device at WhatsApp; the library deletes its keys."""
        self._guarded(self._client.logout)

    def pairing_code(self, phone: str) -> str:
        """Ask for a code to type into the phone; raise ``CoreNotReady`` while none can be made."""
        with GO_LOCK.reading():
            if not self.is_pairing:
                raise CoreNotReady("No code can be made: the session is not pairing.")
            return self._client.PairPhone(phone, show_push_notification=True)

    def _guarded(self, call: Callable[[], ResultT]) -> ResultT:
        with GO_LOCK.reading():
            if not self._up:
                raise CoreNotReady("The session is not connected.")
            return call()


def forget(store: str) -> None:
    """Delete a session's keys, so that its next start pairs anew."""
    for file in store_files(store):
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
