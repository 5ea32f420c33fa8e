"""The daemon as ``history`` measures it: streams that are told events while history is flushed.

``python -m tests.bench.history_server DATA_DIR PER_SECOND`` prints ``{"port", "key"}`` and publishes
so many events a second, then obeys lines on stdin: ``calm SECONDS`` does nothing else; ``flush
COUNT`` hands so many messages to a history beside it and waits until all are in the file. Each is
answered by ``{"seconds", "stall_ms", "own_ms", "late_ms", "written"}``: the loop's longest stall, the
longest beside waiting for a core, and by how much the events were late. It ends with its stdin.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from time import perf_counter

import uvloop

from daemon import app, logs
from daemon.auth.api_keys import new_key
from daemon.auth.scopes import Scope
from daemon.config import Settings
from daemon.history.history import History
from daemon.history.models import StoredMessage
from daemon.notify import Notifier
from daemon.runtime import Runtime, Surroundings
from daemon.storage.keys import KeyStore
from daemon.storage.workspaces import DEFAULT
from sessions.ids import SessionKey
from sessions.ports import Published
from tests.bench.marks import mark
from tests.bench.past import Past

CHAT = "main:5511999990000@s.whatsapp.net"
TICK = 0.001
AT_ONCE = 60  # messages a tick: more than the disk takes, and many times what the engine can bring
STREAMS = 10_000


class Pulse:
    """A task that wants a turn each millisecond, and how long it had to wait for one.

    ``worst`` is all of a wait; ``worst_own`` is a wait without the time in which the system had
    no core for the loop's thread: what is left is the interpreter's lock, and the loop's own work.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.worst = self.worst_own = 0.0

    async def run(self) -> None:
        """Tick until cancelled."""
        schedule = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        waited = _waited(schedule)
        while True:
            due = perf_counter() + TICK
            await asyncio.sleep(TICK)
            late = perf_counter() - due
            before, waited = waited, _waited(schedule)
            self.worst = max(self.worst, late)
            self.worst_own = max(self.worst_own, late - (waited - before))


def _waited(schedule: int) -> float:
    """Return for how long (s) this thread was ready to run and had no core."""
    return int(os.pread(schedule, 100, 0).split()[1]) / 1e9


class Bench:
    """What is done on demand."""

    def __init__(self, runtime: Runtime, history: History, per_second: int) -> None:
        """Publish to the runtime's hub, hand over to the history."""
        self._hub = runtime.hub
        self._history = history
        self._gap = 1 / per_second
        self._past = Past(1)
        self.pulse = Pulse()
        self.late = 0.0

    async def publish(self) -> None:
        """Publish at the rate until cancelled."""
        begun = perf_counter()
        for number in count():
            due = begun + number * self._gap
            await asyncio.sleep(due - perf_counter())
            self.late = max(self.late, perf_counter() - due)
            data = json.dumps({"text": mark(0, number % 10_000_000)}).encode()
            self._hub.publish(Published(DEFAULT, "new_message", "main", CHAT, 0, "live", data))

    async def calm(self, seconds: float) -> None:
        """Do nothing else."""
        await asyncio.sleep(seconds)

    async def flush(self, messages: list[StoredMessage]) -> None:
        """Hand the messages over, as fast as the backlog takes them."""
        flusher, key = self._history.flusher, SessionKey("acme", "main")
        for start in range(0, len(messages), AT_ONCE):
            for message in messages[start : start + AT_ONCE]:
                nbytes = len(message.head)
                flusher.message(message.chat, message.id, partial(_itself, message), nbytes)
            flusher.mark(key, start)
            await asyncio.sleep(TICK)
            while flusher.health().backlog > BACKLOG:
                await asyncio.sleep(TICK)
        await flusher.flush()

    async def do(self, what: str, number: float) -> dict[str, float]:
        """Do what was asked, and tell how the loop fared."""
        messages = list(self._past.messages(int(number))) if what == "flush" else []
        gc.collect()
        gc.freeze()  # what was made up is the benchmark's, and no work for the daemon's collector
        await asyncio.sleep(1.0)
        before = self._history.health().written
        self.pulse.worst = self.pulse.worst_own = self.late = 0.0
        begun = perf_counter()
        await (self.flush(messages) if what == "flush" else self.calm(number))
        seconds = perf_counter() - begun
        health = self._history.health()
        if health.lost or health.spilled or health.state != "ok":
            raise SystemExit(f"the history could not follow: {health}")
        return {
            "seconds": seconds,
            "stall_ms": self.pulse.worst * 1000,
            "own_ms": self.pulse.worst_own * 1000,
            "late_ms": self.late * 1000,
            "written": health.written - before,
        }


BACKLOG = 30_000  # records: a sender that is faster than the disk, held at what RAM may hold


def _itself(message: StoredMessage) -> StoredMessage:
    return message


async def _obey(runtime: Runtime, port: int, is_up: asyncio.Event, rate: int) -> None:
    """Do what stdin says, until it ends."""
    key, row = new_key(DEFAULT, frozenset({Scope.READ}), now=runtime.clock.now_ms())
    await KeyStore(runtime.database).add(row)
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    await is_up.wait()
    data = runtime.settings.data_dir / "history"
    settings = Settings.from_env({"ZAPD_DATA_DIR": str(data)})
    history = await History.open(settings, runtime.clock, lambda _key, _mark: None)
    bench = Bench(runtime, history, rate)
    _say({"port": port, "key": key})
    async with history.running(), asyncio.TaskGroup() as tasks:
        around = [tasks.create_task(bench.pulse.run()), tasks.create_task(bench.publish())]
        while line := await lines.readline():
            what, number = line.decode().split()
            _say(await bench.do(what, float(number)))
        for task in around:
            task.cancel()
    await history.close()
    os.kill(os.getpid(), signal.SIGTERM)


def _say(answer: object) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201 - this is its answer


async def _serve(settings: Settings, rate: int) -> None:
    """Serve as ``daemon.app`` does; the one thing more is who publishes and hands over."""
    runtime = await Runtime.open(settings, Surroundings(os.environ, app.WORKER_COMMAND))
    try:
        with app._listen(settings) as listener:  # noqa: SLF001 - the daemon's own, not one like it
            port: int = listener.getsockname()[1]
            server = app._server(runtime)  # noqa: SLF001 - the same
            base = settings.base_url(port)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_obey(runtime, port, server.up, rate))
                await app._live(runtime, server, listener, base, Notifier(None))  # noqa: SLF001 - the same
    finally:
        await runtime.close()


def main(data_dir: str, rate: str) -> None:
    """Serve until stdin ends."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    most = str(STREAMS)
    limits = {"ZAPD_STREAMS_PER_CREDENTIAL": most, "ZAPD_RATE_LIMIT": most, "ZAPD_RATE_BURST": most}
    limits["ZAPD_HISTORY"] = "off"  # the one that is measured is beside it
    settings = Settings.from_env(limits, {"port": "0", "data_dir": data_dir})
    logs.setup("warning", settings.log_format)
    Path(data_dir).mkdir(mode=0o700, exist_ok=True)
    with suppress(KeyboardInterrupt):
        uvloop.run(_serve(settings, int(rate)))


if __name__ == "__main__":
    main(*sys.argv[1:])
