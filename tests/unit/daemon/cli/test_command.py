from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.cli.command import is_loopback, refuse_open_bind
from daemon.config import Secret, Settings
from daemon.config.render import env_example, reference
from tests.unit.daemon.cli.running import ROOT, zapd

SECRET = "0123456789abcdef0123456789abcdef-s"
LIGHT = """
import sys
from daemon.cli import main
code = main(["version"])
heavy = {"starlette", "uvicorn", "aiosqlite", "jwt", "cryptography", "neonize", "asyncio"}
print(sorted(heavy & set(sys.modules)))
sys.exit(code)
"""


def test_the_version_is_told_without_loading_the_server() -> None:
    """`zapd version` is quick: nothing of the web, of SQL or of the engine is imported."""
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"zapd \S+.*\n\[\]\n", done.stdout)


def test_the_environment_file_and_the_reference_are_printed() -> None:
    """What is printed is what is shipped."""
    assert zapd("env-example") == (0, env_example(), "")
    assert zapd("env-example", "--markdown") == (0, reference(), "")


def test_the_configuration_is_shown_without_its_secret(data_dir: Path) -> None:
    """Every setting with its value; defaults are marked; nothing is made on disk."""
    ran = zapd("check-config", "--data-dir", str(data_dir), ZAPD_JWT_SECRET=SECRET, ZAPD_PORT="1")
    assert ran.code == 0
    assert "ZAPD_PORT = 1\n" in ran.out
    assert f"ZAPD_DATA_DIR = {data_dir}\n" in ran.out
    assert "ZAPD_JWT_SECRET = (set)\n" in ran.out
    assert "ZAPD_HOST = 127.0.0.1   # default\n" in ran.out
    assert SECRET not in ran.out + ran.err
    assert not data_dir.exists()


@pytest.mark.parametrize("command", ["check-config", "serve", "doctor", "login-link"])
def test_a_wrong_configuration_ends_every_command_with_78(command: str) -> None:
    """All faults are told at once, and systemd is told not to try again."""
    ran = zapd(command, ZAPD_PROT="1", ZAPD_PORT="x", ZAPD_JWT_SECRET="tiny")
    assert (ran.code, ran.out) == (78, "")
    assert len(ran.err.splitlines()) == 3
    assert "Did you mean ZAPD_PORT?" in ran.err
    assert "tiny" not in ran.err


@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_it_is_not_open_to_everybody(command: str, data_dir: Path) -> None:
    """Reachable for others without secret and keys: it does not start, and says what to do."""
    ran = zapd(command, "--data-dir", str(data_dir), ZAPD_HOST="0.0.0.0")  # noqa: S104 - refused
    assert (ran.code, ran.out) == (78, "")
    assert "zapd key create" in ran.err


def test_a_key_or_a_secret_lets_it_listen_to_others(data_dir: Path) -> None:
    """Either is enough; a revoked key is none."""
    at = ("--data-dir", str(data_dir))
    env = {"ZAPD_HOST": "0.0.0.0"}  # noqa: S104 - it does not listen here
    assert zapd("check-config", *at, ZAPD_JWT_SECRET=SECRET, **env).code == 0
    key = zapd("key", "create", "--workspace", "acme", *at).out
    assert zapd("check-config", *at, **env).code == 0
    zapd("key", "revoke", key.strip(), *at)
    assert zapd("check-config", *at, **env).code == 78


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - asked about, not bound
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_loopback_is_told_from_the_rest(host: str, expected: bool) -> None:
    """A name other than localhost may be anything."""
    assert is_loopback(host) is expected


def test_an_open_bind_is_refused_by_name() -> None:
    """The refusal names the address; a secret, a key or loopback lifts it."""
    refused = refuse_open_bind(Settings(host="10.0.0.1"), has_keys=False)
    assert refused is not None
    assert "ZAPD_HOST is 10.0.0.1" in refused
    assert refuse_open_bind(Settings(host="10.0.0.1"), has_keys=True) is None
    with_secret = Settings(host="10.0.0.1", jwt_secret=Secret(SECRET))
    assert refuse_open_bind(with_secret, has_keys=False) is None
    assert refuse_open_bind(Settings(), has_keys=False) is None


def test_the_data_directory_follows_xdg_unless_it_is_told(tmp_path: Path) -> None:
    """$XDG_DATA_HOME/zapd, else ~/.local/share/zapd, and a variable or an option before both."""

    def shown(*words: str, **env: str) -> str:
        out = zapd("check-config", *words, **env).out
        return next(line for line in out.splitlines() if "ZAPD_DATA_DIR" in line).split(" ")[2]

    home = str(tmp_path)
    assert shown(HOME=home) == f"{home}/.local/share/zapd"
    assert shown(HOME=home, XDG_DATA_HOME="/xdg") == "/xdg/zapd"
    assert shown(HOME=home, XDG_DATA_HOME="not/absolute") == f"{home}/.local/share/zapd"
    assert shown(XDG_DATA_HOME="/xdg", ZAPD_DATA_DIR="/env") == "/env"
    assert shown("--data-dir", "/option", ZAPD_DATA_DIR="/env") == "/option"


@pytest.mark.parametrize("words", [(), ("nonsense",), ("key",), ("serve", "--prot", "1")])
def test_wrong_usage_is_2(words: tuple[str, ...]) -> None:
    """argparse tells what there is."""
    ran = zapd(*words)
    assert (ran.code, ran.out) == (2, "")
    assert "usage: zapd" in ran.err


def test_help_is_0() -> None:
    """`--help` is no failure."""
    assert zapd("--help").code == 0
    assert "The port to listen on" in zapd("serve", "--help").out


def test_a_reader_that_has_enough_is_no_traceback() -> None:
    """`zapd env-example | true` ends quietly."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m daemon env-example | true"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
