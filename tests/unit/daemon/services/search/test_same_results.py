"""The same messages are found by RAM and by the index, whatever was written and is looked for."""

from __future__ import annotations

import asyncio
import tempfile
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st

from daemon.errors import ApiError
from daemon.history.models import Health
from daemon.history.sqlite import SqliteHistory
from daemon.services.search import Remembered
from sessions.ids import ChatRef
from tests.unit.daemon.history.samples import BOB, CHAT, NOON, message
from tests.unit.daemon.services.search.scene import Scene, ids

_SAID = """
não nao NÃO você voce às as à reunião reuniao reuniões amanhã manhã orçamento preço coração
ação acao açaí pão pao avô avó vovô já lá é e o a the meeting meet meets tomorrow don't it's
I'm café cafe naïve résumé co-op e-mail 10h 12,50 R$ 1º 2ª ½ m² ok OK kkk haha ß straße
Na\u0303o ana.silva@example.com https://example.com/a?b=1 foo_bar 👍 👍🏽 🥰 dia🥰 🤔ok ❤️ …
"""
_WORDS = _SAID.split()
_GLUE = (
    " ",
    " ",
    " ",
    "\n",
    ", ",
    ". ",
    "! ",
    "-",
    "/",
    "",
    "🥰",
    "\u200b",
    "\u00a0",
    "\x02",
    "\x00",
)
_ODD = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_PIECE = st.one_of(st.sampled_from(_WORDS), st.sampled_from(_WORDS), st.sampled_from(_WORDS), _ODD)


class _Written:
    """A flusher that has written everything."""

    async def flush(self) -> None:
        """Return."""

    def health(self) -> Health:
        """Return that all is well."""
        return Health("ok")


@st.composite
def _texts(draw: st.DrawFn) -> str:
    pieces = draw(st.lists(st.tuples(_PIECE, st.sampled_from(_GLUE)), max_size=8))
    return "".join(piece + glue for piece, glue in pieces)


@st.composite
def _queries(draw: st.DrawFn, texts: Sequence[str]) -> str:
    """Return some words of the texts, as a person may type them, or others."""
    said = [word for text in texts for word in text.split()] or _WORDS
    words = draw(st.lists(st.one_of(st.sampled_from(said), _PIECE), min_size=1, max_size=3))
    last = words[-1]
    words[-1] = last[: draw(st.integers(1, max(1, len(last))))]
    changes: list[Callable[[str], str]] = [str, str.upper, str.lower, _bare]
    changed = draw(st.sampled_from(changes))
    return " ".join(changed(word) for word in words)


def _bare(word: str) -> str:
    parts = unicodedata.normalize("NFD", word)
    return "".join(c for c in parts if not unicodedata.combining(c))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_ram_and_index_find_the_same(data: st.DataObject) -> None:
    """Of Portuguese and English, with what people type between words, and of any characters."""
    texts = data.draw(st.lists(_texts(), min_size=1, max_size=12))
    queries = data.draw(st.lists(_queries(texts), min_size=1, max_size=12))
    asyncio.run(_compare(texts, queries))


async def _compare(texts: Sequence[str], queries: Sequence[str]) -> None:
    chats = (CHAT, ChatRef("acme", "second", BOB))
    messages = [
        message(f"m{n}", text, at=NOON + n // 3, chat=chats[n % 2]) for n, text in enumerate(texts)
    ]
    scene = Scene()
    for each in messages:
        scene.hold(each)
    with tempfile.TemporaryDirectory() as folder:
        store = await SqliteHistory.open(Path(folder))
        try:
            await store.write(messages)
            kept = Scene(Remembered(store, _Written()))
            for query in queries:
                assert await _found(scene, query) == await _found(kept, query), query
        finally:
            await store.close()


async def _found(scene: Scene, query: str) -> list[list[Any]] | str:
    """Return what is found at once, and in pages (RAM's last one may be empty), and snippets."""
    try:
        pages = await scene.pages(query, limit=2)
        whole = await scene.page(query, limit=200)
        snippets = [result.snippet for result in whole.results]
        assert all(snippet.marks for snippet in snippets), query
        return [ids(whole), [id_ for page in pages for id_ in page], snippets]
    except ApiError as error:
        return error.code
