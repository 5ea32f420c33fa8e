"""Tests of `worker`, with a stand-in for the worker that it becomes."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest

from .server import LoopbackWhatsApp
from .worker import split

_HERE = Path(__file__).parent
_EXIT_CODE = 7
_STAND_IN = f"""
import json, pathlib, sys
def main(argv):
    pathlib.Path(argv[0]).write_text(json.dumps([argv[1:], "neonize" in sys.modules, sys.path]))
    return {_EXIT_CODE}
"""


def test_arguments_are_split() -> None:
    """What is not the loopback's is the worker's, in its order."""
    argv = ["--fd", "3", "--loopback-port", "80", "--loopback-root", "00ff", "--loop", "x"]
    assert split(argv) == (80, b"\x00\xff", ["--fd", "3", "--loop", "x"])


def test_the_loopback_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a port and a key the script never reaches the worker, nor WhatsApp."""
    with pytest.raises(SystemExit):
        split([])
    assert "--loopback-port" in capsys.readouterr().err


@pytest.mark.asyncio
async def test_the_command_is_a_worker(tmp_path: Path) -> None:
    """Run as a script it loads and redirects neonize, then is the worker with its exit code."""
    package, worker = tmp_path / "tests" / "loopback", tmp_path / "sessions" / "worker"
    for folder in (package, package.parent, worker, worker.parent):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").touch()
    (worker / "__main__.py").write_text(_STAND_IN)
    for name in ("worker.py", "redirect.py"):
        shutil.copy(_HERE / name, package)
    async with LoopbackWhatsApp() as whatsapp:
        python, script, *arguments = whatsapp.worker_command()
    report = tmp_path / "report.json"
    process = await asyncio.create_subprocess_exec(
        python, str(package / "worker.py"), *arguments, str(report), "--rest"
    )
    assert await process.wait() == _EXIT_CODE
    rest, loaded, path = json.loads(report.read_text())
    assert (sys.executable, str(_HERE / "worker.py")) == (python, script)
    assert (rest, loaded) == (["--rest"], True)
    assert str(package) not in path
