from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest

from daemon.auth.authenticator import Authenticator
from daemon.auth.scopes import Scope
from daemon.clock import SystemClock
from daemon.metadata.models import SYSTEM, Member, Role
from daemon.metadata.port import Change
from daemon.metadata.sqlite import SqliteMetadata
from daemon.storage.data_dir import DaemonLock
from daemon.storage.database import Database
from daemon.storage.meta import BASE_URL, Meta
from tests.unit.daemon.cli.running import Ran, zapd

KEY = r"zk_[a-z0-9]{8}_[A-Za-z0-9]{43}"


@pytest.fixture
def at(data_dir: Path) -> tuple[str, str]:
    """Return the option that names the data directory."""
    return ("--data-dir", str(data_dir))


async def run(*words: str, **env: str) -> Ran:
    """Run the command while this process goes on."""
    return await asyncio.to_thread(zapd, *words, **env)


def test_a_key_is_alone_on_stdout(at: tuple[str, str], data_dir: Path) -> None:
    """The workspace is made, the notes go to stderr, the directory gets its modes."""
    made = zapd("key", "create", "--workspace", "acme", "--scope", "read,send", *at)
    assert made.code == 0
    assert re.fullmatch(KEY + "\n", made.out)
    assert "made the workspace acme" in made.err
    assert made.out.strip() not in made.err
    modes = {path.stat().st_mode & 0o777 for path in data_dir.iterdir()}
    assert (data_dir.stat().st_mode & 0o777, modes) == (0o700, {0o600})


async def test_keys_work_while_the_daemon_runs(at: tuple[str, str], data_dir: Path) -> None:
    """Made in another process it is valid at once; revoked there it is refused within a second."""
    lock = DaemonLock.acquire(data_dir)
    database = await Database.open(data_dir, daemon=True)
    door = Authenticator.over(database, SystemClock())
    made = await run("key", "create", "--workspace", "acme", "--scope", "manage", *at)
    holder = await door.authenticate_key(made.out.strip())
    assert holder.workspace == "acme"
    assert holder.scopes == {Scope.MANAGE, Scope.PAIR}
    revoked = await run("key", "revoke", made.out.strip(), *at)
    assert revoked.code == 0
    await asyncio.sleep(1)
    assert not await door.still_valid(holder)
    await door.close()
    await database.close()
    lock.release()


def test_many_commands_at_once_do_not_hinder_each_other(
    at: tuple[str, str], data_dir: Path
) -> None:
    """On a directory that is not there yet, five processes make it and their keys."""
    words = ("key", "create", "--workspace", "acme", "--scope", "read", *at)
    with ThreadPoolExecutor(5) as pool:
        made = list(pool.map(lambda _: zapd(*words), range(5)))
    assert [ran.code for ran in made] == [0] * 5
    assert len({ran.out for ran in made}) == 5
    assert len(zapd("key", "list", *at).out.splitlines()) == 6


def test_keys_are_listed_without_their_secrets(at: tuple[str, str]) -> None:
    """Id, workspace, scopes, label and times; of one workspace where it is asked."""
    key = zapd(
        "key", "create", "--workspace", "acme", "--label", "the\ncrm", "--session", "s1", *at
    ).out.strip()
    zapd("key", "create", "--workspace", "beta", "--scope", "admin", *at)
    listed = zapd("key", "list", *at)
    assert [line.split()[:2] for line in listed.out.splitlines()] == [
        ["ID", "WORKSPACE"],
        [key[3:11], "acme"],
        [listed.out.splitlines()[2].split()[0], "beta"],
    ]
    assert "read of s1" in listed.out
    assert re.search(r"Z +never +- +the crm\n", listed.out)
    assert key[12:] not in listed.out
    assert "acme" not in zapd("key", "list", "--workspace", "beta", *at).out


def test_a_revoked_key_is_listed_as_such(at: tuple[str, str]) -> None:
    """By its id; an id that is not there is a failure with a hint."""
    key = zapd("key", "create", "--workspace", "acme", *at).out
    assert zapd("key", "revoke", key[3:11], *at).code == 0
    last = zapd("key", "list", *at).out.splitlines()[-1]
    assert last.count("Z") == 2
    missing = zapd("key", "revoke", "nope", *at)
    assert (missing.code, missing.out) == (1, "")
    assert "zapd key list" in missing.err


def test_a_workspace_has_a_secret_that_can_be_replaced(at: tuple[str, str]) -> None:
    """Made once, shown again, rotated; always alone on stdout."""
    made = zapd("workspace", "create", "acme", "--token-scopes", "read", *at)
    assert re.fullmatch(r"[\w-]{43}\n", made.out)
    assert zapd("workspace", "secret", "acme", *at).out == made.out
    assert zapd("workspace", "create", "acme", *at).code == 1
    rotated = zapd("workspace", "secret", "acme", "--rotate", *at)
    assert rotated.out != made.out
    assert zapd("workspace", "secret", "acme", *at).out == rotated.out
    listed = zapd("workspace", "list", *at).out
    assert re.search(r"^acme +read +2", listed, re.MULTILINE)
    assert made.out.strip() not in listed
    assert zapd("workspace", "secret", "nobody", *at).code == 1


