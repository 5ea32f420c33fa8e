"""``zapd supabase sql`` and ``zapd supabase check``: make a project ready, see whether it is.

The check asks what the daemon will ask, with the same key, and writes nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.cli.texts import FAILED, OK, CommandError, note, out
from daemon.metadata.migrations import Migration, migrations
from daemon.metadata.schema import CHECK, SCHEMA, faults

if TYPE_CHECKING:
    import httpx

    from daemon.config import Settings

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 15.0
_APPLY = (
    "Apply zapd's migrations: `zapd supabase sql --write supabase/migrations`, then "
    "`supabase db push`; or paste what `zapd supabase sql` prints into the SQL editor."
)
_NO_TABLE = frozenset({"PGRST205", "42P01"})
_NO_COLUMN = frozenset({"PGRST204", "42703"})
_NO_SCHEMA = "PGRST106"
_NO_FUNCTION = frozenset({"PGRST202", "42883"})
_NO_RIGHT = "42501"


class Unusable(Exception):
    """Nothing further can be asked; ``advice`` is what to do about it."""

    def __init__(self, detail: str, advice: str) -> None:
        super().__init__(detail)
        self.advice = advice


def write_sql(directory: str | None, after: str | None = None) -> int:
    """Print the migrations, or write them as files into ``directory``.

    ``after`` is the version of one (the digits of its name): those that came later.
    """
    wanted = _later(after) if after else migrations()
    if not wanted:
        note(f"nothing is later than {after}")
    if directory is None:
        for migration in wanted:
            sys.stdout.write(f"-- {migration.name}\n\n{migration.sql}\n")
        return OK
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    for migration in wanted:
        path = folder / migration.name
        if path.exists() and path.read_text("utf-8") != migration.sql:
            raise CommandError(
                f"{path} is there and says something else. Was it changed by hand? Move it away, "
                "or write into another directory."
            )
        path.write_text(migration.sql, "utf-8")
        note(f"wrote {path}")
    return OK


def _later(version: str) -> list[Migration]:
    names = [migration.version for migration in migrations()]
    if version not in names:
        raise CommandError(f"{version} is none of zapd's migrations. They are: {', '.join(names)}.")
    return migrations()[names.index(version) + 1 :]


def check(settings: Settings) -> int:
    """Print what the project has and what it lacks; the exit code tells whether it can be used."""
    if settings.supabase_url is None or settings.supabase_key is None:
        raise CommandError("Set ZAPD_SUPABASE_URL and ZAPD_SUPABASE_KEY, then ask again.")
    import httpx  # noqa: PLC0415 - 60 ms and 14 MiB that other commands need not spend

    key = settings.supabase_key.reveal()
    with httpx.Client(
        base_url=f"{settings.supabase_url}/rest/v1",
        headers={"apikey": key, "Authorization": f"Bearer {key}"},
        timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
    ) as client:
        try:
            is_well = _report(Project(client), settings.supabase_url)
        except Unusable as found:
            _missing("project", str(found), found.advice)
            is_well = False
        except httpx.HTTPError as error:
            _missing("project", *_unreached(error, settings.supabase_url))
            is_well = False
    return OK if is_well else FAILED


class Project:
    """What can be asked of a project's Data API."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def lacks(self, table: str) -> str | None:
        """Return what of a table the Data API does not show; None where all is there."""
        code = self._ask(table, SCHEMA[table].columns)
        if code in _NO_COLUMN:
            names = [name for name in SCHEMA[table].columns if self._ask(table, [name])]
            return f"has no column {', '.join(names)}"
        if code in _NO_TABLE:
            return "is not there"
        if code == _NO_RIGHT:
            return "may not be read with this key"
        return code

    def tells(self) -> dict[str, dict[str, Any]] | None:
        """Return what ``zapd_check`` says of each table; None where there is no such function."""
        answer = self._client.post(f"/rpc/{CHECK}", json={})
        code = _code(answer)
        if code in _NO_FUNCTION or code == _NO_RIGHT:
            return None
        found = answer.json() if code is None else None
        if not isinstance(found, dict):
            raise Unusable(f"{CHECK} answers with {code or 'something else'}", _APPLY)
        return found

    def _ask(self, table: str, columns: list[str] | tuple[str, ...]) -> str | None:
        """Return the code of the error that reading gives, or None."""
        answer = self._client.get(f"/{table}", params={"select": ",".join(columns), "limit": "1"})
        return _code(answer)


