"""What the tests of the contract ask of a store, in short."""

from __future__ import annotations

from typing import Any

from daemon.history.models import SearchQuery
from daemon.history.port import HistoryStore
from sessions.ids import ChatRef
from tests.unit.daemon.history.samples import ANNA, CHAT

LID = ChatRef("acme", "main", "200000000000001@lid")
OTHER = ChatRef("rival", "main", ANNA)
GROUP = ChatRef("acme", "main", "120363000000000001@g.us")


async def ids(store: HistoryStore, chat: ChatRef = CHAT) -> list[str]:
    """Return the ids of a chat, newest first."""
    return [message.id for _, message in await store.before(chat, None, 100_000)]


async def search(store: HistoryStore, *words: str, **more: Any) -> list[str]:  # noqa: ANN401 - a query's own fields
    """Return the ids that a search in acme finds."""
    query = SearchQuery(workspace="acme", words=words, **more)
    return [found.message.id for found in (await store.search(query)).found]
