"""Search finds what was said, in RAM and in history, for those who may see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from daemon.errors import ApiError
from daemon.history.models import Searched, SearchQuery
from daemon.history.port import HistoryFailed
from daemon.services.search import Remembered
from sessions.ids import ChatRef
from sessions.models import MessageTail, rewrite_head
from tests.support.waiting import eventually
from tests.unit.daemon.history.samples import ANNA, BOB, CHAT, NOON, message
from tests.unit.daemon.history.stores import FULL, Governed
from tests.unit.daemon.services.search.scene import Scene, ids, remembering, who

SECOND = ChatRef("acme", "second", BOB)
GROUP = ChatRef("acme", "main", "120363000000000001@g.us")
OTHER = ChatRef("rival", "main", ANNA)


@pytest_asyncio.fixture(params=["off", "on", "failing", "away"])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    """Yield a scene whose history is off, works, does not take anything, or does not answer."""
    if request.param == "off":
        yield Scene()
        return
    async with remembering(tmp_path) as (scene, store):
        if request.param != "on":
            store.refusal = FULL
        if request.param == "away":
            assert scene.history is not None
            away = Remembered(_Away(tmp_path), scene.history.flusher)
            scene.search._history = away  # noqa: SLF001 - a store that goes away, in mid-life
        yield scene


class _Away(Governed):
    """A store that cannot be asked."""

    async def search(self, query: SearchQuery) -> Searched:
        """Refuse."""
        raise HistoryFailed("It does not answer.")


async def test_what_narrows_a_search(scene: Scene) -> None:
    """Session, chat, sender, type and time: the same words in every state of history."""
    scene.receive(message("m1", "o sol"))
    scene.receive(message("m2", "Sol!", chat=SECOND, at=NOON + 1000))
    scene.receive(message("m3", "sol e mar", chat=GROUP, at=NOON + 2000, sender=BOB))
    scene.receive(message("m4", None, at=NOON + 3000))
    scene.receive(message("m5", "só", at=NOON + 4000))
    assert await scene.ids("sol") == ["m3", "m2", "m1"]
    assert await scene.ids("sol", session="main") == ["m3", "m1"]
    assert await scene.ids("sol", session="none") == []
    assert await scene.ids("sol", chat=SECOND.id) == ["m2"]
    assert await scene.ids("sol", chat=SECOND.id, session="main") == []
    assert await scene.ids("sol", chat="main:5511999990009") == []
    assert await scene.ids("sol", sender=BOB) == ["m3", "m2"]
    assert await scene.ids("sol", sender="+55 11 99999-0001") == ["m1"]
    assert await scene.ids("sol", type="image") == []
    assert await scene.ids("sol", since=NOON + 1000) == ["m3", "m2"]
    assert await scene.ids("sol", until=NOON + 1000) == ["m2", "m1"]
    assert await scene.ids("sol", until=NOON - 1) == []
    assert await scene.ids("sol", since=-1, until=1 << 60) == ["m3", "m2", "m1"]


async def test_whose_messages_are_found(scene: Scene) -> None:
    """The caller's own workspace's, of the sessions that it sees, whatever is asked."""
    for each in (message("m1", "sol"), message("m2", "sol", chat=SECOND)):
        scene.receive(each)
    scene.receive(message("x1", "sol", chat=OTHER))
    agent = who(sessions=frozenset({"second"}))
    assert await scene.ids("sol") == ["m2", "m1"]
    assert await scene.ids("sol", who("rival")) == ["x1"]
    assert await scene.ids("sol", who("third")) == []
    assert await scene.ids("sol", agent) == ["m2"]
    assert await scene.ids("sol", agent, session="main") == []
    assert await scene.ids("sol", agent, chat=CHAT.id) == []
    assert await scene.ids("sol", who(sessions=frozenset())) == []


async def test_pages_go_through_all(scene: Scene) -> None:
    """Each message once, newest first; of one millisecond the later arrived first."""
    chats = (CHAT, SECOND, GROUP)
    for n in range(60):
        text = "sol" if n % 5 else "mar"
        scene.receive(message(f"m{n}", text, at=NOON + n // 7, chat=chats[n % 3]))
    expected = [f"m{n}" for n in reversed(range(60)) if n % 5]
    assert await scene.ids("sol", limit=200) == expected
    for limit in (1, 4, 48):
        pages = await scene.pages("sol", limit=limit)
        assert [id_ for page in pages for id_ in page] == expected
        assert max(len(page) for page in pages) == limit


async def test_a_result_is_ready_to_show(scene: Scene) -> None:
    """The message as it is now, a snippet without markup, and what its chat is called."""
    entry = scene.receive(message("m1", "<b>Olá</b>, mundo"), "Anna")
    scene.receive(message("m2", "olá", chat=ChatRef("acme", "main", "200000000000001@lid")))
    scene.receive(message("m3", "olá", chat=SECOND, at=NOON + 1))
    tail = MessageTail(wa_id="W1", status="played", ack=4)
    scene.memory.messages.change(entry, tail)
    found = (await scene.page("ola")).results
    assert [each.chat_name for each in found] == ["+5511999990002", None, "Anna"]
    assert found[2].snippet.text == "<b>Olá</b>, mundo"
    assert found[2].snippet.marks == [(3, 6)]
    assert found[2].chat == CHAT
    assert orjson.loads(found[2].message)["status"] == "played"


async def test_what_cannot_be_asked_is_refused(scene: Scene) -> None:
    """Before anything is looked at."""
    with pytest.raises(ApiError) as caught:
        await scene.ids(" !? ")
    assert caught.value.code == "query_empty"


async def test_what_a_search_lacks_is_told(scene: Scene, request: pytest.FixtureRequest) -> None:
    """Where history could not be asked, or does not have everything yet."""
    scene.receive(message("m1", "sol"))
    state = request.node.callspec.params["scene"]
    assert (await scene.page("sol")).is_partial is (state in {"failing", "away"})


async def test_one_page_looks_at_a_bounded_number_of_messages() -> None:
    """It may be empty and go on."""
    scene = Scene(looked_at=100)
    scene.receive(message("first", "agulha", at=NOON - 1))
    for n in range(1000):
        scene.receive(message(f"m{n}", "palha", at=NOON + n, chat=(CHAT, SECOND)[n % 2]))
    pages = await scene.pages("agulha")
    assert pages == [*[[]] * 10, ["first"]]


async def test_others_get_their_turn_while_ram_is_searched() -> None:
    """A search is cut into slices."""
    scene, turns = Scene(), 0
    for n in range(2000):
        scene.receive(message(f"m{n}", "palha", at=NOON + n))

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(count())
        assert await scene.ids("agulha") == []
        counting.cancel()
    assert turns >= 9


async def test_ram_has_the_last_word_while_history_cannot_follow(tmp_path: Path) -> None:
    """Edited, deleted and new messages are found as they are; each once; pages lose none."""
    async with remembering(tmp_path) as (scene, store):
        kept = [scene.receive(message(f"m{n}", "sol", at=NOON + n // 3)) for n in range(12)]
        assert len(await scene.ids("sol")) == 12
        store.refusal = FULL
        for n in range(12, 20):
            scene.receive(message(f"m{n}", "sol", at=NOON + n // 3, chat=(CHAT, GROUP)[n % 2]))
        messages = scene.memory.messages
        messages.change(kept[5], kept[5].tail, rewrite_head(kept[5].head, text="lua"))
        messages.change(kept[6], kept[6].tail, rewrite_head(kept[6].head, text=None))
        scene.memory.messages.drop_chat(CHAT)  # what is in history only, from here on
        for n in (3, 4, 5, 6):
            scene.memory.messages.add(kept[n], NOON)
        assert await scene.ids("lua") == ["m5"]
        gone = {"m5", "m6", "m12", "m14", "m16", "m18"}  # of these RAM had the only copy
        found = [id_ for page in await scene.pages("sol", limit=2) for id_ in page]
        assert sorted(found) == sorted({f"m{n}" for n in range(20)} - gone | {"m18"})
        store.refusal = None


async def test_pages_go_on_where_history_comes_back_between_them(tmp_path: Path) -> None:
    """A page that RAM gave is followed by history's, and the other way round."""
    async with remembering(tmp_path) as (scene, store):
        expected = [f"m{n}" for n in reversed(range(20))]
        for n in range(10):
            scene.receive(message(f"m{n}", "sol", at=NOON))
        assert await scene.ids("sol") == expected[10:]
        store.refusal = FULL
        for n in range(10, 20):
            scene.receive(message(f"m{n}", "sol", at=NOON))
        first = await scene.page("sol", limit=4)
        assert first.is_partial
        store.refusal = None

        async def again() -> bool:
            return not (await scene.page("sol")).is_partial

        await eventually(again)
        second = await scene.page("sol", limit=9, below=first.next)
        assert not second.is_partial
        store.refusal = FULL
        scene.receive(message("later", "sol", at=NOON + 1))
        third = await scene.page("sol", below=second.next)
        assert third.is_partial
        assert ids(first) + ids(second) + ids(third) == expected


