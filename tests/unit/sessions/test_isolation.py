from __future__ import annotations

import subprocess
import sys

import pytest

_LOOK = "import sys, {module}; print([m for m in sys.modules if m.split('.')[0] in {forbidden!r}])"


@pytest.mark.parametrize(
    "module", ["sessions.manager", "sessions.worker.supervisor", "sessions.worker.host"]
)
def test_the_engine_never_loads_the_core(module: str) -> None:
    """The Go runtime lives in workers only; a worker loads it when it is to host one."""
    forbidden = ("neonize", "magic")
    code = _LOOK.format(module=module, forbidden=forbidden)
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert answer.stdout.strip() == b"[]"


def test_the_daemon_never_loads_the_core() -> None:
    """Neither when all of it is imported."""
    code = _LOOK.format(module="daemon.app", forbidden=("neonize", "magic"))
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert answer.stdout.strip() == b"[]"


def test_a_sandbox_worker_never_loads_the_core() -> None:
    """The demo runs on machines that lack it."""
    code = _LOOK.format(
        module="sessions.worker.__main__, sessions.provider.sandbox", forbidden=("neonize",)
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert answer.stdout.strip() == b"[]"
