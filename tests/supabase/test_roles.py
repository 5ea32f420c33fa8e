"""What members of one workspace may do there with tokens of their own, and what they may not.

The daemon's table of abilities says what is expected: whoever goes around the daemon, straight to
the Data API, can do exactly what the daemon would have allowed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from daemon.metadata.models import Role
from daemon.services.abilities import ROLES, Ability
from tests.supabase.api import Answer, Api, Row, signed_in
from tests.supabase.rig import Rig

DENIED = "42501"
LATER = "2026-12-24T00:00:00+00:00"


class Office(NamedTuple):
    """A workspace with two sessions, and a colleague whose work others meddle with."""

    rig: Rig
    workspace: str
    colleague: str

    def member(self, role: str, **options: object) -> Worker:
        """Return a new member of that role, signed in when used."""
        user = self.rig.add_member(self.workspace, role, **options)  # type: ignore[arg-type]  # as given
        return Worker(self, user, self.rig.user_token(user))

    def chat(self, session: str = "main", **assignment: object) -> Row:
        """Make a chat's assignment; return its key."""
        key = {"session_id": session, "chat_jid": f"{uuid.uuid4().int % 10**15}@lid"}
        self.rig.put("chat_assignments", workspace_id=self.workspace, **key, **assignment)
        return key


class Worker(NamedTuple):
    """Somebody who tries things."""

    office: Office
    user: str
    token: str

    def tries(self, what: Callable[[Worker, Api, str], Answer], session: str = "main") -> bool:
        """Do it; tell whether it took effect."""
        with signed_in(self.office.rig, self.token) as api:
            answer = what(self, api, session)
        assert answer.code in {None, DENIED}, answer
        return bool(answer.rows)


@pytest.fixture(scope="module")
def office(rig: Rig) -> Office:
    """Give the workspace."""
    workspace = rig.add_workspace()
    for session in ("main", "other"):
        rig.add_session(workspace, session)
    return Office(rig, workspace, rig.add_member(workspace, "agent"))


def own(worker: Worker, **values: object) -> Row:
    """Return a row of the worker's workspace."""
    return {"workspace_id": worker.office.workspace, **values}


def filters(key: Row) -> dict[str, str]:
    """Return the filters that find a row."""
    return {name: f"eq.{value}" for name, value in key.items()}


def views(worker: Worker, api: Api, _: str) -> Answer:
    """Read the workspace."""
    return api.read("workspaces", id=f"eq.{worker.office.workspace}")


def assigns(worker: Worker, api: Api, session: str) -> Answer:
    """Claim a chat that is nobody's."""
    key = worker.office.chat(session)
    return api.update("chat_assignments", {"assignee_id": worker.user}, **filters(key))


def sets_status(worker: Worker, api: Api, session: str) -> Answer:
    """Snooze a chat."""
    values = {"status": "snoozed", "snoozed_until": LATER}
    return api.update("chat_assignments", values, **filters(worker.office.chat(session)))


def tags_chat(worker: Worker, api: Api, session: str) -> Answer:
    """Put a tag on a chat."""
    tag = str(uuid.uuid4())
    worker.office.rig.put("tags", workspace_id=worker.office.workspace, id=tag, name=tag)
    return api.insert("chat_tags", own(worker, session_id=session, chat_jid="1@lid", tag_id=tag))


def writes_note(worker: Worker, api: Api, session: str) -> Answer:
    """Write a note."""
    row = own(worker, session_id=session, chat_jid="1@lid", author_id=worker.user, body="x")
    return api.insert("chat_notes", row)


def makes_own_quick_reply(worker: Worker, api: Api, _: str) -> Answer:
    """Make a quick reply for oneself."""
    row = own(worker, shortcut=uuid.uuid4().hex, body="x", owner_id=worker.user)
    return api.insert("quick_replies", row)


