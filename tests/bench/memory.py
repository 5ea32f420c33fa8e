"""What a cached message weighs beside its own JSON, all indexes in.

A fresh process receives messages as the daemon does: worker frames decoded, then through the
inbox into the caches, into their windows, the chat list and the indexes by id and by WhatsApp's
id (a third are the account's own). What its anonymous resident memory grew by, as the system
counts it, is divided by the JSON that a client reads of those messages. Nothing is traced.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import NamedTuple

from tests.bench.figures import Figure, Report, at_most, ratio


class Weight(NamedTuple):
    """What one process found, in bytes a message."""

    resident: float  # by the system's books
    accounted: float  # by ours, which the budget is held with
    payload: float


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--chats", type=int, default=2000)
    parser.add_argument("--text", type=int, default=80, help="characters of a message")
    parser.add_argument("--rounds", type=int, default=3)


def run(options: argparse.Namespace) -> Report:
    """Measure, each round in a process of its own."""
    weights = [_weigh(options) for _ in range(options.rounds)]
    resident = Figure("resident", [w.resident for w in weights], "bytes a message")
    accounted = Figure("accounted", [w.accounted for w in weights], "bytes a message")
    payload = Figure("payload", [w.payload for w in weights], "bytes a message")
    figures = [
        resident,
        accounted,
        payload,
        ratio("resident ÷ payload", resident, payload, at_most(1.8)),
        ratio("accounted ÷ resident", accounted, resident),
    ]
    title = f"{options.messages:,} cached messages in {options.chats:,} chats"
    return Report(title, figures)


def _weigh(options: argparse.Namespace) -> Weight:
    sizes = (options.messages, options.chats, options.text)
    command = [sys.executable, "-m", "tests.bench.memory_child", *map(str, sizes)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return Weight(*json.loads(done.stdout))