async def test_what_is_handed_over_a_moment_before_is_found(tmp_path: Path) -> None:
    """History is brought up to date first, and RAM is not asked."""
    async with remembering(tmp_path) as (scene, _):
        for n in range(50):
            scene.receive(message(f"m{n}", "sol"))
        page = await scene.page("sol", limit=200)
        assert len(page.results) == 50
        assert not page.is_partial


async def test_a_slow_store_does_not_hold_a_search_up(tmp_path: Path) -> None:
    """It answers from RAM after a moment."""
    async with remembering(tmp_path) as (scene, store):
        store.gate.clear()
        scene.receive(message("m1", "sol"))
        page = await scene.page("sol")
        assert ids(page) == ["m1"]
        assert page.is_partial


class _Stuck(Governed):
    """A store that takes a search and never ends it."""

    async def search(self, query: SearchQuery) -> Searched:
        """Wait until it is cancelled."""
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_search_that_history_never_ends_is_told_to_be_partial(tmp_path: Path) -> None:
    """With what RAM has."""
    async with remembering(tmp_path) as (scene, _):
        assert scene.history is not None
        stuck = Remembered(_Stuck(tmp_path), scene.history.flusher)
        patient = Scene(stuck, store_seconds=0.05)
        patient.receive(message("m1", "sol"))
        page = await patient.page("sol")
        assert ids(page) == ["m1"]
        assert page.is_partial
        assert await patient.ids("sol") == ["m1"]  # and it holds up no other


