"""A zip that is written table by table, never in memory, and takes its name when it is whole."""

from __future__ import annotations

import asyncio
import os
import zipfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from daemon.services.people.formats import Encode, Format, csv_head, csv_rows, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Entries bear this time, so that the same data give the same bytes but for the manifest.
_DATE = (1980, 1, 1, 0, 0, 0)


class Table(NamedTuple):
    """One file of the zip: ``encode`` makes bytes of rows; ``head`` goes before them."""

    name: str
    encode: Encode
    head: bytes


def table(name: str, columns: Sequence[str], form: Format) -> Table:
    """Return a table of the format."""
    if form == "jsonl":
        return Table(f"{name}.jsonl", jsonl, b"")
    return Table(f"{name}.csv", csv_rows(columns), csv_head(columns))


class Bundle:
    """A zip that is being written; one table at a time."""

    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zip = zipped
        self.counts: dict[str, int] = {}
        self.size = 0
        """The bytes of the zip; known when it is whole."""

    async def write(self, into: Table, pages: AsyncIterator[Sequence[bytes]]) -> int:
        """Write the pages as they come; return how many rows there were."""
        count = 0
        with self._entry(into.name) as entry:
            entry.write(into.head)
            async for page in pages:
                await asyncio.to_thread(_put, entry, into.encode, page)
                count += len(page)
        self.counts[into.name] = count
        return count

    def note(self, name: str, value: dict[str, Any]) -> None:
        """Write a small JSON file."""
        with self._entry(name) as entry:
            entry.write(orjson.dumps(value, option=orjson.OPT_INDENT_2))

    @contextmanager
    def _entry(self, name: str) -> Iterator[Any]:
        info = zipfile.ZipInfo(name, _DATE)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as entry:
            yield entry


def _put(entry: Any, encode: Encode, page: Sequence[bytes]) -> None:  # noqa: ANN401 - zipfile's own
    entry.write(encode(page))


@asynccontextmanager
async def writing(target: Path) -> AsyncIterator[Bundle]:
    """Yield a bundle that becomes ``target`` (0600) at the end; nothing stays where that fails."""
    partial = partial_of(target)
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as zipped:
                bundle = Bundle(zipped)
                yield bundle
            bundle.size = stream.tell()
            stream.flush()
            await asyncio.to_thread(os.fsync, stream.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def partial_of(target: Path) -> Path:
    """Return where the bundle is while it is written."""
    return target.with_name(f"{target.name}.partial")
