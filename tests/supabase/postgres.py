"""A PostgreSQL of our own: the binaries of PyPI's ``pgserver``, one cluster for a test process.

It listens on a Unix socket only, in a directory that only this process knows, so that there is
no port to be taken. PostgreSQL refuses to run as root: as root it runs as ``nobody``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Self

START_SECONDS = 20.0  # ten times what it takes on a machine that is busy
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "logical",  # as in a Supabase project: publications are to be used
    "shared_buffers": "32MB",
    "max_connections": "60",
}


class SqlError(Exception):
    """PostgreSQL refused a statement; the text is its own."""


class Postgres:
    """A cluster. Its data are gone when it is closed, or when this process dies."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="zapd-pg-"))
        self._user = "nobody" if os.geteuid() == 0 else None
        self._bin = _binaries(self.directory if self._user else None)
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Make the cluster and start it; return when it takes connections."""
        self.directory.chmod(0o755)
        if self._user:
            shutil.chown(self.directory, self._user)
        data = self.directory / "data"
        self._run(
            "initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"
        )
        options = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        options += ["-D", str(data), "-k", str(self.directory)]
        # The shell ends the server when its stdin ends: also if this process is killed.
        script = '"$@" & pid=$!; cat > /dev/null; kill -INT $pid; wait $pid'
        with (self.directory / "log").open("wb") as log:
            self._server = subprocess.Popen(
                ["sh", "-c", script, "sh", str(self._bin / "postgres"), *options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self.directory,
                start_new_session=True,
            )
        self._await_ready()
        return self

    def close(self) -> None:
        """Stop the server, remove its data."""
        if self._server is not None:
            assert self._server.stdin is not None
            self._server.stdin.close()
            self._server.wait(START_SECONDS)
        shutil.rmtree(self.directory)

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run statements as the owner; return the rows, ``|`` between columns; raise ``SqlError``."""
        command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", str(self.directory)]
        command += ["-U", "postgres", "-d", database]
        done = subprocess.run(
            [str(self._bin / command[0]), *command[1:]],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SqlError(done.stderr.strip())
        return done.stdout.strip()

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._bin / program), *arguments],
            user=self._user,
            cwd=self.directory,
            check=True,
            capture_output=True,
        )

    def _await_ready(self) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                self.sql("select 1")
            except SqlError as error:
                if time.monotonic() > until:
                    log = (self.directory / "log").read_text()
                    raise AssertionError(f"PostgreSQL did not start: {error}\n{log}") from error
                time.sleep(0.02)
            else:
                return


def _binaries(copies: Path | None) -> Path:
    """Return the directory of the programs; copied where another user could not reach them."""
    spec = find_spec("pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if copies is not None and not all(place.stat().st_mode & 0o001 for place in package.parents):
        libraries = package.with_name("pgserver.libs")  # found from the programs by a relative path
        shutil.copytree(libraries, copies / libraries.name)
        shutil.copytree(package / "pginstall", copies / package.name / "pginstall")
        package = copies / package.name
    return package / "pginstall" / "bin"
