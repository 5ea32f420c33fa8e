"""What WebSocket clients say, and what is answered.

::

    {"type":"subscribe","id":1,"chat":"main:5511…@s.whatsapp.net"}
    {"type":"ack","id":1,"ok":true}
    {"type":"ack","id":2,"ok":false,"error":{problem}}
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from daemon.auth.principal import Principal
from daemon.auth.scopes import Scope
from daemon.clock import Steady
from daemon.errors import ApiError
from daemon.hub.interest import Filter
from daemon.services.stream_query import StreamQuery
from daemon.services.stream_session import StreamSession
from daemon.services.streams import StreamService
from sessions.errors import EngineError
from sessions.ports import Clock

_LOG = logging.getLogger(__name__)

#: What a client may ask to be done, by frame type: given the principal and the frame. Raises
#: ``ApiError`` or ``EngineError`` for what is refused.
Actions = Mapping[str, Callable[[Principal, dict[str, Any]], Awaitable[None]]]

#: Which keys a frame may have beside ``type`` and ``id``.
_KEYS: dict[str, frozenset[str]] = {
    "subscribe": frozenset({"session", "chat", "types"}),
    "unsubscribe": frozenset({"session", "chat", "types"}),
    "typing": frozenset({"chat", "is_typing"}),
    "read": frozenset({"chat"}),
    "presence": frozenset({"chat", "state"}),
    "ping": frozenset(),
}
#: Which scopes let a frame be acted on, any of them.
_SCOPES: dict[str, tuple[Scope, ...]] = {
    "typing": (Scope.SEND,),
    "read": (Scope.SEND,),
    "presence": (Scope.METADATA, Scope.SEND),
}
_MAX_FILTERS = 200


class FrameRate:
    """A bucket of ``burst`` frames that fills by ``per_second``."""

    def __init__(self, clock: Clock, per_second: float = 20.0, burst: float = 60.0) -> None:
        self._passed = Steady(clock)
        self._per_ms = per_second / 1000
        self._burst = self._left = burst
        self._at = self._passed()

    def take(self) -> bool:
        """Tell whether one frame more is allowed now."""
        now = self._passed()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_ms)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Conversation:
    """Answers one client's frames. What it wants to see starts as the URL's filter.

    A stream that the URL did not narrow sees everything until its first ``subscribe``, from then
    on what it subscribed to; another adds. ``unsubscribe`` takes back what the same keys added.
    """

    def __init__(
        self, streams: StreamService, stream: StreamSession, actions: Actions, *, narrowed: bool
    ) -> None:
        self._streams = streams
        self._stream = stream
        self._actions = actions
        self._filters = set(stream.subscriber.interest) if narrowed else set[Filter]()

    async def answer(self, text: str) -> bytes:
        """Do what the frame says and return its ``ack``. Never raises for what a client says."""
        frame: Any = None
        try:
            frame = _load(text)
            await self._act(_check(frame))
        except EngineError as error:
            return _ack(frame, ApiError.from_engine(error))
        except ApiError as error:
            return _ack(frame, error)
        except Exception:  # noqa: BLE001 - one frame's bug must not silence the connection
            _LOG.exception("A client's frame could not be answered.")
            return _ack(frame, ApiError("internal_error"))
        return _ack(frame, None)

    async def _act(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "ping":
                return
            case "subscribe":
                self._subscribe(self._filter(frame))
            case "unsubscribe":
                self._unsubscribe(self._filter(frame))
            case _:
                await self._delegate(frame)

    def _filter(self, frame: dict[str, Any]) -> Filter:
        query = StreamQuery(None, *(_names(frame, key) for key in ("session", "chat", "types")))
        return self._streams.filter(self._stream.principal, query)

    def _subscribe(self, filter_: Filter) -> None:
        if len(self._filters) >= _MAX_FILTERS:
            raise ApiError("invalid_parameter", f"At most {_MAX_FILTERS} subscriptions a stream.")
        self._filters.add(filter_)
        self._stream.want(frozenset(self._filters))
        self._stream.show(self._streams.states(self._stream.principal, filter_))

    def _unsubscribe(self, filter_: Filter) -> None:
        if filter_ in self._filters:
            self._filters.discard(filter_)
            self._stream.want(frozenset(self._filters))

    async def _delegate(self, frame: dict[str, Any]) -> None:
        principal = self._stream.principal
        if not principal.may(*_SCOPES[frame["type"]]):
            raise ApiError("missing_scope")
        if not isinstance(frame.get("chat"), str):
            raise ApiError("wrong_type", "chat must be a chat id.")
        if frame["type"] == "typing" and not isinstance(frame.get("is_typing"), bool):
            raise ApiError("wrong_type", "is_typing must be true or false.")
        action = self._actions.get(frame["type"])
        if action is None:
            raise ApiError("unsupported")
        await action(principal, frame)


def _load(text: str) -> Any:  # noqa: ANN401 - whatever the client sent
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ApiError("malformed_json", "The frame is not JSON.") from None


def _check(frame: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the client sent
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
        raise ApiError("wrong_type", "A frame is an object with a type.")
    known = _KEYS.get(frame["type"])
    if known is None:
        raise ApiError("wrong_type", f"There is no frame of type {frame['type'][:60]!r}.")
    if frame.get("id") is not None and _id(frame) is None:
        raise ApiError("wrong_type", "id must be a text or a number.")
    unknown = frame.keys() - known - {"type", "id"}
    if unknown:
        raise ApiError("unknown_field", f"A {frame['type']} frame has no {min(unknown)[:60]!r}.")
    return frame


def _names(frame: dict[str, Any], key: str) -> tuple[str, ...]:
    """Return a name, a list of names or a text with commas as names."""
    value = frame.get(key)
    names = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(name, str) for name in names):
        raise ApiError("wrong_type", f"{key} must be a text or a list of texts.")
    return tuple(word.strip() for name in names for word in name.split(",") if word.strip())


def _ack(frame: Any, error: ApiError | None) -> bytes:  # noqa: ANN401 - whatever the client sent
    answer: dict[str, Any] = {"type": "ack", "id": _id(frame), "ok": error is None}
    if error is not None:
        answer["error"] = error.body()
    return orjson.dumps(answer)


def _id(frame: Any) -> str | int | float | None:  # noqa: ANN401 - whatever the client sent
    """Return the frame's id if it can be given back: what is nested may be read, not written."""
    found = frame.get("id") if isinstance(frame, dict) else None
    return found if isinstance(found, str | int | float) else None
