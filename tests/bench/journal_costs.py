"""Times appending and decoding one raw message: ``python -m tests.bench.journal_costs FILE``.

A process of its own, since decoding loads the core. Interleaved rounds, medians; prints JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sessions.provider.neonize import codes
from sessions.provider.neonize.decode import Decoder
from sessions.provider.neonize.journal_file import Journal

ROUNDS, TURNS = 9, 2000
CONFIRMED_AFTER = 300  # appends: as many as come within a confirmation's pause


def main() -> None:
    """Measure and print."""
    data = Path(sys.argv[1]).read_bytes()
    decoder = Decoder("s1")
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(folder)

        def append() -> None:
            for turn in range(TURNS):
                mark = journal.append(codes.MESSAGE, data)
                if turn % CONFIRMED_AFTER == 0:
                    journal.confirm(mark)

        def decode() -> None:
            for _ in range(TURNS):
                list(decoder.decode(codes.MESSAGE, data))

        appends, decodings = zip(*((_us(append), _us(decode)) for _ in range(ROUNDS)), strict=True)
    figures = {
        "bytes": len(data),
        "append_us": statistics.median(appends),
        "decode_us": statistics.median(decodings),
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def _us(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) / TURNS * 1e6


if __name__ == "__main__":
    main()