def sets_own_setting(worker: Worker, api: Api, _: str) -> Answer:
    """Write a setting of one's own."""
    scope = f"user:{worker.user}"
    return api.insert("settings", own(worker, scope=scope, key=uuid.uuid4().hex, value=1))


def takes_chat(worker: Worker, api: Api, session: str) -> Answer:
    """Take a chat that is the colleague's."""
    key = worker.office.chat(session, assignee_id=worker.office.colleague)
    return api.update("chat_assignments", {"assignee_id": worker.user}, **filters(key))


def deletes_note(worker: Worker, api: Api, session: str) -> Answer:
    """Delete the colleague's note."""
    note = str(uuid.uuid4())
    row = own(worker, id=note, session_id=session, chat_jid="1@lid", body="x")
    worker.office.rig.put("chat_notes", **row, author_id=worker.office.colleague)
    return api.update("chat_notes", {"deleted_at": LATER}, id=f"eq.{note}")


def makes_tag(worker: Worker, api: Api, _: str) -> Answer:
    """Make a tag."""
    return api.insert("tags", own(worker, name=uuid.uuid4().hex))


def makes_quick_reply(worker: Worker, api: Api, _: str) -> Answer:
    """Make a quick reply for everybody."""
    return api.insert("quick_replies", own(worker, shortcut=uuid.uuid4().hex, body="x"))


def sets_setting(worker: Worker, api: Api, _: str) -> Answer:
    """Write a setting of the workspace."""
    return api.insert("settings", own(worker, key=uuid.uuid4().hex, value=1))


def renames_member(worker: Worker, api: Api, _: str) -> Answer:
    """Rename the colleague."""
    user = f"eq.{worker.office.colleague}"
    return api.update("workspace_members", {"display_name": uuid.uuid4().hex}, user_id=user)


def makes_owner(worker: Worker, api: Api, _: str) -> Answer:
    """Make a new member an owner."""
    user = worker.office.rig.add_member(worker.office.workspace, "agent")
    return api.update("workspace_members", {"role": "owner"}, user_id=f"eq.{user}")


ATTEMPTS: Mapping[Ability, Callable[[Worker, Api, str], Answer]] = {
    Ability.VIEW: views,
    Ability.ASSIGN_CHATS: assigns,
    Ability.SET_STATUS: sets_status,
    Ability.TAG_CHATS: tags_chat,
    Ability.WRITE_NOTES: writes_note,
    Ability.OWN_QUICK_REPLIES: makes_own_quick_reply,
    Ability.OWN_SETTINGS: sets_own_setting,
    Ability.TRANSFER_CHATS: takes_chat,
    Ability.DELETE_NOTES: deletes_note,
    Ability.MANAGE_TAGS: makes_tag,
    Ability.MANAGE_QUICK_REPLIES: makes_quick_reply,
    Ability.MANAGE_SETTINGS: sets_setting,
    Ability.MANAGE_MEMBERS: renames_member,
    Ability.MANAGE_OWNERS: makes_owner,
}
#: Those that depend on the session in which they are tried.
OF_SESSIONS = (
    Ability.ASSIGN_CHATS,
    Ability.SET_STATUS,
    Ability.TAG_CHATS,
    Ability.WRITE_NOTES,
    Ability.TRANSFER_CHATS,
    Ability.DELETE_NOTES,
)


def test_every_ability_is_tried() -> None:
    """A new one needs its policy, and its line here."""
    assert set(ATTEMPTS) == set(Ability)


@pytest.mark.parametrize("role", list(Role))
def test_a_role_can_what_the_daemon_would_allow_it(office: Office, role: Role) -> None:
    """The policies and the daemon's table say the same."""
    worker = office.member(role)
    could = {ability for ability, attempt in ATTEMPTS.items() if worker.tries(attempt)}
    assert could == ROLES[role]


