from __future__ import annotations

import resource
import socket
import sys
from pathlib import Path

import pytest

from daemon.cli import doctor
from daemon.cli.doctor import Finding, directory, engine, libmagic, open_files, port, space
from daemon.config import Settings
from daemon.storage.data_dir import DaemonLock
from tests.unit.daemon.cli.running import zapd


def test_it_looks_at_everything_and_makes_nothing(data_dir: Path) -> None:
    """One line for each thing; the exit code tells whether something is missing."""
    ran = zapd("doctor", "--data-dir", str(data_dir), ZAPD_PORT="0")
    lines = [line for line in ran.out.splitlines() if not line.startswith(" ")]
    names = [line.split(None, 1)[1].split(":")[0] for line in lines]
    assert names == [
        "python",
        "sqlite",
        "libmagic",
        "engine",
        "data directory",
        "disk space",
        "port",
        "open files",
    ]
    assert ran.code == int("MISSING" in ran.out)
    assert not data_dir.exists()


def test_what_is_missing_is_told_with_what_to_do(tmp_path: Path) -> None:
    """A data directory that others can read: exit code 1 and the command that mends it."""
    tmp_path.chmod(0o755)
    ran = zapd("doctor", "--data-dir", str(tmp_path), ZAPD_PORT="0")
    assert ran.code == 1
    assert f"chmod 700 {tmp_path}" in ran.out


def test_the_engine_is_not_loaded_into_this_process(data_dir: Path) -> None:
    """neonize is tried in a child: a Go runtime in this process would stay."""
    assert engine({"PATH": "/usr/bin:/bin"}).name == "engine"
    assert "neonize" not in sys.modules


def test_an_engine_that_does_not_load_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The child's last line is what is shown."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ImportError: no libmagic' >&2\nexit 1\n")
    broken.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(broken))
    assert engine({}) == Finding(
        "engine",
        is_well=False,
        detail="ImportError: no libmagic",
        advice="Run scripts/setup again; it says what it cannot install.",
    )
    broken.write_text("#!/bin/sh\nexit 3\n")
    assert engine({}).detail == "exit code 3"
    monkeypatch.setattr(doctor, "_CHILD_SECONDS", 0.1)
    broken.write_text("#!/bin/sh\nexec sleep 30\n")
    assert engine({}).detail == "neonize does not load"


def test_a_missing_library_is_told_with_its_package() -> None:
    """libmagic is what neonize needs of the system."""
    assert libmagic(lambda name: f"lib{name}.so.1").detail == "libmagic.so.1"
    assert libmagic(lambda _: None).advice == "apt-get install libmagic1"


def test_old_versions_are_told() -> None:
    """Python below 3.11 and SQLite below 3.37 do not do."""
    assert not doctor.python_version((3, 10, 14)).is_well
    assert doctor.python_version((3, 12, 0)).is_well
    assert not doctor.sqlite_version("3.34.1").is_well
    assert doctor.sqlite_version("3.40.1").is_well


def test_few_open_files_are_told() -> None:
    """Each stream takes one; no limit is well."""
    assert not open_files(1024).is_well
    assert open_files(65536).is_well
    assert open_files(resource.RLIM_INFINITY).is_well


def test_a_directory_that_is_there_is_looked_at(tmp_path: Path) -> None:
    """Closed to others it is well; a file in its place is not; space is that of its disk."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert directory(closed).is_well
    (tmp_path / "file").touch()
    assert not directory(tmp_path / "file").is_well
    assert not directory(tmp_path / "file" / "below").is_well
    assert space(tmp_path / "not" / "yet").detail.endswith("MiB free")


def test_a_port_in_use_is_told_unless_it_is_ours(data_dir: Path) -> None:
    """Another's port is in the way; the port of the daemon that runs here is not."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = Settings(port=other.getsockname()[1], data_dir=data_dir)
        assert not port(settings).is_well
        lock = DaemonLock.acquire(data_dir)
        assert "zapd runs, pid" in port(settings).detail
        lock.release()
    assert port(settings).is_well


def test_an_address_that_is_not_here_is_told(data_dir: Path) -> None:
    """A host that this machine does not have cannot be listened on."""
    assert not port(Settings(host="192.0.2.1", data_dir=data_dir)).is_well
