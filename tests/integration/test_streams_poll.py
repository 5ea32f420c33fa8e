from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from daemon.hub.hub import HubBounds
from tests.integration.streaming import Scene, message, serving, until


async def poll(scene: Scene, query: str = "", **headers: str) -> dict[str, Any]:
    """Ask once."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(timeout=10, headers=names) as client:
        answer = await client.get(f"http://{scene.base}/v1/poll{query}")
    body: dict[str, Any] = answer.json()
    return body


async def test_the_first_call_tells_where_to_go_on() -> None:
    """At once, with no events."""
    async with serving() as scene:
        scene.hub.publish(message())
        assert await poll(scene) == {"items": [], "next": "e1-1", "reset": False}


async def test_it_answers_when_there_is_something() -> None:
    """The envelopes, and where to go on after them."""
    async with serving() as scene:
        asking = asyncio.ensure_future(poll(scene, "?after=e1-0"))
        await until(lambda: len(scene.streams) == 1)
        assert not asking.done()
        scene.hub.publish(message("1"))
        scene.hub.publish(message("2"))
        page = await asking
        assert [item["id"] for item in page["items"]] == ["e1-1", "e1-2"]
        assert (page["next"], page["reset"]) == ("e1-2", False)
        assert len(scene.streams) == 0


async def test_it_answers_when_the_time_is_up() -> None:
    """Past what the filter does not want."""
    async with serving() as scene:
        asking = asyncio.ensure_future(poll(scene, "?after=e1-0&types=qr&timeout=0.2"))
        await until(lambda: len(scene.streams) == 1)
        scene.hub.publish(message())
        assert await asking == {"items": [], "next": "e1-1", "reset": False}


async def test_a_page_has_at_most_five_hundred() -> None:
    """And goes on where it ended, each event once."""
    async with serving() as scene:
        for number in range(1200):
            scene.hub.publish(message(str(number)))
        after, texts, sizes = "e1-0", list[str](), list[int]()
        while after != "e1-1200":
            page = await poll(scene, f"?after={after}&timeout=0")
            after = page["next"]
            sizes.append(len(page["items"]))
            texts += [item["data"]["text"] for item in page["items"]]
        assert sizes == [500, 500, 200]
        assert texts == [str(number) for number in range(1200)]


async def test_a_page_ends_at_its_bytes() -> None:
    """One MiB of envelopes."""
    async with serving() as scene:
        for _ in range(5):
            scene.hub.publish(message("x" * 300_000))
        assert (await poll(scene, "?after=e1-0"))["next"] == "e1-3"


@pytest.mark.parametrize("after", ["e2-1", "e1-1", "e1-99"])
async def test_a_past_that_is_gone_is_a_reset(after: str) -> None:
    """At once, with the head to go on from."""
    async with serving(HubBounds(ring_events=3)) as scene:
        for _ in range(9):
            scene.hub.publish(message())
        assert await poll(scene, f"?after={after}") == {"items": [], "next": "e1-9", "reset": True}


async def test_another_workspaces_events_are_not_there() -> None:
    """A cursor is a number in one's own workspace."""
    async with serving() as scene:
        scene.hub.publish(message("secret"))
        page = await poll(scene, "?after=e1-1", x_who="other/key:2/read")
        assert page == {"items": [], "next": "e1-0", "reset": True}


@pytest.mark.parametrize("seconds", ["61", "-1", "soon", "nan"])
async def test_a_timeout_is_of_bounds(seconds: str) -> None:
    """0 to 60 seconds."""
    async with serving() as scene:
        answer = await poll(scene, f"?after=e1-0&timeout={seconds}")
        assert answer["code"] == "invalid_parameter"


async def test_a_restart_answers() -> None:
    """With what there is, which is nothing; the client comes back."""
    async with serving() as scene:
        asking = asyncio.ensure_future(poll(scene, "?after=e1-0"))
        await until(lambda: len(scene.streams) == 1)
        await scene.streams.close()
        assert await asking == {"items": [], "next": "e1-0", "reset": False}


async def test_a_revoked_credential_is_told() -> None:
    """As by any other request."""
    async with serving() as scene:
        asking = asyncio.ensure_future(poll(scene, "?after=e1-0"))
        await until(lambda: len(scene.streams) == 1)
        scene.revoked.add("key:1")
        assert (await asking)["code"] == "unauthorized"


async def test_a_poller_that_leaves_is_forgotten() -> None:
    """It holds no place of its credential."""
    async with serving() as scene:
        asking = asyncio.ensure_future(poll(scene, "?after=e1-0"))
        await until(lambda: len(scene.streams) == 1)
        asking.cancel()
        await asyncio.wait([asking])
        await until(lambda: len(scene.streams) == 0)
