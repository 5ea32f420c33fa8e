"""Where ``zapd backup`` wrote, and when: an erasure names them, for they hold what it erased."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from daemon.storage.database import Database

_NOTE = (
    "INSERT INTO backups(file, made_at) VALUES(?, ?) "
    "ON CONFLICT(file) DO UPDATE SET made_at = excluded.made_at"
)


class Backup(NamedTuple):
    """A backup that was made. Whether it is still there, nobody here knows."""

    file: str
    made_at: int


async def note_backup(database: Database, file: str, made_at: int) -> None:
    """Remember a backup; one that was written over is the new one."""
    await database.execute(_NOTE, (file, made_at))


async def backups(database: Database) -> list[Backup]:
    """Return the backups that were made, oldest first."""
    rows = await database.all("SELECT file, made_at FROM backups ORDER BY made_at, file")
    return [Backup(row["file"], row["made_at"]) for row in rows]