class _Hasty(Governed):
    """A store that breaks each search off when it has found one."""

    async def search(self, query: SearchQuery) -> Searched:
        """Search for one."""
        return await super().search(query._replace(limit=1))


async def test_a_search_that_breaks_off_goes_on_with_the_next_page(tmp_path: Path) -> None:
    """Nothing is missing, so it is not partial."""
    async with remembering(tmp_path) as (scene, _):
        assert scene.history is not None
        store = _Hasty(tmp_path)
        hasty = Scene(Remembered(store, scene.history.flusher))
        for n in range(5):
            hasty.receive(message(f"m{n}", "sol", at=NOON + n))
        assert await hasty.pages("sol") == [["m4"], ["m3"], ["m2"], ["m1"], ["m0"]]
        assert not (await hasty.page("sol")).is_partial
        await store.close()


async def test_too_many_searches_at_once_are_refused(tmp_path: Path) -> None:
    """Of one workspace; another's is done meanwhile."""
    async with remembering(tmp_path) as (scene, store):
        store.gate.clear()
        scene.receive(message("m1", "sol"))
        scene.receive(message("x1", "sol", chat=OTHER))
        async with asyncio.TaskGroup() as tasks:
            many = [tasks.create_task(_code(scene)) for _ in range(30)]
            await asyncio.sleep(0)
            assert await scene.ids("sol", who("rival")) == ["x1"]
            assert sum(task.done() for task in many) < 30
            store.gate.set()
        codes = [task.result() for task in many]
        assert codes.count("rate_limited") == 9
        assert codes.count("found") == 21


async def _code(scene: Scene) -> str:
    try:
        await scene.ids("sol")
    except ApiError as error:
        return error.code
    return "found"
