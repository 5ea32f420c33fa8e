"""The string table of binary nodes: common words are sent as one or two bytes.

The table is not in git: `setup.sh` takes it from the npm package @whiskeysockets/baileys (MIT).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DEFAULT_PATH = Path(__file__).parents[2] / ".cache" / "loopback" / "dictionary.json"


@dataclass(frozen=True, slots=True)
class Dictionary:
    """The table, version 3: `single` words by token, `double` words by page and index."""

    single: tuple[str, ...]
    double: tuple[tuple[str, ...], ...]


@cache
def load(path: Path = DEFAULT_PATH) -> Dictionary:
    """Reads the table, once a process.

    Raises:
        FileNotFoundError: if it was not produced yet; the message says how.
    """
    if not path.exists():
        msg = f"{path} is missing: run tests/loopback/setup.sh once (it needs node and npm)"
        raise FileNotFoundError(msg)
    table = json.loads(path.read_text(encoding="utf-8"))
    return Dictionary(tuple(table["single"]), tuple(tuple(page) for page in table["double"]))
