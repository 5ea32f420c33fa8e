"""Supabase Realtime's protocol (Phoenix channels, ``vsn=1.0.0``): frames in, frames and news out.

No socket and no clock: the caller gives text frames and the time in seconds. One object serves
one connection. Why not the library's client: it does not look at the answers to its heartbeats
and gives up for good after some failures; a connection is cheap to make anew, so the owner
(:mod:`daemon.metadata.realtime`) does just that.

Joined is not subscribed: the server answers the join before its subscription to PostgreSQL
stands, and what changes between is told to nobody. Only its ``system`` message says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

TOPIC = "realtime:zapd"
_JOIN_REF = "1"


class Subscribed(NamedTuple):
    """From here on changes are told."""


class Changed(NamedTuple):
    """A row of a table was inserted or updated; ``record`` is empty where it was too large."""

    table: str
    record: Mapping[str, Any]


class Broken(NamedTuple):
    """The channel is of no use any more; ``reason`` is the server's word."""

    reason: str


News = Subscribed | Changed | Broken


class Bounds(NamedTuple):
    """Seconds. ``subscribe``: join to subscription; ``silence``: nothing at all heard."""

    heartbeat: float = 15.0
    subscribe: float = 15.0
    silence: float = 35.0


class Phoenix:
    """The state of one connection."""

    def __init__(self, tables: Sequence[str], key: str, now: float, bounds: Bounds) -> None:
        """``tables`` of schema ``public`` are listened to; ``now`` is when it was connected."""
        self._tables = tables
        self._key = key
        self._bounds = bounds
        self._began = self._heard = self._beat = now
        self._ref = int(_JOIN_REF)
        self._subscribed = False

    def join(self) -> str:
        """Return the first frame to send."""
        changes = [{"event": "*", "schema": "public", "table": table} for table in self._tables]
        config = {
            "broadcast": {"ack": False, "self": False},
            "presence": {"key": "", "enabled": False},
            "private": False,
            "postgres_changes": changes,
        }
        payload = {"config": config, "access_token": self._key}
        return _frame(TOPIC, "phx_join", payload, _JOIN_REF, join_ref=_JOIN_REF)

    def beat(self, now: float) -> str | None:
        """Return the heartbeat to send, if one is due."""
        if now - self._beat < self._bounds.heartbeat:
            return None
        self._beat = now
        self._ref += 1
        return _frame("phoenix", "heartbeat", {}, str(self._ref))

    def overdue(self, now: float) -> str | None:
        """Return why the connection should be given up, if it should: its line may look alive."""
        if now - self._heard > self._bounds.silence:
            return "silent"
        if not self._subscribed and now - self._began > self._bounds.subscribe:
            return "not subscribed in time"
        return None

    def feed(self, text: str | bytes, now: float) -> News | None:
        """Take a frame; return what it says, if anything. Never raises for what a server sends."""
        self._heard = now
        try:
            frame = json.loads(text)
            event, topic, payload = frame["event"], frame["topic"], frame["payload"]
        except (ValueError, TypeError, KeyError):
            return None
        if topic != TOPIC or not isinstance(payload, dict):
            return None
        return self._news(str(event), frame.get("ref"), payload)

    def _news(self, event: str, ref: object, payload: Mapping[str, Any]) -> News | None:
        match event:
            case "phx_reply":
                return _reply(ref, payload)
            case "system":
                return self._system(payload)
            case "postgres_changes":
                return _change(payload)
            case "phx_error" | "phx_close":
                return Broken(event)
            case _:  # presence, broadcasts, what is yet to come
                return None

    def _system(self, payload: Mapping[str, Any]) -> News | None:
        if payload.get("extension") != "postgres_changes":
            return None
        if payload.get("status") != "ok":
            return Broken(str(payload.get("message", "refused"))[:200])
        self._subscribed = True
        return Subscribed()


def _reply(ref: object, payload: Mapping[str, Any]) -> News | None:
    if ref != _JOIN_REF or payload.get("status") == "ok":
        return None
    response = payload.get("response")
    reason = response.get("reason") if isinstance(response, dict) else None
    return Broken(str(reason or "the join was refused")[:200])


def _change(payload: Mapping[str, Any]) -> News | None:
    data = payload.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("table"), str):
        return None
    record = data.get("record")
    return Changed(data["table"], record if isinstance(record, dict) else {})


def _frame(topic: str, event: str, payload: object, ref: str, **more: str) -> str:
    return json.dumps({"topic": topic, "event": event, "payload": payload, "ref": ref, **more})
