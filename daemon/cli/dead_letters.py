"""``zapd supabase letters|retry|forget``: what Supabase refused for good, and what to do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.cli.texts import CommandError, note, out, table
from daemon.storage.outbox import DeadLetter, Outbox
from sessions.models import iso

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from daemon.cli.admin import Desk

PAGE = 500
_HEAD = ("ID", "WORKSPACE", "KIND", "KEY", "REFUSED", "CODE", "REASON")


async def _letters(desk: Desk, args: argparse.Namespace) -> None:
    rows = [
        (
            str(letter.id),
            letter.workspace,
            letter.kind,
            _line(letter.key),
            iso(letter.buried_at),
            letter.code,
            _line(letter.reason),
        )
        for letter in await _all(_outbox(desk), args.workspace)
    ]
    out(table(_HEAD, rows))


async def _retry(desk: Desk, args: argparse.Namespace) -> None:
    outbox = _outbox(desk)
    ids = [letter.id for letter in await _all(outbox, None)] if args.all else args.ids
    if not ids and not args.all:
        raise CommandError(
            "Name the letters by their ids, or say --all. See: zapd supabase letters"
        )
    revived = await outbox.retry(ids)
    if not revived and ids:
        raise CommandError("There is no letter of those ids. See: zapd supabase letters")
    note(f"{revived} wait to be sent again; a running daemon does so within half a minute")


async def _forget(desk: Desk, args: argparse.Namespace) -> None:
    if not await _outbox(desk).drop(args.ids):
        raise CommandError("There is no letter of those ids. See: zapd supabase letters")
    note("forgotten: those changes stay here and never reach Supabase")


async def _all(outbox: Outbox, workspace: str | None) -> list[DeadLetter]:
    found: list[DeadLetter] = []
    while page := await outbox.letters(workspace, limit=PAGE, after=found[-1].id if found else 0):
        found += page
    return found


def _outbox(desk: Desk) -> Outbox:
    return Outbox(desk.database, desk.clock)


def _line(text: str) -> str:
    """Return the text on one line: Supabase's words may hold anything."""
    return "".join(character if character.isprintable() else " " for character in text)[:200]


COMMANDS: dict[str, Callable[[Desk, argparse.Namespace], Awaitable[None]]] = {
    "supabase letters": _letters,
    "supabase retry": _retry,
    "supabase forget": _forget,
}
