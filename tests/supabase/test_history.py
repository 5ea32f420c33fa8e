"""History in a project, where it is more than the contract: late requests, months, people's eyes."""

from __future__ import annotations

import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio

from daemon.history.models import SearchQuery, StoredMessage
from daemon.history.port import HistoryFailed, RecordRefused
from daemon.history.remote_rows import rows_of
from daemon.history.supabase import SupabaseHistory
from daemon.metadata.migrations import migrations
from daemon.metadata.schema import SCHEMA
from sessions.ids import ChatRef, SessionKey
from tests.supabase.api import signed_in
from tests.supabase.postgres import Postgres
from tests.supabase.rig import Rig, literal, open_rig
from tests.unit.daemon.history.samples import ANNA, BOB, chat, contact, message

PATIENT = httpx.Timeout(40.0)
DAY = 86_400_000
MONTH = 31 * DAY
NOW = int(datetime.now(UTC).timestamp() * 1000)  # months are made by the server's clock
FUNCTIONS = SCHEMA["messages_history"].functions
TABLES = ("messages_history", "chats_history", "contacts_history")


@pytest_asyncio.fixture
async def store(rig: Rig) -> AsyncIterator[SupabaseHistory]:
    """Yield an open store."""
    opened = SupabaseHistory(rig.url, rig.secret_key, timeout=PATIENT)
    yield opened
    await opened.close()


@pytest.fixture
def ref(rig: Rig) -> ChatRef:
    """Return a chat of a workspace of the test's own."""
    rig.sql("truncate public.messages_history")
    return ChatRef(f"ws-{uuid.uuid4().hex}", "main", ANNA)


async def ids(store: SupabaseHistory, ref: ChatRef) -> list[str]:
    """Return the ids of a chat, newest first."""
    return [found.id for _, found in await store.before(ref, None, 100_000)]


def months(rig: Rig) -> set[str]:
    """Return the partitions that hold something."""
    found = rig.rows("select distinct tableoid::regclass::text as name from messages_history")
    return {row["name"] for row in found}


def month_of(at: int) -> str:
    """Return the partition of a time."""
    return f"history.messages_{datetime.fromtimestamp(at / 1000, UTC):%Y%m}"


def test_a_request_that_comes_late_does_nothing(rig: Rig, ref: ChatRef) -> None:
    """Given up by the client, overtaken by others, it must not bring the old state back."""
    writer = str(uuid.uuid4())

    def send(stamp: int, row: StoredMessage) -> object:
        body = rows_of([row])._asdict() | {"gone": [], "writer": writer, "stamp": stamp}
        address = f"{rig.url}/rest/v1/rpc/zapd_history_write"
        return httpx.post(address, json=body, headers=rig.headers(), timeout=40.0).json()

    def texts() -> list[str]:
        return [row["text"] for row in rig.rows("select text from messages_history order by place")]

    assert send(1, message("m1", "first", chat=ref)) is True
    assert send(3, message("m1", "newest", chat=ref)) is True
    assert send(2, message("m1", "late", chat=ref)) is False
    assert send(2, message("m2", "late", chat=ref)) is False
    assert texts() == ["newest"]
    late = {"writer": writer, "stamp": 3, "workspace": ref.workspace, "session": ref.session}
    address = f"{rig.url}/rest/v1/rpc/zapd_history_erase"
    answer = httpx.post(
        address, json=late | {"jids": None, "at_most": 9}, headers=rig.headers(), timeout=40.0
    )
    assert (answer.json(), texts()) == (None, ["newest"])
    assert send(4, message("m2", "next", chat=ref, at=NOW)) is True
    assert texts() == ["newest", "next"]


async def test_messages_lie_in_their_months(rig: Rig, store: SupabaseHistory, ref: ChatRef) -> None:
    """The past's are made as rows come; what is dated oddly has a place too."""
    times = [NOW, NOW - 2 * MONTH, NOW - 60 * MONTH, 0, NOW + 1000 * DAY]
    await store.write([message(f"m{at}", chat=ref, at=at) for at in times])
    assert months(rig) == {*map(month_of, times[:3]), "history.messages_default"}
    assert await ids(store, ref) == [f"m{at}" for at in sorted(times, reverse=True)]


