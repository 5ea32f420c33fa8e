"""What a session is asked to do: commands to guarded calls."""

from __future__ import annotations

from neonize.exc import NeonizeError

from sessions import commands as c
from sessions.events import CodeShown
from sessions.provider.neonize import encode, failures
from sessions.provider.neonize.addresses import Addresses, plain
from sessions.provider.neonize.calls import Calls
from sessions.provider.neonize.core import Core, CoreNotReady
from sessions.provider.neonize.line import Line
from sessions.provider.neonize.times import to_ms
from sessions.provider.port import Emit

NOT_CONNECTED = c.Refused(
    kind="session_not_connected", message="The line to WhatsApp is down.", reason="not_connected"
)
_NOT_PAIRING = c.Refused(kind="not_pairing", message="The session shows no QR code now.")
_SANDBOX_ONLY = c.Refused(kind="unsupported", message="Only a sandbox session can do that.")


class Actions:
    """One session's hands."""

    def __init__(
        self, core: Core, line: Line, addresses: Addresses, *, calls: Calls, emit: Emit
    ) -> None:
        self._core = core
        self._line = line
        self._addresses = addresses
        self._calls = calls
        self._emit = emit

    async def execute(self, command: c.AnyCommand) -> c.AnyAnswer:
        """Do it and answer. A send that nobody answers is waited for: the parent decides."""
        try:
            return await self._execute(command)
        except CoreNotReady:
            return NOT_CONNECTED
        except NeonizeError as error:
            return c.Refused(
                kind="command_failed",
                message=f"WhatsApp refused: {error}"[:500],
                reason=failures.send_reason(str(error)),
            )

    async def _execute(self, command: c.AnyCommand) -> c.AnyAnswer:
        if isinstance(command, c.RequestCode):
            return await self._request_code(command)
        if not isinstance(command, (c.SendText, c.MarkRead, c.SetTyping, c.Logout)):
            return _SANDBOX_ONLY
        if not self._line.is_connected:
            return NOT_CONNECTED
        match command:
            case c.SendText():
                return await self._send(command)
            case c.MarkRead():
                await self._mark_read(command)
            case c.SetTyping():
                await self._show_typing(command)
            case c.Logout():
                await self._calls.make(self._core.logout)
        return c.Done()

    async def _request_code(self, command: c.RequestCode) -> c.AnyAnswer:
        ends = self._line.pairing_ends
        if ends is None or not self._core.is_pairing or self._line.verdict is not None:
            return _NOT_PAIRING
        try:
            code = await self._calls.make(self._core.pairing_code, command.phone)
        except CoreNotReady:
            return _NOT_PAIRING
        self._emit(CodeShown(code=code, expires_at=ends))
        return c.Code(code=code, expires_at=ends)

    async def _send(self, command: c.SendText) -> c.AnyAnswer:
        message = encode.text_message(command)
        sent = await self._calls.make(self._core.send, command.chat, message)
        taken = plain(sent.Chat) or command.chat  # the library writes to a number's LID
        for told in self._addresses.learn(taken, command.chat):
            self._emit(told)
        chat, own = self._addresses.canonical(taken), self._addresses.own_pn
        return c.Sent(wa_id=sent.ID, at=to_ms(sent.Timestamp), chat=chat, sender=own)

    async def _mark_read(self, command: c.MarkRead) -> None:
        # The library joins ids by blanks: one with a blank in it would be read as two.
        wa_ids = tuple(wa_id for wa_id in command.wa_ids if wa_id and " " not in wa_id)
        if wa_ids:
            chat = self._addresses.wire(command.chat, command.chat)
            sender = self._addresses.wire(command.chat, command.sender)
            await self._calls.make(self._core.mark_read, chat, sender, wa_ids)

    async def _show_typing(self, command: c.SetTyping) -> None:
        await self._calls.make(
            self._core.show_typing,
            self._addresses.wire(command.chat, command.chat),
            is_typing=command.is_typing,
            is_audio=command.kind == "audio",
        )
