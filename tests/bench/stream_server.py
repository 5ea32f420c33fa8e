"""The daemon as ``stream`` measures it: all of it, with a hand on its hub.

``python -m tests.bench.stream_server DATA_DIR`` prints ``{"port", "key"}``, then obeys lines on
stdin: ``burst SECONDS`` publishes one event, waits until every stream was handed it and its
socket took it, and again; ``steady SECONDS RATE`` publishes so many events a second. Each is
answered by ``{"published", "cpu"}``: events, and seconds of this process's CPU. It ends with its
stdin. Each tenth event is followed by one that no stream's filter admits; it must not arrive.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from time import monotonic_ns, process_time

import uvloop

from daemon import app, logs
from daemon.auth.api_keys import new_key
from daemon.auth.scopes import Scope
from daemon.config import Settings
from daemon.notify import Notifier
from daemon.runtime import Runtime, Surroundings
from daemon.storage.keys import KeyStore
from daemon.storage.workspaces import DEFAULT
from sessions.ports import Published

CHAT = "main:5511999990000@s.whatsapp.net"
EVENT_BYTES = 400
STREAMS = 10_000  # no limit of ours is to be met
UNWANTED_EVERY = 10
LATE_NS = 2_000_000  # the system's timers may be so late without being to blame


class Publisher:
    """Publishes into the hub, as the inbox does, events whose data is JSON already."""

    def __init__(self, runtime: Runtime) -> None:
        """Publish to the runtime's hub."""
        self._hub = runtime.hub
        self._published = 0
        self._text = b"x" * (EVENT_BYTES - self._envelope_bytes())

    def _envelope_bytes(self) -> int:
        """Return what an event without text weighs, with its id of eight characters and a digit."""
        head = {"id": "e1a2b3c4-1", "type": "new_message", "workspace": DEFAULT, "session": "main"}
        whole = head | {"chat": CHAT, "at": "2026-01-01T00:00:00.000Z", "source": "live"}
        data = {"ts": "0" * 20, "text": ""}
        return len(json.dumps({**whole, "data": data}, separators=(",", ":")))

    def publish(self, ts: int) -> None:
        """Publish an event that says it is of ``ts`` (nanoseconds, monotonic)."""
        data = b'{"ts":"%020d","text":"%b"}' % (ts, self._text)
        self._published += 1
        self._hub.publish(Published(DEFAULT, "new_message", "main", CHAT, 0, "live", data))
        if self._published % UNWANTED_EVERY == 0:
            self._hub.publish(Published(DEFAULT, "presence", "main", None, 0, "live", data))

    def idle(self) -> bool:
        """Tell whether all streams wait for more: none is owed anything, no socket is full."""
        groups = self._hub._channels[DEFAULT]._groups.values()  # noqa: SLF001 - counts at no cost
        return all(g.due is None and len(g.readers) == g.members for g in groups)

    async def burst(self, seconds: float) -> int:
        """Publish as fast as it is taken."""
        end, count = monotonic_ns() + seconds * 1e9, 0
        while monotonic_ns() < end:
            self.publish(monotonic_ns())
            count += 1
            while not self.idle():
                await asyncio.sleep(0)
        return count

    async def steady(self, seconds: float, rate: float) -> int:
        """Publish at a rate; what is late began to be late when it was due."""
        begun, count = monotonic_ns(), round(seconds * rate)
        for number in range(count):
            due = begun + round(number * 1e9 / rate)
            await asyncio.sleep((due - monotonic_ns()) / 1e9)
            now = monotonic_ns()
            self.publish(due if now - due > LATE_NS else now)
        return count


async def _obey(runtime: Runtime, port: int, is_up: asyncio.Event) -> None:
    """Do what stdin says, until it ends."""
    key, row = new_key(DEFAULT, frozenset({Scope.READ}), now=runtime.clock.now_ms())
    await KeyStore(runtime.database).add(row)
    publisher = Publisher(runtime)
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    await is_up.wait()
    _say({"port": port, "key": key})
    while line := await lines.readline():
        what, *numbers = line.decode().split()
        before = process_time()
        method = publisher.burst if what == "burst" else publisher.steady
        published = await method(*map(float, numbers))
        _say({"published": published, "cpu": process_time() - before})
    os.kill(os.getpid(), signal.SIGTERM)


def _say(answer: object) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201 - this is its answer


async def _serve(settings: Settings) -> None:
    """Serve as ``daemon.app`` does; the one thing more is who publishes."""
    runtime = await Runtime.open(settings, Surroundings(os.environ, app.WORKER_COMMAND))
    try:
        with app._listen(settings) as listener:  # noqa: SLF001 - the daemon's own, not one like it
            port: int = listener.getsockname()[1]
            server = app._server(runtime)  # noqa: SLF001 - the same
            base = settings.base_url(port)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_obey(runtime, port, server.up))
                await app._live(runtime, server, listener, base, Notifier(None))  # noqa: SLF001 - the same
    finally:
        await runtime.close()


def main(data_dir: str) -> None:
    """Serve until stdin ends."""
    most = str(STREAMS)
    limits = {"ZAPD_STREAMS_PER_CREDENTIAL": most, "ZAPD_RATE_LIMIT": most, "ZAPD_RATE_BURST": most}
    settings = Settings.from_env(limits, {"port": "0", "data_dir": data_dir})
    logs.setup("warning", settings.log_format)
    uvloop.run(_serve(settings))


if __name__ == "__main__":
    main(sys.argv[1])
