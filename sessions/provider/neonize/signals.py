"""The library's events about the line itself, as a ``Line`` takes them. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sessions.events import AnyEvent
from sessions.provider.neonize import codes, failures
from sessions.provider.neonize.addresses import plain
from sessions.provider.neonize.line import Device, Line


def take(line: Line, code: int, event: Any, now_ms: int) -> list[AnyEvent]:
    """Return what to tell of an event whose code is in ``codes.LINE``, or ``codes.DEVICE``."""
    if code == codes.TEMPORARY_BAN:
        return line.failed(failures.temporary_ban(event.Code, event.Expire, now_ms))
    return _TAKERS[code](line, event)


def _device(line: Line, event: Any) -> list[AnyEvent]:
    lid, name = plain(event.LID) or None, event.PushName or None
    return line.identified(Device(plain(event.JID), lid, name))


def _logged_out(line: Line, event: Any) -> list[AnyEvent]:
    return line.failed(failures.logged_out(on_connect=event.OnConnect, reason=event.Reason))


def _refused(line: Line, event: Any) -> list[AnyEvent]:
    return line.failed(failures.connect_failure(event.Reason, event.Message))


_TAKERS: dict[int, Callable[[Line, Any], list[AnyEvent]]] = {
    codes.DEVICE: _device,
    codes.PAIR_STATUS: lambda _line, _event: [],  # DEVICE said it before, or a pairing status
    codes.CONNECTED: lambda line, _: line.connected(),
    codes.KEEPALIVE_RESTORED: lambda line, _: line.connected(),
    codes.KEEPALIVE_TIMEOUT: lambda line, _: line.failed(failures.KEEPALIVE_TIMEOUT),
    codes.DISCONNECTED: lambda line, _: line.failed(failures.LINE_LOST),
    codes.STREAM_REPLACED: lambda line, _: line.failed(failures.STREAM_REPLACED),
    codes.CLIENT_OUTDATED: lambda line, _: line.failed(failures.OUTDATED),
    codes.LOGGED_OUT: _logged_out,
    codes.CONNECT_FAILURE: _refused,
}
