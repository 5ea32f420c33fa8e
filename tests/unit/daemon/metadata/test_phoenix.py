from __future__ import annotations

import json
from typing import Any

import pytest

from daemon.metadata.phoenix import TOPIC, Bounds, Broken, Changed, Phoenix, Subscribed
from tests.supabase.fakes.realtime import change, reply, system

BOUNDS = Bounds(heartbeat=15, subscribe=10, silence=35)


@pytest.fixture
def line() -> Phoenix:
    """Return a connection that was made at second 100."""
    return Phoenix(["tags", "chat_notes"], "sb_secret_k", 100.0, BOUNDS)


def test_the_join_names_every_table_and_the_key(line: Phoenix) -> None:
    """As the library's client sends it."""
    frame: dict[str, Any] = json.loads(line.join())
    assert (frame["topic"], frame["event"], frame["ref"]) == (TOPIC, "phx_join", "1")
    assert frame["payload"]["access_token"] == "sb_secret_k"
    wanted = frame["payload"]["config"]["postgres_changes"]
    assert [(each["event"], each["schema"], each["table"]) for each in wanted] == [
        ("*", "public", "tags"),
        ("*", "public", "chat_notes"),
    ]


def test_joined_is_not_subscribed(line: Phoenix) -> None:
    """Only the system's message ends the gap."""
    assert line.feed(reply(TOPIC, "1", "ok", {"postgres_changes": []}), 100.1) is None
    assert line.overdue(110.2) == "not subscribed in time"
    assert line.feed(system(TOPIC), 110.3) == Subscribed()
    assert line.overdue(110.4) is None


def test_a_change_is_told_with_its_row(line: Phoenix) -> None:
    """A row that was too large for the server comes without."""
    assert line.feed(change(TOPIC, "tags", {"id": "1"}), 101.0) == Changed("tags", {"id": "1"})
    bare = {"data": {"table": "tags", "errors": ["Error 413: Payload Too Large"]}}
    frame = {"topic": TOPIC, "event": "postgres_changes", "payload": bare, "ref": None}
    assert line.feed(json.dumps(frame), 101.0) == Changed("tags", {})


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (reply(TOPIC, "1", "error", {"reason": "Unauthorized"}), "Unauthorized"),
        (reply(TOPIC, "1", "error", {}), "the join was refused"),
        (system(TOPIC, "error", "Unable to subscribe"), "Unable to subscribe"),
        (json.dumps({"topic": TOPIC, "event": "phx_error", "payload": {}}), "phx_error"),
        (json.dumps({"topic": TOPIC, "event": "phx_close", "payload": {}}), "phx_close"),
    ],
)
def test_the_server_may_end_it(line: Phoenix, frame: str, reason: str) -> None:
    """The owner makes another connection."""
    assert line.feed(frame, 101.0) == Broken(reason)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "no JSON",
        "[]",
        "7",
        "{}",
        b"\xff\x00",
        json.dumps({"topic": TOPIC, "event": "presence_state", "payload": {}}),
        json.dumps({"topic": TOPIC, "event": "postgres_changes", "payload": {"data": 1}}),
        json.dumps({"topic": TOPIC, "event": "postgres_changes", "payload": []}),
        json.dumps({"topic": "other", "event": "phx_error", "payload": {}}),
        reply(TOPIC, "9", "error", {}),
        reply("phoenix", "2", "ok", {}),
        json.dumps({"topic": TOPIC, "event": "system", "payload": {"extension": "presence"}}),
    ],
)
def test_what_is_not_for_us_is_no_news(line: Phoenix, frame: str | bytes) -> None:
    """It shows that the line lives, and no more."""
    assert line.feed(frame, 130.0) is None
    assert line.overdue(164.0) != "silent"


def test_it_beats_and_notices_silence(line: Phoenix) -> None:
    """A line that only looks alive is given up after two beats without an answer."""
    line.feed(system(TOPIC), 100.0)
    assert line.beat(114.9) is None
    beat = line.beat(115.0)
    assert beat is not None
    assert json.loads(beat)["topic"] == "phoenix"
    assert line.beat(115.1) is None
    assert line.overdue(135.0) is None
    assert line.overdue(135.1) == "silent"
    line.feed(reply("phoenix", "2", "ok", {}), 135.2)
    assert line.overdue(170.0) is None