async def test_a_month_takes_over_what_waited_for_it(
    rig: Rig, store: SupabaseHistory, ref: ChatRef
) -> None:
    """What was dated too far ahead moves when its month is made."""
    at = NOW + 200 * DAY
    row = message("m1", chat=ref, at=at)
    await store.write([row, message("m2", chat=ref, at=at + 400 * DAY)])
    assert months(rig) == {"history.messages_default"}
    day = datetime.fromtimestamp(at / 1000, UTC).date().replace(day=1)
    assert rig.sql(f"select private.history_cover('{day}')") == "t"
    assert rig.sql(f"select private.history_cover('{day}')") == "f"
    assert months(rig) == {"history.messages_default", month_of(at)}
    assert await store.message(ref.workspace, "m1") == row
    assert await ids(store, ref) == ["m2", "m1"]
    rig.sql(f"drop table {month_of(at)}")


def test_this_month_and_the_next_two_are_there(rig: Rig) -> None:
    """From the migration on, so that no write has to make them."""
    found = {f"history.{row['name']}" for row in rig.rows("select * from private.history_months()")}
    first = datetime.fromtimestamp(NOW / 1000, UTC).replace(day=1)
    ahead = [(first.year + month // 12, month % 12 + 1) for month in range(first.month - 1, 14)][:3]
    assert found >= {f"history.messages_{year}{month:02d}" for year, month in ahead}


async def test_the_past_leaves_by_size(rig: Rig, store: SupabaseHistory, ref: ChatRef) -> None:
    """The oldest months first, until the rest fits; this month stays whatever it takes."""
    await store.prune(None, 1)  # the months that other tests made
    rows = [
        message(f"m{n}-{month}", "x" * 2000, chat=ref, at=NOW - month * MONTH)
        for month in range(4)
        for n in range(300)
    ]
    await store.write(rows)
    all_ = "select sum(pg_total_relation_size(relid)) from pg_partition_tree('messages_history')"
    size = int(rig.sql(all_))
    assert await store.prune(None, size) == 0
    assert await store.prune(None, size - 1000) == 300
    assert months(rig) == {month_of(NOW - month * MONTH) for month in range(3)}
    assert await store.prune(None, 1) == 600
    assert months(rig) == {month_of(NOW)}
    assert len(await ids(store, ref)) == 300


async def test_old_months_are_dropped_whole(rig: Rig, store: SupabaseHistory, ref: ChatRef) -> None:
    """What lies in a month that stays, or in none, is deleted by row."""
    times = [NOW, NOW - MONTH, NOW - 12 * MONTH, 0]
    await store.write([message(f"m{at}", chat=ref, at=at) for at in times])
    assert await store.prune(NOW - MONTH + 1, None) == 3
    assert await ids(store, ref) == [f"m{NOW}"]
    assert rig.sql(f"select to_regclass('{month_of(NOW - 12 * MONTH)}') is null") == "t"


async def test_what_is_rare_is_found_behind_what_is_new(
    rig: Rig, store: SupabaseHistory, ref: ChatRef
) -> None:
    """Beyond the newest thousands the index finds it, month by month, and pages go on there."""
    future = NOW + 300 * DAY  # in no month: above them all
    times = [future - DAY, NOW, *(NOW - n * MONTH for n in (1, 1, 2, 5, 30)), 1000, 0]
    other = ref._replace(session="second")
    rows = [message(f"n{n}", "one needle", chat=ref, at=at) for n, at in enumerate(times)]
    rows += [message(f"f{n}", "hay", chat=ref, at=future + n // 2) for n in range(5300)]
    await store.write([*rows, message("o1", "needle hay", chat=other, at=NOW - 1)])
    whole = ["n0", "n1", "o1", "n3", "n2", "n4", "n5", "n6", "n7", "n8"]

    async def search(*words: str, **more: Any) -> list[tuple[str, int]]:  # noqa: ANN401 - a query's own fields
        hits = await store.search(SearchQuery(ref.workspace, words, **more))
        return [(hit.message.id, hit.place) for hit in hits.found]

    assert [id for id, _ in await search("needle")] == whole
    assert [id for id, _ in await search("one", "need")] == [id for id in whole if id != "o1"]
    assert [id for id, _ in await search("need", sessions=frozenset({"second"}))] == ["o1"]
    assert [id for id, _ in await search("needle", chats=(other,))] == ["o1"]
    assert [id for id, _ in await search("needle", since=NOW - MONTH, until=NOW)] == whole[1:5]
    place, paged = None, []
    while page := await search("needle", limit=2, after=place):
        paged += [id for id, _ in page]
        place = page[-1][1]
    assert paged == whole
    newest = [id for id, _ in await search("hay", limit=5200)]
    assert newest == [row.id for row in reversed(rows[-5200:])]
    assert len(await search("hay", limit=9000)) == 5301
    stranger = SearchQuery("nobody", ("needle",))
    assert await store.search(stranger) == ([], None)
    rig.add_workspace(stranger.workspace)
    assert await store.search(stranger) == ([], None)


async def test_an_erased_contact_is_found_nowhere(
    postgres: Postgres, rig: Rig, store: SupabaseHistory, ref: ChatRef
) -> None:
    """In no row of any table; and once PostgreSQL has cleaned up, in no table's file."""
    number, phrase = ANNA.partition("@")[0], "zebraphrase"
    group = ref._replace(jid="120363000000000001@g.us")
    await store.write(
        [
            *(message(f"a{n}", f"{phrase} {n}", chat=ref, at=NOW - n * DAY) for n in range(300)),
            message("g1", phrase, chat=group, sender=ANNA),
            message("g2", "what Bob said", chat=group, sender=BOB, at=NOW),
            *(chat(ref, name=phrase), chat(group), contact(ANNA, ref.workspace)),
        ]
    )
    rig.sql("analyze")
    assert {*found(rig, number), *found(rig, phrase)} >= {*TABLES}
    counts = await store.erase_contact(SessionKey(*ref[:2]), frozenset({ANNA}))
    assert counts == {"messages": 301, "chats": 1, "contacts": 1}
    assert await ids(store, group) == ["g2"]
    assert [*found(rig, number), *found(rig, phrase)] == []
    rig.sql(f"vacuum (full, analyze) {', '.join(TABLES)}")  # as the reference says
    assert await store.prune(None, None) == 0  # months that hold nothing go, their samples too
    rig.sql("vacuum full pg_statistic; checkpoint")
    oid = rig.sql("select oid from pg_database where datname = current_database()")
    files = [*(postgres.directory / "data" / "base" / oid).iterdir()]
    holding = [
        (path.name, trace)
        for path in files
        for trace in (number, phrase)
        if trace.encode() in path.read_bytes()
    ]
    assert holding == []
    assert any(b"what Bob said" in path.read_bytes() for path in files)


def found(rig: Rig, trace: str) -> list[str]:
    """Return the tables, of all schemas but the catalogue's, with a row that has it."""
    tables = rig.rows(
        "select format('%I.%I', nspname, relname) as name, relname from pg_class c "
        "join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'p', 'm') "
        "and nspname not in ('pg_catalog', 'information_schema', 'pg_toast')"
    )
    sought = literal(f"%{trace}%")
    return [
        table["relname"]
        for table in tables
        if rig.sql(f"select true from {table['name']} t where t::text like {sought} limit 1")  # noqa: S608 - the tests' own
    ]


def test_members_see_the_past_of_their_sessions(rig: Rig) -> None:
    """Whoever is narrowed to a session reads its rows alone, and searches among them alone."""
    tenant = rig.add_tenant("main", "second")
    ws = tenant.workspace
    for n, session in enumerate(("main", "second")):
        of = {"workspace_id": ws, "session_id": session}
        said = {"type": "text", "text": "Olá você", "head": "{", "tail": "}"}
        rig.put(
            "messages_history",
            **of,
            **(said | {"place": n, "id": session, "chat_jid": ANNA, "sender": ANNA}),
            at_ms=0,
            from_me=False,
        )
        rig.put(
            "chats_history",
            **(of | {"chat_jid": ANNA, "unread": 0, "active_ms": 0}),
            archived=False,
            pinned=False,
        )
        rig.put("contacts_history", **of, jid=ANNA, body="{}")
    narrow = rig.user_token(rig.add_member(ws, sessions=["second"]))
    for token, seen in ((tenant.token, {"main", "second"}), (narrow, {"second"})):
        with signed_in(rig, token) as api:
            for table in TABLES:
                assert {row["session_id"] for row in api.read(table).rows} == seen
            hits = api.read("messages_history", words="plfts(simple).ola voce").rows
            assert {row["session_id"] for row in hits} == seen


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_the_gateway_calls_its_functions(rig: Rig, function: str) -> None:
    """They pass all policies."""
    names = rig.sql(f"select unnest(proargnames) from pg_proc where proname = '{function}'")  # noqa: S608 - the tests' own
    body = dict.fromkeys(names.split())
    tenant = rig.add_tenant("main", role="owner")
    for headers in (rig.headers(tenant.token), rig.headers(key=rig.publishable_key)):
        answer = httpx.post(f"{rig.url}/rest/v1/rpc/{function}", json=body, headers=headers)
        assert answer.json()["code"] == "42501"


def test_a_projects_default_rights_open_nothing(postgres: Postgres) -> None:
    """Older projects grant everything that is new to everybody; what zapd makes is granted by name."""
    with open_rig(postgres, migrated=False) as rig:
        for kind in ("tables", "functions"):
            rig.sql(
                f"alter default privileges grant all on {kind} to anon, authenticated, service_role"
            )
        for migration in migrations():
            rig.sql(migration.sql)
        open_ = rig.rows(
            "select p.oid::regprocedure::text as name from pg_proc p, unnest(array['anon', "
            "'authenticated']) role where proname like 'zapd%' "
            "and has_function_privilege(role, p.oid, 'execute')"
        )
        assert open_ == []
        parts = rig.rows(
            "select relname from pg_class c, unnest(array['anon', 'authenticated', 'service_role']) "
            "role where relnamespace = 'history'::regnamespace and relkind = 'r' "
            "and has_table_privilege(role, c.oid, 'select, insert, update, delete')"
        )
        assert parts == []
        for role, rights in (("anon", []), ("authenticated", ["SELECT"])):
            granted = rig.rows(
                "select distinct privilege_type as right from information_schema.role_table_grants "  # noqa: S608 - likewise
                f"where grantee = {literal(role)} and table_name like '%\\_history'"
            )
            assert [row["right"] for row in granted] == rights


async def test_partitions_are_closed(rig: Rig, store: SupabaseHistory, ref: ChatRef) -> None:
    """Row-level security is on in each, made by the migration or as rows came."""
    await store.write([message("m1", chat=ref, at=NOW - 24 * MONTH)])
    found = rig.rows(
        "select relname from pg_class where relnamespace = 'history'::regnamespace "
        "and relkind in ('r', 'p') and not relrowsecurity"
    )
    assert found == []


async def test_a_workspace_is_made_once(rig: Rig, store: SupabaseHistory, ref: ChatRef) -> None:
    """By its slug, as the metadata's side makes it: whoever comes first."""
    await store.write([contact(workspace=ref.workspace)])
    await store.write([contact(BOB, workspace=ref.workspace)])
    slug = literal(ref.workspace)
    found = rig.rows(f"select slug, name, deleted_at from workspaces where slug = {slug}")  # noqa: S608 - the tests' own
    assert found == [{"slug": ref.workspace, "name": ref.workspace, "deleted_at": None}]


async def test_a_row_without_a_mark_is_of_unknown_count(
    rig: Rig, store: SupabaseHistory, ref: ChatRef
) -> None:
    """As rows were before there were marks: nothing is taken for counted."""
    await store.write([contact(workspace=ref.workspace)])
    workspace = rig.sql(f"select id from workspaces where slug = {literal(ref.workspace)}")  # noqa: S608 - the tests' own
    rig.put(
        "chats_history",
        workspace_id=workspace,
        session_id=ref.session,
        chat_jid=ref.jid,
        unread=2,
        active_ms=NOW,
        archived=False,
        pinned=False,
    )
    row = await store.chat(ref)
    assert row is not None
    assert (row.unread, row.mark) == (2, 0)
    await store.write([row._replace(unread=3, mark=1 << 61)])
    assert await store.chat(ref) == row._replace(unread=3, mark=1 << 61)


async def test_nobody_there(ref: ChatRef) -> None:
    """A sentence that says so, for reads and writes."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    store = SupabaseHistory(f"http://127.0.0.1:{port}", "sb_secret_x")
    for attempt in (store.write([message("m1")]), store.before(ref, None, 1), store.prune(1, None)):
        with pytest.raises(HistoryFailed, match="does not answer") as failed:
            await attempt
        assert not isinstance(failed.value, RecordRefused)
    await store.close()
    await store.close()


async def test_a_key_that_is_refused(rig: Rig) -> None:
    """Says which setting to look at."""
    store = SupabaseHistory(rig.url, "sb_secret_of_another_project", timeout=PATIENT)
    with pytest.raises(HistoryFailed) as failed:
        await store.write([message("m1")])
    assert "ZAPD_SUPABASE_KEY" in (failed.value.user_action or "")
    await store.close()


async def test_functions_that_are_not_there(own_rig: Rig) -> None:
    """The migrations are named, not the address."""
    own_rig.sql("drop function zapd_history_write, zapd_history_search")
    store = SupabaseHistory(own_rig.url, own_rig.secret_key, timeout=PATIENT)
    with pytest.raises(HistoryFailed, match="lacks the functions") as failed:
        await store.write([message("m1")])
    assert "zapd supabase sql" in (failed.value.user_action or "")
    await store.close()