@pytest.mark.parametrize("ability", [item for item in Ability if item != Ability.MANAGE_OWNERS])
def test_permissions_give_and_take(office: Office, ability: Ability) -> None:
    """A single ability is added to a viewer, and taken from an owner."""
    attempt = ATTEMPTS[ability]
    assert office.member("viewer", permissions={ability: True}).tries(attempt)
    assert not office.member("owner", permissions={ability: False}).tries(attempt)


def test_to_make_owners_takes_both_abilities(office: Office) -> None:
    """Who may not touch members does not make owners of them."""
    only = office.member("agent", permissions={"manage_owners": True})
    both = office.member("admin", permissions={"manage_owners": True})
    assert not only.tries(makes_owner)
    assert both.tries(makes_owner)


@pytest.mark.parametrize("ability", OF_SESSIONS)
def test_permissions_of_one_session_go_before_the_others(office: Office, ability: Ability) -> None:
    """Added and taken in one session alone; what is neither true nor false says nothing."""
    attempt = ATTEMPTS[ability]
    adds: Row = {"sessions": {"other": {ability: True}}, ability: "yes"}
    viewer = office.member("viewer", permissions=adds)
    assert (viewer.tries(attempt), viewer.tries(attempt, "other")) == (False, True)
    takes: Row = {"sessions": {"other": {ability: False}}}
    owner = office.member("owner", permissions=takes)
    assert (owner.tries(attempt), owner.tries(attempt, "other")) == (True, False)


# --- what a member can see of the sessions ---------------------------------------------------------


def filled(office: Office) -> None:
    """Put rows of both sessions into every table that has them."""
    rig, space = office.rig, {"workspace_id": office.workspace}
    tag = str(uuid.uuid4())
    rig.put("tags", **space, id=tag, name=tag)
    for session in ("main", "other"):
        key = office.chat(session)
        rig.put("chat_tags", **space, **key, tag_id=tag)
        rig.put("chat_notes", **space, **key, body="x")
        rig.put("settings", **space, scope=f"session:{session}", key=tag, value="1")
        rig.put("activity_log", **space, id=str(uuid.uuid4()), action="x", session_id=session)


SESSION_OF: Mapping[str, Callable[[Row], str | None]] = {
    "whatsapp_sessions": lambda row: str(row["id"]),
    "chat_assignments": lambda row: str(row["session_id"]),
    "chat_tags": lambda row: str(row["session_id"]),
    "chat_notes": lambda row: str(row["session_id"]),
    "activity_log": lambda row: row["session_id"],
    "settings": lambda row: row["scope"].partition("session:")[2] or None,
}


@pytest.mark.parametrize("table", SESSION_OF)
def test_a_narrowed_member_sees_their_sessions_alone(office: Office, table: str) -> None:
    """Also by the permission to view; what is the workspace's is seen by all."""
    filled(office)
    rig = office.rig
    rig.put("settings", workspace_id=office.workspace, key=uuid.uuid4().hex, value="1")
    of_all = {"workspace_id": office.workspace, "id": str(uuid.uuid4()), "action": "x"}
    rig.put("activity_log", **of_all)
    narrowed = office.member("supervisor", sessions=["main"])
    barred = office.member("supervisor", permissions={"sessions": {"other": {"view": False}}})
    whole = office.member("supervisor")
    nothing = office.member("supervisor", sessions=[])
    seen = []
    for worker in (whole, narrowed, barred, nothing):
        with signed_in(rig, worker.token) as api:
            rows = api.read(table).rows
        seen.append({SESSION_OF[table](row) for row in rows})
    shared = {None} if table in {"activity_log", "settings"} else set()
    one = {"main"} | shared
    assert seen == [{"main", "other"} | shared, one, one, shared]


@pytest.mark.parametrize("ability", OF_SESSIONS)
def test_a_narrowed_member_changes_nothing_elsewhere(office: Office, ability: Ability) -> None:
    """Whatever the role."""
    owner = office.member("owner", sessions=["main"])
    assert owner.tries(ATTEMPTS[ability])
    assert not owner.tries(ATTEMPTS[ability], "other")


