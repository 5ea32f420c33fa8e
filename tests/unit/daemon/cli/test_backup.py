from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.unit.daemon.cli.running import zapd


def filled(data_dir: Path) -> tuple[str, str]:
    """Make a database with a key; return the options that name it."""
    at = ("--data-dir", str(data_dir))
    assert zapd("key", "create", "--workspace", "acme", *at).code == 0
    return at


def test_a_backup_is_made_and_put_back(data_dir: Path, tmp_path: Path) -> None:
    """The name of the file is alone on stdout; people are told what it holds and what to do."""
    at = filled(data_dir)
    made = zapd("backup", str(tmp_path), *at)
    (file,) = tmp_path.glob("zapd-*.tar")
    assert (made.code, made.out) == (0, f"{file}\n")
    assert "keys of linked devices" in made.err
    zapd("workspace", "create", "later", *at)
    done = zapd("restore", str(file), *at)
    assert (done.code, done.out) == (0, "")
    assert "put back what zapd" in done.err
    assert "before-restore-" in done.err
    listed = zapd("workspace", "list", *at).out
    assert "acme" in listed
    assert "later" not in listed


def test_a_newer_database_is_refused_with_a_sentence(data_dir: Path, tmp_path: Path) -> None:
    """By the daemon, and by the restore of a backup of it."""
    at = filled(data_dir)
    with closing(sqlite3.connect(data_dir / "zapd.db")) as raw:
        raw.execute("PRAGMA user_version = 99")
    file = str(tmp_path / "new.tar")
    assert zapd("backup", file, *at).code == 0
    for words in (("serve", "--port", "0"), ("restore", file)):
        ran = zapd(*words, *at)
        assert (ran.code, ran.out) == (1, "")
        assert "of a newer zapd (version 99" in ran.err.splitlines()[-1]


def test_a_damaged_database_ends_the_start_with_a_sentence(data_dir: Path) -> None:
    """No stack, and nothing is made of it."""
    at = filled(data_dir)
    path = data_dir / "zapd.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
            "INSERT INTO meta SELECT 'k' || i, hex(randomblob(100)) FROM n"
        )
        raw.commit()
    with path.open("r+b") as file:
        file.seek(2 << 20)
        file.write(b"\xa5" * 32768)
    before = path.read_bytes()
    ran = zapd("serve", "--port", "0", *at)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[-1] == (
        "zapd: The file zapd.db is damaged. Stop zapd, then put a backup back: zapd restore FILE."
    )
    assert path.read_bytes() == before


def test_what_was_left_out_fails_the_command(data_dir: Path, tmp_path: Path) -> None:
    """A job that makes backups each night must notice."""
    at = filled(data_dir)
    store = data_dir / "sessions" / "0f"
    store.mkdir(parents=True)
    (store / "whatsapp.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 8000)
    ran = zapd("backup", str(tmp_path / "a.tar"), *at)
    assert (ran.code, ran.out) == (1, f"{tmp_path / 'a.tar'}\n")
    assert "damaged: sessions/0f/whatsapp.db" in ran.err
