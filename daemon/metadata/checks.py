"""What a write here is held to. What others wrote elsewhere is taken as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.metadata.ids import is_uuid
from daemon.metadata.models import AnyRow, Assignment, ChatTag, Member, Note, QuickReply, Tag
from daemon.metadata.port import Refused, VersionConflict

if TYPE_CHECKING:
    from daemon.metadata.unit import Unit

_TAG_NAMES = "SELECT id, name FROM tags WHERE workspace = ? AND deleted_at IS NULL"
_SHORTCUTS = (
    "SELECT id, shortcut AS name FROM quick_replies "
    "WHERE workspace = ? AND deleted_at IS NULL AND owner IS ?"
)


def check_version(stored: AnyRow | None, expected: int | None) -> None:
    """Raise ``VersionConflict`` where the writer expected another row than there is."""
    if expected is None:
        return
    living = stored if stored is not None and stored.live else None
    if (living.version if living else 0) != expected:
        raise VersionConflict(living)


async def check_references(
    unit: Unit, row: AnyRow, stored: AnyRow | None, *, members_only: bool
) -> None:
    """Raise ``Refused`` for a name in use, a tag that is not there, somebody who is no member."""
    if isinstance(row, Tag):
        if not _same(row, stored):
            found = await unit.fetch(_TAG_NAMES, (row.workspace,))
            _check_name(row.id, row.name, found, "tag of that name")
    elif isinstance(row, QuickReply):
        if not _same(row, stored):
            found = await unit.fetch(_SHORTCUTS, (row.workspace, row.owner))
            _check_name(row.id, row.shortcut, found, "quick reply with that shortcut")
    elif isinstance(row, ChatTag):
        tag = await unit.load(Tag, row.workspace, (row.tag,))
        if tag is None or not tag.live:
            raise Refused("unknown_tag", "The workspace has no such tag.")
    if members_only:
        await check_member(unit, row)


async def check_member(unit: Unit, row: AnyRow) -> None:
    """Raise ``Refused`` where the row names somebody who is no member of the workspace.

    A note's author may be a gateway's key: only who has a user's id must be a member.
    """
    user = None
    if isinstance(row, Assignment):
        user = row.assignee
    elif isinstance(row, QuickReply):
        user = row.owner
    elif isinstance(row, Note) and is_uuid(row.author):
        user = row.author
    if user is None:
        return
    member = await unit.load(Member, row.workspace, (user,))
    if member is None or not member.live:
        raise Refused("unknown_member", "The workspace has no such member.")


def _same(row: Tag | QuickReply, stored: AnyRow | None) -> bool:
    """Tell whether a row keeps the name it has: others may have given it to two rows elsewhere."""
    if stored is None or not stored.live:
        return False
    if isinstance(row, Tag) and isinstance(stored, Tag):
        return row.name == stored.name
    return (
        isinstance(row, QuickReply)
        and isinstance(stored, QuickReply)
        and (row.shortcut, row.owner) == (stored.shortcut, stored.owner)
    )


def _check_name(own: str, name: str, found: list[dict[str, str]], what: str) -> None:
    taken = {row["name"].casefold() for row in found if row["id"] != own}
    if name.casefold() in taken:
        raise Refused("name_taken", f"The workspace has a {what} already.")