async def test_a_token_lets_in(at: tuple[str, str], data_dir: Path) -> None:
    """Signed with the workspace's secret, with scope, subject and end as told."""
    ran = await run("token", "--scope", "send", "--ttl", "30m", "--sub", "ana", *at)
    claims = jwt.decode(ran.out.strip(), options={"verify_signature": False})
    assert (claims["sub"], claims["workspace_id"], claims["scope"]) == ("ana", "default", "send")
    assert abs(claims["exp"] * 1000 - SystemClock().now_ms() - 1_800_000) < 60_000
    database = await Database.open(data_dir)
    holder = await Authenticator.over(database, SystemClock()).authenticate_token(ran.out.strip())
    assert holder.workspace == "default"
    assert holder.scopes == {Scope.SEND}
    await database.close()


def test_a_token_that_asks_too_much_is_made_with_a_warning(at: tuple[str, str]) -> None:
    """What the workspace does not allow is told, since the daemon will not give it."""
    assert "may not allow manage" in zapd("token", "--scope", "manage,read", *at).err
    assert zapd("token", "--workspace", "nobody", *at).code == 1


async def test_a_login_link_signs_in(at: tuple[str, str], data_dir: Path) -> None:
    """Its address is the public one, else the running daemon's, else the configured one."""
    env = {"ZAPD_PUBLIC_URL": "https://zap.example"}
    first = await run("login-link", *at, ZAPD_PORT="9999")
    assert first.out.startswith("http://127.0.0.1:9999/login/")
    database = await Database.open(data_dir)
    await Meta(database).set(BASE_URL, "http://127.0.0.1:4711")
    second = await run("login-link", "--workspace", "default", *at)
    assert second.out.startswith("http://127.0.0.1:4711/login/")
    third = await run("login-link", *at, **env)
    assert third.out.startswith("https://zap.example/login/")
    door = Authenticator.over(database, SystemClock())
    _, holder = await door.logins.use_link(second.out.strip().rpartition("/")[2])
    assert holder.workspace == "default"
    await database.close()


async def test_a_login_link_signs_in_as_a_member(at: tuple[str, str], data_dir: Path) -> None:
    """Only as one who is there and active: any other would be let in to nothing."""
    first = await run("login-link", "--user", "ana", *at)
    assert (first.code, first.out) == (1, "")
    assert "no active member 'ana'" in first.err
    database = await Database.open(data_dir)
    row = Member(workspace="default", user="ana", role=Role.AGENT, actor=SYSTEM)
    await SqliteMetadata(database, SystemClock()).write([Change(row, "member.added")])
    link = (await run("login-link", "--user", "ana", *at)).out.strip()
    _, holder = await Authenticator.over(database, SystemClock()).logins.use_link(
        link.rpartition("/")[2]
    )
    assert (holder.workspace, holder.subject) == ("default", "ana")
    await database.close()


def test_an_export_without_a_daemon_tells_what_it_lacks(
    at: tuple[str, str], data_dir: Path, tmp_path: Path
) -> None:
    """What waits to be written, and messages where there is no history."""
    first = zapd("export", str(tmp_path / "one.zip"), *at)
    assert (first.code, "history-spill" in first.err) == (0, False)
    assert "no messages are in it" in first.err
    spill = data_dir / "history-spill"
    spill.mkdir(mode=0o700)
    spill.joinpath("0.frames").write_bytes(b"waits")
    second = zapd("export", str(tmp_path / "two.zip"), *at)
    assert second.code == 0
    assert "what waits in history-spill is not in it" in second.err


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("key", "create", "--workspace", "A b"), 1, "A workspace is"),
        (("key", "create", "--workspace", "a", "--session", "../x"), 1, "A session id is"),
        (("key", "create", "--workspace", "a", "--scope", "raed"), 2, "metadata"),
        (("key", "create", "--workspace", "a", "--scope", ","), 2, "metadata"),
        (("key", "create"), 2, "--workspace"),
        (("token", "--ttl", "0"), 2, "30m"),
        (("token", "--ttl", "soon"), 2, "30m"),
        (("token", "--ttl", "99999999d"), 2, "30m"),
        (("login-link", "--workspace", "nobody"), 1, "zapd workspace create nobody"),
    ],
)
def test_wrong_words_are_told(
    at: tuple[str, str], words: tuple[str, ...], code: int, hint: str
) -> None:
    """With what to write instead, and nothing on stdout."""
    ran = zapd(*words, *at)
    assert (ran.code, ran.out) == (code, "")
    assert hint in ran.err


def test_a_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    """A file in its place is a sentence and exit code 1."""
    (tmp_path / "file").touch()
    ran = zapd("key", "list", "--data-dir", str(tmp_path / "file"))
    assert (ran.code, ran.out) == (1, "")
    assert "ZAPD_DATA_DIR" in ran.err
