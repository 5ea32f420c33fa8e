"""The SQL that makes a Supabase project ready, in Supabase's own layout and order."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple


class Migration(NamedTuple):
    """A file of ``supabase/migrations``: ``<14 digits>_<name>.sql``."""

    name: str
    sql: str

    @property
    def version(self) -> str:
        """Return the digits, by which Supabase knows it."""
        return self.name.partition("_")[0]


def migrations() -> list[Migration]:
    """Return all migrations, oldest first."""
    found = (item for item in files(__name__).iterdir() if item.name.endswith(".sql"))
    return [Migration(item.name, item.read_text("utf-8")) for item in sorted(found, key=_name)]


def _name(item: object) -> str:
    return str(getattr(item, "name", ""))
