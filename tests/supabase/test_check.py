"""``zapd supabase check`` and ``zapd supabase sql``, against projects that lack something."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from daemon.cli import supabase
from daemon.cli.texts import CommandError
from daemon.config import Settings
from daemon.metadata.migrations import migrations
from daemon.metadata.schema import SCHEMA
from tests.supabase.postgres import Postgres
from tests.supabase.rig import SECRET_KEY, Rig, open_rig

ROOT = Path(__file__).parents[2]
APPLY = "zapd supabase sql --write supabase/migrations"


def checked(url: str, capsys: pytest.CaptureFixture[str], key: str = SECRET_KEY) -> tuple[int, str]:
    """Return the exit code and what was printed; a key is never among it."""
    settings = Settings.from_env({"ZAPD_SUPABASE_URL": url, "ZAPD_SUPABASE_KEY": key})
    code = supabase.check(settings)
    printed = capsys.readouterr()
    assert key not in printed.out + printed.err
    return code, printed.out


def zapd(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command as people do."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **settings}
    return subprocess.run(
        [sys.executable, "-m", "daemon", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_project_that_is_ready(rig: Rig) -> None:
    """Every table is told, exit code 0; with the old kind of key too."""
    for key in (rig.secret_key, rig.service_role_key):
        done = zapd("supabase", "check", ZAPD_SUPABASE_URL=rig.url, ZAPD_SUPABASE_KEY=key)
        assert (done.returncode, done.stderr) == (0, "")
        assert [line for line in done.stdout.splitlines() if not line.startswith("ok ")] == []
        assert all(table in done.stdout for table in SCHEMA)


def test_the_printed_sql_makes_a_project_ready(
    postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `zapd supabase sql` prints, pasted whole into the SQL editor."""
    with open_rig(postgres, migrated=False) as rig:
        code, printed = checked(rig.url, capsys)
        assert (code, APPLY in printed) == (1, True)
        assert "none of zapd's is there" in printed
        rig.sql(f"begin; {zapd('supabase', 'sql').stdout} commit;")
        until = time.monotonic() + 15
        while checked(rig.url, capsys)[0] and time.monotonic() < until:
            time.sleep(0.02)  # the Data API reads its schema cache again when it is told
        assert checked(rig.url, capsys)[0] == 0


def test_half_of_the_migrations(postgres: Postgres, capsys: pytest.CaptureFixture[str]) -> None:
    """The tables alone are nothing yet: the key may not read them."""
    first = migrations()[0].sql
    there = [table for table in SCHEMA if f"create table public.{table} " in first]
    with open_rig(postgres, migrated=False) as rig:
        rig.sql(first)
        code, printed = checked(rig.url, capsys)
    assert code == 1
    assert printed.count("may not be read with this key") == len(there) > 0
    assert printed.count(": is not there") == len(SCHEMA) - len(there) > 0
    assert "zapd_check" in printed
    assert APPLY in printed


def test_what_came_later_is_printed_alone(
    postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """A project that has the first migrations gets the others, by the version of its last one."""
    applied = migrations()[:2]
    with open_rig(postgres, migrated=False) as rig:
        for migration in applied:
            rig.sql(migration.sql)
        code, printed = checked(rig.url, capsys)
        assert (code, printed.count(": is not there")) == (1, 3)
        later = zapd("supabase", "sql", "--after", applied[-1].name[:14]).stdout
        assert "create table public.tags " not in later
        rig.sql(f"begin; {later} commit;")
        until = time.monotonic() + 15
        while checked(rig.url, capsys)[0] and time.monotonic() < until:
            time.sleep(0.02)  # the Data API reads its schema cache again when it is told
        assert checked(rig.url, capsys)[0] == 0


def test_after_the_last_there_is_nothing(tmp_path: Path) -> None:
    """A sentence says so, no file is written; a version that is none of zapd's is refused."""
    last = migrations()[-1].name[:14]
    done = zapd("supabase", "sql", "--after", last, "--write", str(tmp_path))
    assert (done.returncode, done.stdout, [*tmp_path.iterdir()]) == (0, "", [])
    assert f"nothing is later than {last}" in done.stderr
    done = zapd("supabase", "sql", "--after", "20200101000000")
    assert (done.returncode, done.stdout) == (1, "")
    assert migrations()[0].name[:14] in done.stderr


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (
            "grant execute on function zapd_history_search to anon",
            "messages_history: whoever has the public key may call",
        ),
        (
            "grant execute on function zapd_erase_contact to authenticated",
            "chat_assignments: whoever has the public key may call",
        ),
        (
            "revoke insert, update on tags from service_role",
            "tags: the secret key may not insert, update",
        ),
        (
            "alter table chat_notes disable row level security",
            "chat_notes: row-level security is off",
        ),
        ("grant select on settings to anon", "settings: whoever has the public key may use it"),
        (
            "alter publication supabase_realtime drop table chat_tags",
            "chat_tags: Realtime does not tell its changes",
        ),
    ],
)
def test_what_a_statement_mends_comes_with_the_statement(
    own_rig: Rig, capsys: pytest.CaptureFixture[str], broken: str, told: str
) -> None:
    """What is printed after the arrow is run, and the project is ready again."""
    own_rig.sql(broken)
    code, printed = checked(own_rig.url, capsys)
    faults = [line for line in printed.splitlines() if line.startswith("MISSING")]
    assert (code, len(faults)) == (1, 1)
    assert told in faults[0]
    own_rig.sql(printed.partition("→ ")[2].partition("\n")[0])
    assert checked(own_rig.url, capsys)[0] == 0


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (
            "alter table tags drop column color, drop column position cascade",
            "tags: has no column color, position",
        ),
        ("drop table quick_replies", "quick_replies: is not there"),
        ("drop trigger merge_guard on settings", "settings: the trigger merge_guard is missing"),
        (
            "alter table chat_notes disable trigger hold",
            "chat_notes: the trigger hold is missing or off",
        ),
        (
            "drop trigger zapd_user_gone on auth.users",
            "workspace_members: the trigger zapd_user_gone is missing or off",
        ),
        (
            "drop function zapd_history_page, zapd_history_write",
            "messages_history: the secret key may not call zapd_history_page, zapd_history_write",
        ),
        (
            "drop function zapd_erase_contact",
            "chat_assignments: the secret key may not call zapd_erase_contact",
        ),
        (
            "revoke execute on function zapd_erase_contact from service_role",
            "chat_assignments: the secret key may not call zapd_erase_contact",
        ),
        (
            "alter table chats_history drop column mark",
            "chats_history: has no column mark",
        ),
        ("drop function zapd_check", "zapd_check: the function is not there"),
        (
            "revoke all on tags from service_role",
            "tags: may not be read with this key",
        ),
    ],
)
def test_what_is_gone_is_named(
    own_rig: Rig, capsys: pytest.CaptureFixture[str], broken: str, told: str
) -> None:
    """One line for it, and what to do; the other tables are well."""
    own_rig.sql(broken)
    code, printed = checked(own_rig.url, capsys)
    assert code == 1
    assert f"MISSING  {told}" in printed
    assert "         → " in printed
    assert printed.count("ok  ") >= len(SCHEMA) - 1


