"""Erases in a Supabase project what metadata it has of a person, or says that it cannot now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.metadata.trouble import Trouble
from daemon.services.jobs import TryLater

if TYPE_CHECKING:
    from daemon.metadata.supabase_link import SupabaseLink
    from daemon.services.people.erasures import Elsewhere
    from sessions.ids import SessionKey

PAUSE = 60.0  # seconds before a project that refuses or does not answer is asked again


def in_project(link: SupabaseLink) -> Elsewhere:
    """Return what erases there; it raises ``TryLater`` with a sentence for people."""

    async def erase(key: SessionKey, jids: frozenset[str]) -> dict[str, int]:
        try:
            return await link.erase(key, jids)
        except Trouble as trouble:
            told = f"Supabase: {trouble.sentence} {trouble.user_action or ''}".rstrip()
            raise TryLater(told, PAUSE) from trouble

    return erase
