"""The lock around all calls into Go."""

from __future__ import annotations

import threading

from sessions.provider.neonize.locks import GoLock, StartHold


def in_thread(call: object) -> threading.Thread:
    """Run a call that may block."""
    thread = threading.Thread(target=call, daemon=True)  # type: ignore[arg-type]  # any call
    thread.start()
    return thread


def test_readers_share() -> None:
    """Calls do not wait for each other."""
    lock = GoLock()
    with lock.reading(), lock.reading():
        assert not lock.acquire_write(0.01)


def test_a_writer_is_alone() -> None:
    """A call waits while a client starts or stops."""
    lock = GoLock()
    assert lock.acquire_write()
    waiting = in_thread(lock.acquire_read)
    waiting.join(0.05)
    assert waiting.is_alive()
    assert not lock.acquire_write(0.01)
    lock.release_write()
    waiting.join(5)
    assert not waiting.is_alive()


def test_a_waiting_writer_comes_first() -> None:
    """Many calls do not keep a stop away for ever."""
    lock = GoLock()
    lock.acquire_read()
    entered: list[str] = []

    def write() -> None:
        lock.acquire_write()
        entered.append("writer")
        lock.release_write()

    def read() -> None:
        with lock.reading():
            entered.append("reader")

    writer = in_thread(write)
    writer.join(0.05)
    reader = in_thread(read)
    reader.join(0.05)
    lock.release_read()
    writer.join(5)
    reader.join(5)
    assert entered == ["writer", "reader"]


def test_a_start_lets_calls_in_before_it_has_settled() -> None:
    """But no other start or stop: it will read the maps once more."""
    lock = GoLock()
    start = StartHold(lock)
    start.begin()
    start.relax()
    with lock.reading():
        assert not lock.acquire_write(0.01)
    start.settle()
    assert lock.acquire_write(0.01)


def test_each_step_may_come_twice() -> None:
    """A callback and a timer may both think that it is theirs."""
    lock = GoLock()
    start = StartHold(lock)
    start.begin()
    start.settle()
    start.settle()
    start.relax()
    assert lock.acquire_write(0.01)


def test_a_pairing_that_succeeds_keeps_writers_away_again() -> None:
    """From its success until its client has read the maps."""
    lock = GoLock()
    start = StartHold(lock)
    start.resume()
    assert not lock.acquire_write(0.01)
    start.settle()
    assert lock.acquire_write(0.01)
