"""How fast one event reaches many SSE streams: ours beside a naive one and a bare loop.

The server has one core, the client another. Each delivery is counted where it arrives.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.bench import cores
from tests.bench.figures import Figure, Report, ratio

VARIANTS = {
    "naive": "queue and encoding a client, EventSourceResponse",
    "kept": "our hub, EventSourceResponse's own loop",
    "zapd": "ours",
    "bare": "hand-written ASGI loop, no bounds, no filters",
}


class Sample(NamedTuple):
    """One run: deliveries a second, microseconds of CPU a delivery, bytes of memory a stream."""

    rate: float
    cpu_us: float
    memory: float


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("-n", "--streams", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.8, help="of each measurement")
    parser.add_argument("--variant", action="append", choices=list(VARIANTS))


def run(options: argparse.Namespace) -> Report:
    """Measure in turns."""
    names = options.variant or list(VARIANTS)
    samples: dict[tuple[str, int], list[Sample]] = {}
    with cores.on(cores.LOAD):
        for _ in range(options.rounds):
            for name in names:
                for burst, sample in _measure(name, options).items():
                    samples.setdefault((name, burst), []).append(sample)
    return _report(names, samples, options.streams)


def _measure(name: str, options: argparse.Namespace) -> dict[int, Sample]:
    with _server(name) as port:
        before, _ = _numbers(port, "/rss")
        client = Client(port, options.streams)
        try:
            client.wait_for_streams()
            memory = (_numbers(port, "/rss")[0] - before) / options.streams
            return {burst: client.measure(options.seconds, burst, memory) for burst in (1, 8)}
        finally:
            client.close()


@contextmanager
def _server(name: str) -> Iterator[int]:
    command = [sys.executable, "-m", "tests.bench.fanout_server", name]
    with cores.on(cores.MEASURED):
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        yield int(child.stdout.readline())
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _request(port: int, target: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return connection


def _numbers(port: int, target: str) -> list[float]:
    with _request(port, target) as connection, connection.makefile("rb") as response:
        return _answer(response.read())


def _answer(response: bytes) -> list[float]:
    return [float(word) for word in response.partition(b"\r\n\r\n")[2].split()]


class Client:
    """Many streams, read by one epoll."""

    def __init__(self, port: int, streams: int) -> None:
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._streams = [_request(port, "/events") for _ in range(streams)]
        self.received = 0
        for stream in self._streams:
            stream.setblocking(False)
            self._selector.register(stream, selectors.EVENT_READ)

    def wait_for_streams(self) -> None:
        """Return when the server counts all."""
        while _numbers(self._port, "/rss")[1] < len(self._streams):
            self._read(0.01)

    def _read(self, seconds: float) -> bytes | None:
        """Count what is there; return what the control connection got, None at its end."""
        control: bytes | None = b""
        for key, _ in self._selector.select(seconds):
            assert isinstance(key.fileobj, socket.socket)
            chunk = key.fileobj.recv(1 << 18)
            if key.data:
                control = chunk or None
            else:
                self.received += chunk.count(b"~")
        return control

    def measure(self, seconds: float, burst: int, memory: float) -> Sample:
        """Let the server publish for so long, and see that all arrived."""
        self.received, answer = 0, b""
        with _request(self._port, f"/go?seconds={seconds}&burst={burst}") as control:
            self._selector.register(control, selectors.EVENT_READ, "control")
            while (chunk := self._read(1.0)) is not None:
                answer += chunk
            self._selector.unregister(control)
        deliveries, took, cpu = _answer(answer)
        deadline = time.monotonic() + 5
        while self.received < deliveries and time.monotonic() < deadline:
            self._read(0.1)
        if self.received != deliveries:
            raise SystemExit(f"{deliveries:.0f} were sent, {self.received} arrived")
        return Sample(deliveries / took, cpu / deliveries * 1e6, memory)

    def close(self) -> None:
        """Hang up."""
        self._selector.close()
        for stream in self._streams:
            stream.close()


def _report(names: list[str], samples: dict[tuple[str, int], list[Sample]], streams: int) -> Report:
    reference = "naive" if "naive" in names else names[0]
    figures: list[Figure] = []
    for burst, what in ((1, "one event a write"), (8, "8 events a burst")):
        rates = {
            name: Figure(f"{name}, {what}", [sample.rate for sample in samples[name, burst]], "/s")
            for name in names
        }
        for name, rate in rates.items():
            figures += [rate, ratio(f"{name} ÷ {reference}, {what}", rate, rates[reference])]
    for name in names:
        ones = samples[name, 1]
        figures.append(Figure(f"{name}, CPU a delivery", [one.cpu_us for one in ones], "µs"))
        figures.append(Figure(f"{name}, a stream", [one.memory / 1024 for one in ones], "KB"))
    notes = [f"{name}: {VARIANTS[name]}" for name in names]
    return Report(f"SSE fan-out, {streams} streams, deliveries a second", figures, notes)
