"""What is written from the table: the environment file, the reference, the check."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from daemon.config.settings import ROWS, Settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from daemon.config.row import Row

_ENV_HEAD = """\
# zapd: its settings, as an environment file (systemd: EnvironmentFile=/etc/zapd/zapd.env).
# Printed by `zapd env-example`. Each line shows the default; take off the # to change it.
# The file may hold a secret: chmod 600. `zapd check-config` tells what is wrong with it.
"""
_REFERENCE_HEAD = """\
# Settings

Each is an environment variable; those marked are also options of `zapd serve`. An unknown
`ZAPD_*` variable is an error at start. Sizes are bytes or `64KiB`, `512MiB`, `6GiB`; times
are seconds or `500ms`, `10m`, `24h`. This page is printed by `zapd env-example --markdown`.
"""
#: The settings that are also options of `zapd serve`.
OPTIONS = ("host", "port", "data_dir")


def env_example() -> str:
    """Return ``systemd/zapd.env.example``."""
    return _ENV_HEAD + "".join(
        f"\n# ── {group} ──\n" + "".join(_env_row(row) for row in rows) for group, rows in _groups()
    )


def reference() -> str:
    """Return ``daemon/docs/settings.md``."""
    return _REFERENCE_HEAD + "".join(
        f"\n## {group}\n\n| variable | default | |\n| --- | --- | --- |\n"
        + "".join(_reference_row(row) for row in rows)
        for group, rows in _groups()
    )


def check(settings: Settings, given: Collection[str]) -> str:
    """Return every setting with its value; those not ``given`` are marked, secrets stay hidden."""
    lines = [
        f"{row.variable} = {row.kind.show(getattr(settings, row.name)) or '(none)'}"
        f"{'' if row.variable in given else '   # default'}\n"
        for row in ROWS
    ]
    return "".join(lines)


def _groups() -> Iterator[tuple[str, list[Row]]]:
    for group, rows in groupby(ROWS, key=lambda row: row.group):
        yield group, list(rows)


def _env_row(row: Row) -> str:
    return f"\n# {row.sentence}\n# ({row.kind.hint})\n#{row.variable}={row.default}\n"


def _reference_row(row: Row) -> str:
    option = f" Option `--{row.name.replace('_', '-')}`." if row.name in OPTIONS else ""
    default = f"`{row.default}`" if row.default else "none"
    return f"| `{row.variable}` | {default} | {row.sentence} ({row.kind.hint}){option} |\n"
