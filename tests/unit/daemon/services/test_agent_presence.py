from __future__ import annotations

import pytest

from daemon.metadata.models import Actor
from daemon.services import agent_presence as module
from daemon.services.agent_presence import LASTS_MS, AgentPresence
from sessions.ids import ChatRef
from tests.support.recorders import RecordingSink
from tests.unit.daemon.manual_clock import ManualClock

ANA, BOB = Actor(id="ana", name="Ana"), Actor(id="bob", name="Bob")


def chat(number: int = 1, workspace: str = "w") -> ChatRef:
    """Return the name of a chat."""
    return ChatRef(workspace, "s1", f"5511{number:09d}@s.whatsapp.net")


class Scene:
    """Presences, and what was told of them."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sink = RecordingSink()
        self.presence = AgentPresence(self.sink, self.clock)

    def told(self) -> list[tuple[str, str, int]]:
        """Return user, state and version of each event so far."""
        return [(d["user"], d["state"], d["version"]) for d in self.sink.of("agent_presence")]

    def present(self, number: int = 1) -> list[str]:
        """Return who is in a chat."""
        return [p.actor.id for p in self.presence.of(chat(number))]


def test_only_what_changes_is_told() -> None:
    """Coming, another state, leaving; not the same again, nor leaving twice."""
    scene = Scene()
    for state in ("viewing", "viewing", "typing", "away", "away"):
        scene.presence.set(chat(), ANA, state)
    assert scene.told() == [("ana", "viewing", 1), ("ana", "typing", 2), ("ana", "away", 3)]
    assert (scene.present(), len(scene.presence)) == ([], 0)
    (first, *_) = scene.sink.events
    assert (first.workspace, first.session, first.chat) == ("w", "s1", chat().id)


def test_a_presence_ends_unless_it_is_said_again() -> None:
    """Thirty seconds after it was said last."""
    scene = Scene()
    scene.presence.set(chat(), ANA, "viewing")
    scene.presence.set(chat(), BOB, "viewing")
    scene.clock.ms += LASTS_MS - 1
    scene.presence.set(chat(), BOB, "viewing")
    assert scene.present() == ["ana", "bob"]
    scene.clock.ms += 1
    scene.presence.expire()
    assert scene.present() == ["bob"]
    assert scene.told()[-1] == ("ana", "away", 2)
    scene.clock.ms += LASTS_MS
    assert scene.present() == []


def test_a_clock_that_is_set_back_ends_nothing_late() -> None:
    """Spans are counted, not times of day."""
    scene = Scene()
    scene.clock.ms -= 3_600_000
    scene.presence.set(chat(), ANA, "viewing")
    scene.clock.ms -= 3_600_000
    scene.presence.expire()
    scene.clock.ms += LASTS_MS
    assert scene.present() == []


def test_chats_and_workspaces_are_apart() -> None:
    """The same agent in two chats, the same chat's name in two workspaces."""
    scene = Scene()
    scene.presence.set(chat(1), ANA, "viewing")
    scene.presence.set(chat(2), ANA, "typing")
    scene.presence.set(chat(1, "v"), BOB, "viewing")
    scene.presence.set(chat(1), ANA, "away")
    assert (scene.present(1), scene.present(2)) == ([], ["ana"])
    assert [p.actor.id for p in scene.presence.of(chat(1, "v"))] == ["bob"]


def test_who_is_in_a_chat_that_is_merged_goes_along() -> None:
    """Away there, here with the same state."""
    scene = Scene()
    scene.presence.set(chat(1), ANA, "typing")
    scene.presence.moved(chat(1), chat(2))
    scene.presence.moved(chat(1), chat(2))
    assert (scene.present(1), scene.present(2)) == ([], ["ana"])
    assert scene.told() == [("ana", "typing", 1), ("ana", "away", 2), ("ana", "typing", 1)]


def test_presences_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent's and all: the oldest makes room, and is told as away."""
    monkeypatch.setattr(module, "MOST_OF_AGENT", 2)
    monkeypatch.setattr(module, "MOST", 3)
    scene = Scene()
    for number in (1, 2, 3):
        scene.presence.set(chat(number), ANA, "viewing")
    assert [scene.present(n) for n in (1, 2, 3)] == [[], ["ana"], ["ana"]]
    for number in (4, 5):
        scene.presence.set(chat(number), BOB, "viewing")
    assert [scene.present(n) for n in (2, 3, 4, 5)] == [[], ["ana"], ["bob"], ["bob"]]
    assert len(scene.presence) == 3
    assert [told for told in scene.told() if told[1] == "away"] == [("ana", "away", 2)] * 2
