"""Starting is quick, stopping is orderly, and the README tells the truth."""

from __future__ import annotations

import asyncio
import re
import socket
import stat
import sys
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, User

ROOT = Path(__file__).parents[2]


async def test_it_is_ready_within_two_seconds(tmp_path: Path) -> None:
    """From the command to `/readyz`; the best of five, since other work runs beside."""
    took = []
    loop = asyncio.get_running_loop()
    for life in range(5):
        daemon = Daemon(tmp_path / str(life))
        begun = loop.time()
        await daemon.start()
        took.append(loop.time() - begun)
        await daemon.end()
    assert min(took) < 2.0


async def test_a_restart_closes_the_port_for_less_than_ten_seconds(
    daemon: Daemon, user: User
) -> None:
    """With sessions and an open stream to drain."""
    await user.paired()
    loop = asyncio.get_running_loop()
    async with user.stream() as stream:
        await stream.next("hello")
        begun = loop.time()
        await daemon.end()
    await daemon.start()
    assert loop.time() - begun < 10.0


async def test_files_are_closed_to_others(daemon: Daemon, user: User) -> None:
    """The directory is 0700, what lies in it 0600."""
    await user.paired()
    found = [daemon.data_dir, *daemon.data_dir.rglob("*")]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_dir()}
    assert modes == {0o700}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_file()}
    assert modes == {0o600}


async def test_a_second_daemon_on_the_directory_is_refused(daemon: Daemon) -> None:
    """Two would fight for the numbers."""
    other = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "daemon",
        "serve",
        "--port",
        "0",
        "--data-dir",
        str(daemon.data_dir),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await other.communicate()
    assert other.returncode == 1
    assert str(daemon.pid) in said.decode()
    assert "Traceback" not in said.decode()


async def test_a_taken_port_is_said_in_a_sentence(tmp_path: Path) -> None:
    """Exit 1 and what to do, no stack."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "daemon",
            "serve",
            "--port",
            port,
            "--data-dir",
            str(tmp_path / "d"),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
    assert process.returncode == 1
    assert port in said.decode()
    assert "Traceback" not in said.decode()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - refused, not bound
async def test_it_does_not_listen_to_the_world_without_a_lock(tmp_path: Path, host: str) -> None:
    """Exit 78, which systemd does not restart."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "daemon",
        "serve",
        "--host",
        host,
        "--port",
        "0",
        "--data-dir",
        str(tmp_path / "d"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 78
    assert "ZAPD_JWT_SECRET" in said.decode()


async def test_the_readme_s_commands_work(daemon: Daemon) -> None:
    """The block under "Try it", as it stands, against this daemon."""
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"## Try it\n\n```sh\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    script = block[1].replace("http://127.0.0.1:8420", daemon.base)
    script = script.replace(".venv/bin/zapd", f"{sys.executable} -m daemon")
    script = script.replace("--scope", f"--data-dir {daemon.data_dir} --scope")
    settle = (
        'curl -sf --retry 20 --retry-all-errors --retry-delay 1 -H "$AUTH" $API/sessions/main/qr\n'
    )
    script = script.replace("curl -H", "curl -sSf --max-time 5 -H").replace(
        'curl -sSf --max-time 5 -H "$AUTH" -X POST $API/sessions/main/sandbox/scan',
        settle + 'curl -sSf --max-time 5 -H "$AUTH" -X POST $API/sessions/main/sandbox/scan',
    )
    script = script.replace("curl -N", "curl -sN --max-time 2") + "\nwait\n"
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-ec",
        script,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    printed = out.decode()
    assert "event: new_message" in printed, err.decode()
    assert '"status":"pending"' in printed, err.decode()
    assert '"last_message":{' in printed, err.decode()
