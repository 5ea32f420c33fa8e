"""How commands speak, and how they fail."""

from __future__ import annotations

import sys
from collections.abc import Sequence

OK, FAILED, USAGE, CONFIG = 0, 1, 2, 78


class CommandError(Exception):
    """A command cannot do what it was asked; the sentence is for a person."""


def out(text: str) -> None:
    """Print what another program may read."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """Print what a person should know."""
    sys.stderr.write(f"zapd: {text}\n")


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows under their heads, in columns."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