def _report(project: Project, url: str) -> bool:
    lacking = {table: project.lacks(table) for table in SCHEMA}
    out(f"ok       project: {url} answers and takes the key")
    if all(what == "is not there" for what in lacking.values()):
        _missing("tables", "none of zapd's is there", _APPLY)
        return False
    told = project.tells()
    if told is None:
        _missing(CHECK, "the function is not there, so that rights cannot be seen", _APPLY)
    is_well = told is not None
    for table, what in lacking.items():
        wrong = [*_wrong(table, what, told)]
        for detail, advice in wrong:
            _missing(table, detail, advice)
        if not wrong:
            out(f"ok       {table}")
        is_well = is_well and not wrong
    if is_well:
        out("ok       Realtime: the tables are published (whether it runs, only the daemon sees)")
    return is_well


def _wrong(
    table: str, lacks: str | None, told: dict[str, dict[str, Any]] | None
) -> Iterator[tuple[str, str]]:
    if lacks is not None:
        yield lacks, _APPLY
    if told is not None and table in told:
        yield from faults(table, told[table])


def _missing(name: str, detail: str, advice: str) -> None:
    out(f"MISSING  {name}: {detail}")
    out(f"         → {advice}")


def _code(answer: httpx.Response) -> str | None:
    """Return the code of an error, None for an answer; raise where it concerns the whole project."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.is_success and body is not None:
        return None
    code = body.get("code") if isinstance(body, dict) else None
    if isinstance(code, str) and code == _NO_SCHEMA:
        raise Unusable(
            "its Data API does not show the schema public",
            "Add public to the exposed schemas in the project's Data API settings.",
        )
    if isinstance(code, str) and not code.startswith(("PGRST0", "PGRST3")):
        return code
    raise _unusable(answer, code)


def _unusable(answer: httpx.Response, code: object) -> Unusable:
    said = _said(answer)
    if answer.status_code in {401, 403} or str(code).startswith("PGRST3"):
        return Unusable(
            f"it refuses the key ({said})",
            "Copy a secret key (sb_secret_…) or the service_role key of this very project into "
            "ZAPD_SUPABASE_KEY; one that was revoked or belongs to another project is refused.",
        )
    if answer.status_code >= 500 or str(code).startswith("PGRST0"):  # noqa: PLR2004 - HTTP's own class
        return Unusable(
            f"it cannot answer now ({answer.status_code}: {said})",
            "Look at the project in Supabase: it may be paused, restarting or out of disk.",
        )
    return Unusable(
        f"what is there is no Data API of Supabase ({answer.status_code}: {said})",
        "Set ZAPD_SUPABASE_URL to the project's own, such as https://<project>.supabase.co.",
    )


def _said(answer: httpx.Response) -> str:
    """Return the server's message in short; of a page only what kind it is."""
    try:
        body = answer.json()
    except ValueError:
        return answer.headers.get("content-type", "no content") or "no content"
    message = body.get("message") if isinstance(body, dict) else None
    return str(message or json.dumps(body))[:200]


def _unreached(error: httpx.HTTPError, url: str) -> tuple[str, str]:
    """Return what kept an answer away, and what to do."""
    import httpx  # noqa: PLC0415 - loaded already by `check`

    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        reason = str(error) or "no connection in time"
        return (
            f"{url} cannot be reached ({reason[:200]})",
            "Check ZAPD_SUPABASE_URL, the name server and the firewall of this machine.",
        )
    if isinstance(error, httpx.TimeoutException):
        return (
            f"{url} does not answer within {ANSWER_SECONDS:g} seconds",
            "Look at the project in Supabase: it may be paused or overloaded.",
        )
    return (
        f"the line to {url} broke ({type(error).__name__})",
        "Ask again; if it stays so, look at what is between this machine and Supabase.",
    )