def test_no_chat_is_moved_out_of_sight(office: Office) -> None:
    """A row cannot be pushed into a session that the member does not see."""
    worker = office.member("supervisor", sessions=["main"])
    key = filters(office.chat())
    with signed_in(office.rig, worker.token) as api:
        assert api.update("chat_assignments", {"session_id": "other"}, **key).code == DENIED


def test_settings_of_a_session_follow_it(office: Office) -> None:
    """Who does not see it does not write them."""
    worker = office.member("supervisor", sessions=["main"])
    with signed_in(office.rig, worker.token) as api:
        for session, code in (("main", None), ("other", DENIED)):
            row = own(worker, scope=f"session:{session}", key=uuid.uuid4().hex, value=1)
            assert api.insert("settings", row).code == code


# --- nobody makes more of themselves ---------------------------------------------------------------


@pytest.mark.parametrize(
    "wish",
    [
        {"role": "owner"},
        {"session_ids": None},
        {"permissions": {"manage_tags": True}},
        {"active": True},
        {"display_name": "somebody else"},
    ],
    ids=lambda wish: next(iter(wish)),
)
@pytest.mark.parametrize("role", ["viewer", "agent", "supervisor"])
def test_nobody_promotes_themselves(office: Office, role: str, wish: Row) -> None:
    """One's own membership is others' to change."""
    worker = office.member(role, sessions=["main"])
    mine = f"user_id = '{worker.user}'"
    before = office.rig.rows(f"select * from workspace_members where {mine}")  # noqa: S608 - the tests' own
    with signed_in(office.rig, worker.token) as api:
        assert api.update("workspace_members", wish, user_id=f"eq.{worker.user}").rows == []
    assert office.rig.rows(f"select * from workspace_members where {mine}") == before  # noqa: S608 - likewise


def test_an_admin_neither_becomes_nor_unmakes_an_owner(office: Office) -> None:
    """Owners are owners' to make and to unmake."""
    admin, owner = office.member("admin"), office.member("owner")
    with signed_in(office.rig, admin.token) as api:
        promoted = api.update("workspace_members", {"role": "owner"}, user_id=f"eq.{admin.user}")
        assert promoted.code == DENIED
        ended = api.update("workspace_members", {"active": False}, user_id=f"eq.{owner.user}")
        assert ended.rows == []


@pytest.mark.parametrize(
    "permissions", [{"manage_owners": True}, {"sessions": {"main": {"manage_owners": True}}}]
)
def test_an_admin_gives_no_ability_that_they_lack(office: Office, permissions: Row) -> None:
    """Not to themselves and not to others; what they have they may give."""
    admin = office.member("admin")
    with signed_in(office.rig, admin.token) as api:
        for user in (admin.user, office.colleague):
            wish = {"permissions": permissions}
            assert api.update("workspace_members", wish, user_id=f"eq.{user}").code == DENIED
        given = {"permissions": {"manage_tags": True}}
        assert api.update(
            "workspace_members", given, user_id=f"eq.{office.member('agent').user}"
        ).rows


@pytest.mark.parametrize(
    ("column", "value"), [("user_id", str(uuid.UUID(int=1))), ("version", 9), ("op_id", None)]
)
def test_columns_that_are_nobodys_to_set(office: Office, column: str, value: object) -> None:
    """An owner changes what a membership says, not whose it is."""
    owner = office.member("owner")
    with signed_in(office.rig, owner.token) as api:
        answer = api.update("workspace_members", {column: value}, user_id=f"eq.{office.colleague}")
    assert answer.code == DENIED


# --- what goes by the row before -------------------------------------------------------------------


