"""What may be done over an open stream: the same use cases as over REST."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.services.agent_presence import STATES
from daemon.services.engine import Engine
from daemon.services.metadata import Metadata

Action = Callable[[Principal, dict[str, Any]], Awaitable[None]]


def actions(engine: Engine, metadata: Metadata) -> Mapping[str, Action]:
    """Return the actions by the type of the client's frame; the scope was checked before."""

    async def typing(who: Principal, frame: dict[str, Any]) -> None:
        is_typing = frame.get("is_typing")
        if not isinstance(is_typing, bool):
            raise ApiError("wrong_type", "is_typing is true or false.")
        await engine.set_typing(who, _chat(frame), is_typing=is_typing, kind="text")

    async def read(who: Principal, frame: dict[str, Any]) -> None:
        await engine.mark_read(who, _chat(frame))

    async def presence(who: Principal, frame: dict[str, Any]) -> None:
        state = frame.get("state")
        if state not in STATES:
            raise ApiError("wrong_type", f"state is one of {', '.join(STATES)}.")
        metadata.set_presence(who, _chat(frame), state)

    return {"typing": typing, "read": read, "presence": presence}


def _chat(frame: dict[str, Any]) -> str:
    chat = frame.get("chat")
    if not isinstance(chat, str):
        raise ApiError("wrong_type", "chat is a chat id.")
    return chat
