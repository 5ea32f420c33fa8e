"""How fast one event reaches many SSE streams: ours beside a naive one and a bare loop.

The server has one core, the client another. Each delivery is counted where it arrives.
"""

from __future__ import annotations

import argparse
import os
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

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


def run(options: argparse.Namespace) -> None:
    """Measure in turns and print the table."""
    names = options.variant or list(VARIANTS)
    samples: dict[tuple[str, int], list[Sample]] = {}
    for _ in range(options.rounds):
        for name in names:
            for burst, sample in _measure(name, options).items():
                samples.setdefault((name, burst), []).append(sample)
    _print(names, samples, options.streams)


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
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.fanout_server", name], stdout=subprocess.PIPE
    )
    try:
        _pin(child.pid, 0)
        _pin(0, 1)
        assert child.stdout is not None
        yield int(child.stdout.readline())
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _pin(pid: int, core: int) -> None:
    cores = sorted(os.sched_getaffinity(0) if pid else range(os.cpu_count() or 1))
    with suppress(OSError):  # a box with one core measures both on it
        os.sched_setaffinity(pid, {cores[core % len(cores)]})


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


def _print(names: list[str], samples: dict[tuple[str, int], list[Sample]], streams: int) -> None:
    def median(name: str, burst: int, field: int) -> float:
        return statistics.median(sample[field] for sample in samples[name, burst])

    reference = "naive" if "naive" in names else names[0]
    lines = [
        f"SSE fan-out, {streams} streams, medians; deliveries/s as a ratio to {reference}.",
        "",
    ]
    lines += [
        "| | one event a write | 8 events a burst | us CPU (one) | KB a stream |",
        "|---|---|---|---|---|",
    ]
    for name in names:
        cells = [
            f"{median(name, burst, 0) / 1000:.0f}k/s ({median(name, burst, 0) / median(reference, burst, 0):.2f}x)"
            for burst in (1, 8)
        ]
        cells += [f"{median(name, 1, 1):.2f}", f"{median(name, 1, 2) / 1024:.1f}"]
        lines.append(f"| {name}: {VARIANTS[name]} | {' | '.join(cells)} |")
    sys.stdout.write("\n".join(lines) + "\n")