def test_a_chat_that_somebody_has_is_not_taken_by_a_detour(office: Office) -> None:
    """Neither freed nor deleted by another agent; whose it is may hand it on."""
    worker = office.member("agent")
    with ExitStack() as stack:
        thief = stack.enter_context(signed_in(office.rig, worker.token))
        holder = stack.enter_context(signed_in(office.rig, office.rig.user_token(office.colleague)))
        key = filters(office.chat(assignee_id=office.colleague))
        for values in ({"assignee_id": None}, {"deleted_at": LATER}):
            assert thief.update("chat_assignments", values, **key).code == DENIED
        assert thief.update("chat_assignments", {"status": "pending"}, **key).rows
        (row,) = holder.update("chat_assignments", {"assignee_id": worker.user}, **key).rows
        assert row["assigned_by"] == office.colleague


def test_a_chat_goes_only_to_who_can_see_it(office: Office) -> None:
    """Not to a member who is narrowed to other sessions, nor to one who left."""
    worker = office.member("agent")
    unfit = [office.member("agent", sessions=["other"]), office.member("agent", active=False)]
    with signed_in(office.rig, worker.token) as api:
        for other in unfit:
            given = {"assignee_id": other.user}
            answer = api.update("chat_assignments", given, **filters(office.chat()))
            assert answer.code == "23503"


def test_a_chat_that_wakes_up_has_no_time_left(office: Office) -> None:
    """A plain change of the status takes snoozed_until along."""
    key = filters(office.chat(status="snoozed", snoozed_until=LATER))
    with signed_in(office.rig, office.member("agent").token) as api:
        (row,) = api.update("chat_assignments", {"status": "open"}, **key).rows
    assert row["snoozed_until"] is None


def test_a_note_is_its_authors_word(office: Office) -> None:
    """A supervisor may delete it, not put words into it, not give it to another author."""
    supervisor = office.member("supervisor")
    note = str(uuid.uuid4())
    row = {"workspace_id": office.workspace, "id": note, "session_id": "main", "body": "x"}
    office.rig.put("chat_notes", **row, chat_jid="1@lid", author_id=office.colleague)
    with signed_in(office.rig, supervisor.token) as api:
        for values in ({"body": "y"}, {"author_id": supervisor.user}, {"chat_jid": "2@lid"}):
            assert api.update("chat_notes", values, id=f"eq.{note}").code == DENIED
        assert api.update("chat_notes", {"deleted_at": LATER}, id=f"eq.{note}").rows


def test_nobody_writes_in_anothers_name(office: Office) -> None:
    """Authors and owners are refused, who changed a row is set by the database."""
    worker, other = office.member("agent"), office.colleague
    with signed_in(office.rig, worker.token) as api:
        note = own(worker, session_id="main", chat_jid="1@lid", body="x", author_id=other)
        assert api.insert("chat_notes", note).code == DENIED
        reply = own(worker, shortcut="abc", body="x", owner_id=other)
        assert api.insert("quick_replies", reply).code == DENIED
        setting = own(worker, scope=f"user:{other}", key="k", value=1)
        assert api.insert("settings", setting).code == DENIED
        line = own(worker, id=str(uuid.uuid4()), action="x", actor_id=worker.user)
        assert api.insert("activity_log", line).code == DENIED
        forged = {"changed_by": other, "assigned_by": other, "assignee_id": worker.user}
        (row,) = api.update("chat_assignments", forged, **filters(office.chat())).rows
        assert (row["changed_by"], row["assigned_by"]) == (worker.user, worker.user)


def test_what_is_one_members_own_is_not_read_by_others(office: Office) -> None:
    """Quick replies of one's own; settings of one's own, but for who manages them."""
    author, other, boss = (office.member(role) for role in ("agent", "agent", "supervisor"))
    assert author.tries(makes_own_quick_reply)
    assert author.tries(sets_own_setting)
    counts = []
    for worker in (author, other, boss):
        with signed_in(office.rig, worker.token) as api:
            replies = api.read("quick_replies", owner_id=f"eq.{author.user}").rows
            settings = api.read("settings", scope=f"eq.user:{author.user}").rows
        counts.append((len(replies), len(settings)))
    assert counts == [(1, 1), (0, 0), (0, 1)]
