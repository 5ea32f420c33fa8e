from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.storage.data_dir import DaemonLock, prepare, private_file, running_pid
from daemon.storage.failures import AlreadyRunning, StorageError

HOLD = """
import sys
from pathlib import Path
from daemon.storage.data_dir import DaemonLock
lock = DaemonLock.acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def mode(path: Path) -> int:
    """Return the permission bits."""
    return path.stat().st_mode & 0o777


def test_the_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """A missing directory is made 0700, whatever the umask."""
    before = os.umask(0)
    try:
        assert mode(prepare(tmp_path / "a" / "b")) == 0o700
    finally:
        os.umask(before)


def test_an_empty_directory_is_closed(tmp_path: Path) -> None:
    """An empty directory, such as a fresh volume, is taken over."""
    path = tmp_path / "volume"
    (path / "lost+found").mkdir(parents=True)
    path.chmod(0o755)
    assert mode(prepare(path)) == 0o700


def test_our_own_directory_is_closed_again(tmp_path: Path) -> None:
    """One that holds our database is ours."""
    (tmp_path / "zapd.db").touch()
    tmp_path.chmod(0o755)
    assert mode(prepare(tmp_path)) == 0o700


def test_somebody_elses_directory_is_left_alone(tmp_path: Path) -> None:
    """An open directory with other things in it is refused, not changed."""
    (tmp_path / "thesis.txt").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(StorageError, match="holds other files") as caught:
        prepare(tmp_path)
    assert "chmod 700" in str(caught.value.user_action)
    assert mode(tmp_path) == 0o755


def test_a_path_that_cannot_be_is_told(tmp_path: Path) -> None:
    """A file where the directory should be is a sentence, not a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be used"):
        prepare(tmp_path / "file")


def test_files_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    """A new file is 0600, an open one is closed."""
    assert mode(private_file(tmp_path / "new")) == 0o600
    (tmp_path / "old").touch(mode=0o644)
    assert mode(private_file(tmp_path / "old")) == 0o600


def test_one_daemon_for_each_directory(data_dir: Path) -> None:
    """A second daemon is refused with the first one's process id, until that one ends."""
    root = Path(__file__).parents[4]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir)],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning, match=rf"\(pid {first.pid}\)"):
            DaemonLock.acquire(data_dir)
        assert running_pid(data_dir) == str(first.pid)
        first.kill()
        first.wait()
    lock = DaemonLock.acquire(data_dir)
    assert lock.path.read_text() == f"{os.getpid()}\n"
    assert mode(lock.path) == 0o600
    lock.release()
    lock.release()


def test_nobody_runs_where_nothing_is(data_dir: Path) -> None:
    """No directory, or a lock that nobody holds: no daemon."""
    assert running_pid(data_dir) is None
    DaemonLock.acquire(data_dir).release()
    assert running_pid(data_dir) is None