def test_a_key_that_is_not_the_projects(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """The project's own words, and which key to copy."""
    code, printed = checked(rig.url, capsys, "sb_secret_of_another_project")
    assert code == 1
    assert "it refuses the key (Invalid API key)" in printed
    assert "this very project" in printed


class _Page(BaseHTTPRequestHandler):
    """Answers what the server that it belongs to is told to."""

    answer: tuple[int, str, bytes] = (200, "text/html", b"<h1>Welcome</h1>")

    def do_GET(self) -> None:
        status, kind, body = self.answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be silent."""


@contextmanager
def server(status: int, kind: str, body: bytes) -> Iterator[str]:
    """Give the address of a server that answers everything with this."""
    page = type("Page", (_Page,), {"answer": (status, kind, body)})
    with ThreadingHTTPServer(("127.0.0.1", 0), page) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}"
        finally:
            httpd.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            (200, "text/html", b"<h1>x</h1>"),
            "what is there is no Data API of Supabase (200: text/html)",
        ),
        ((404, "text/html", b"<h1>x</h1>"), "what is there is no Data API of Supabase (404"),
        ((302, "text/html", b""), "what is there is no Data API of Supabase (302"),
        ((502, "text/html", b"<h1>x</h1>"), "it cannot answer now (502: text/html)"),
        ((540, "application/json", b'{"message":"Project paused"}'), "now (540: Project paused)"),
        (
            (503, "application/json", b'{"code":"PGRST002","message":"no schema cache"}'),
            "it cannot answer now (503: no schema cache)",
        ),
        (
            (401, "application/json", b'{"code":"PGRST301","message":"JWSError"}'),
            "it refuses the key (JWSError)",
        ),
        (
            (406, "application/json", b'{"code":"PGRST106","message":"The schema must be one of"}'),
            "its Data API does not show the schema public",
        ),
    ],
)
def test_answers_that_are_no_projects(
    capsys: pytest.CaptureFixture[str], answer: tuple[int, str, bytes], told: str
) -> None:
    """Each is told apart: a wrong address, a project at rest, a key, a setting of the project."""
    with server(*answer) as url:
        code, printed = checked(url, capsys)
    assert (code, printed.count("MISSING")) == (1, 1)
    assert told in printed


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A closed port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    code, printed = checked(f"http://127.0.0.1:{port}", capsys)
    assert code == 1
    assert "cannot be reached" in printed


def test_somebody_who_does_not_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is made, the answer never comes."""
    monkeypatch.setattr(supabase, "ANSWER_SECONDS", 0.2)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        code, printed = checked(f"http://127.0.0.1:{silent.getsockname()[1]}", capsys)
    assert code == 1
    assert "does not answer within 0.2 seconds" in printed


def test_a_line_that_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    """The connection is closed without a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as rude:

        def hang_up() -> None:
            line, _ = rude.accept()
            line.recv(65536)
            line.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        code, printed = checked(f"http://127.0.0.1:{rude.getsockname()[1]}", capsys)
        thread.join()
    assert code == 1
    assert "broke (RemoteProtocolError)" in printed


def test_without_settings_there_is_nothing_to_check() -> None:
    """A sentence, no traceback."""
    done = zapd("supabase", "check")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "zapd: Set ZAPD_SUPABASE_URL and ZAPD_SUPABASE_KEY, then ask again.\n"


def test_the_sql_is_written_as_files(tmp_path: Path) -> None:
    """As `supabase migration` lays them out; written again it is the same."""
    folder = tmp_path / "supabase" / "migrations"
    for _ in range(2):
        assert zapd("supabase", "sql", "--write", str(folder)).returncode == 0
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        migration.name: migration.sql for migration in migrations()
    }


def test_a_file_that_was_changed_is_not_overwritten(tmp_path: Path) -> None:
    """An operator's own change is theirs to move away."""
    (tmp_path / migrations()[0].name).write_text("-- mine")
    with pytest.raises(CommandError, match="says something else"):
        supabase.write_sql(str(tmp_path))
    assert (tmp_path / migrations()[0].name).read_text() == "-- mine"
