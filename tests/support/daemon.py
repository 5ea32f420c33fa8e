"""A real ``zapd serve`` in a process and a directory of its own, and its users.

With a loopback WhatsApp the process is started through ``serve_loopback.py``, which hands
another worker command to the composition root: nothing in the daemon's settings could.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from daemon.auth.tokens import sign
from tests.support.stream import Stream
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
ALL_SCOPES = "read,send,manage,metadata"
_PASSED_ON = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE")


class Daemon:
    """One life, or several, of a daemon on one data directory."""

    def __init__(
        self,
        data_dir: Path,
        *,
        worker_command: Sequence[str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare; :meth:`start` begins a life. ``settings`` are ``ZAPD_*`` variables."""
        self.data_dir = data_dir
        self.base = ""
        self.link = ""
        self.log: list[str] = []
        self._worker_command = worker_command
        self._environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._environment |= dict(settings or {})
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._port = "0"

    async def start(self) -> Self:
        """Begin a life; return when ``/readyz`` says that it serves. Keeps its port."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command(),
            cwd=ROOT,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        first = (await self._process.stdout.readline()).decode().strip()
        assert "/login/" in first, await self._last_words()
        self.link = first.split()[-1]
        self.base = self.link.partition("/login/")[0]
        self._port = self.base.rpartition(":")[2]
        self._read_on()
        await eventually(self._is_ready)
        return self

    def _command(self) -> list[str]:
        options = ["--port", self._port, "--data-dir", str(self.data_dir)]
        if self._worker_command is None:
            return [sys.executable, "-m", "daemon", "serve", *options]
        module = "tests.support.serve_loopback"
        return [sys.executable, "-m", module, *options, "--", *self._worker_command]

    def _read_on(self) -> None:
        assert self._process is not None
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            self._readers.append(asyncio.ensure_future(self._collect(stream)))

    async def _collect(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self.log.append(line.decode(errors="replace").rstrip())

    async def _last_words(self) -> str:
        assert self._process is not None
        assert self._process.stderr is not None
        return (await self._process.stderr.read()).decode()

    async def _is_ready(self) -> bool:
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"{self.base}/readyz")).status_code == httpx.codes.OK
            except httpx.TransportError:
                return False

    @property
    def pid(self) -> int:
        """The process id of this life."""
        assert self._process is not None
        return self._process.pid

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End this life by a signal; return the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        code = await asyncio.wait_for(self._process.wait(), 40)
        await asyncio.gather(*self._readers)
        self._readers.clear()
        return code

    def workers(self) -> list[int]:
        """Return the process ids of this life's workers."""
        return [int(pid) for pid in _children(self.pid)]

    async def command(self, *arguments: str) -> str:
        """Run another ``zapd`` command on the same directory; return what it printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "daemon",
            *arguments,
            "--data-dir",
            str(self.data_dir),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode().strip()

    async def key(self, workspace: str = "default", scopes: str = ALL_SCOPES) -> str:
        """Make an API key."""
        return await self.command("key", "create", "--workspace", workspace, "--scope", scopes)

    @asynccontextmanager
    async def agents(
        self, *names: str, workspace: str = "default", scopes: str = "read send metadata"
    ) -> AsyncIterator[list[User]]:
        """Yield people with tokens of the workspace's secret, whose ``sub`` are the names."""
        secret = await self.command("workspace", "secret", workspace)
        async with AsyncExitStack() as stack:
            tokens = [
                sign(secret, workspace, expires_s=4_000_000_000, subject=name, scopes=scopes)
                for name in names
            ]
            yield [await stack.enter_async_context(User(self.base, token)) for token in tokens]

    @asynccontextmanager
    async def user(
        self, workspace: str = "default", scopes: str = ALL_SCOPES
    ) -> AsyncIterator[User]:
        """Yield somebody with a key of the workspace."""
        async with User(self.base, await self.key(workspace, scopes)) as user:
            yield user


class User:
    """Somebody who uses the API with a key."""

    def __init__(self, base: str, key: str) -> None:
        """Use the daemon at ``base``."""
        self.key = key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.http = httpx.AsyncClient(base_url=base, headers=headers, timeout=30)

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up."""
        await self.http.aclose()

    async def get(self, path: str, **params: str | int) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a GET that succeeds."""
        return self._json(await self.http.get(path, params=params))

    async def post(
        self, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a POST that succeeds."""
        return self._json(await self.http.post(path, json=body or {}, headers=headers))

    async def put(self, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a PUT that succeeds."""
        return self._json(await self.http.put(path, json=body or {}))

    async def patch(self, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a PATCH that succeeds."""
        return self._json(await self.http.patch(path, json=body))

    async def delete(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a DELETE that succeeds, None where it has none."""
        return self._json(await self.http.delete(path))

    async def refused(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        """Return the problem of a request that is refused."""
        response = await self.http.request(method, path, json=body, headers=headers)
        assert response.headers["content-type"] == "application/problem+json", response.text
        return response.json()

    def _json(self, response: httpx.Response) -> Any:  # noqa: ANN401 - JSON
        assert response.is_success, (response.request.url.path, response.text)
        return response.json() if response.content else None

    async def session(self, id: str = "main", provider: str = "sandbox") -> str:
        """Make a session and start it; return its id."""
        await self.post("/v1/sessions", {"id": id, "label": "", "provider": provider})
        await self.post(f"/v1/sessions/{id}/start")
        return id

    async def in_state(self, session: str, state: str, seconds: float = 20.0) -> Any:  # noqa: ANN401 - JSON
        """Wait until the session is in the state; return it."""

        async def look() -> Any:  # noqa: ANN401 - JSON
            found = await self.get(f"/v1/sessions/{session}")
            return found if found["state"] == state else None

        return await eventually(look, seconds)

    async def qr(self, session: str) -> str:
        """Wait until the session shows a code; return it."""

        async def look() -> str | None:
            response = await self.http.get(f"/v1/sessions/{session}/qr")
            return response.json()["qr"] if response.is_success else None

        return await eventually(look)

    async def paired(self, id: str = "main") -> str:
        """Make a sandbox session, start it, let its phone scan; return its id."""
        await self.session(id)
        await self.qr(id)
        await self.post(f"/v1/sessions/{id}/sandbox/scan")
        await self.in_state(id, "connected")
        return id

    async def receive(self, session: str, text: str, sender: str = "+5511999990000") -> str:
        """Let a contact of the sandbox write; return the message's id."""
        body = {"from": sender, "text": text, "name": "Ana"}
        made = await self.post(f"/v1/sessions/{session}/sandbox/receive", body)
        return str(made["id"])

    @asynccontextmanager
    async def stream(self, after: str | None = None, **params: str) -> AsyncIterator[Stream]:
        """Yield an open SSE stream."""
        headers = {"Last-Event-ID": after} if after else {}
        async with self.http.stream(
            "GET", "/v1/events", params=params, headers=headers
        ) as response:
            assert response.is_success, await response.aread()
            async with Stream(response) as stream:
                yield stream


def _children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
