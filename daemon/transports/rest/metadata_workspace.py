"""Routes of what belongs to the whole workspace: tags, quick replies, settings, members, log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from daemon.auth.scopes import Scope
from daemon.metadata.models import Activity, AnyRow, render
from daemon.metadata.port import ActivityQuery
from daemon.services.metadata.members import MemberChange
from daemon.services.metadata.quick_replies import ReplyChange
from daemon.services.metadata.tags import TagChange
from daemon.transports.rest import metadata_shapes as m
from daemon.transports.rest.answers import listing
from daemon.transports.rest.conditions import IF_MATCH, expected_version, row_answer
from daemon.transports.rest.reading import check_path, decode_cursor, encode_cursor
from daemon.transports.rest.route import ApiRoute, Call
from daemon.transports.rest.values import Nothing, Short
from sessions.ids import ChatRef
from sessions.models import iso


def _rows(call: Call, rows: Iterable[AnyRow]) -> Response:
    return listing(call.request, (msgspec.json.encode(render(row)) for row in rows))


def _as(shape: type[Any], body: msgspec.Struct) -> Any:  # noqa: ANN401 - what `shape` is
    """Return the body's fields as the service's own struct."""
    values: Mapping[str, Any] = msgspec.structs.asdict(body)
    given = {name: value for name, value in values.items() if value is not msgspec.UNSET}
    return msgspec.convert(given, shape)


# -- tags


async def list_tags(call: Call) -> Response:
    """Return the tags."""
    return _rows(call, call.services.metadata.tags.all(call.who))


async def create_tag(call: Call) -> Response:
    """Make a tag."""
    wanted = _as(TagChange, call.body)
    return row_answer(await call.services.metadata.tags.create(call.who, wanted), 201)


async def change_tag(call: Call) -> Response:
    """Change a tag."""
    wanted, expected = _as(TagChange, call.body), expected_version(call.request)
    tags = call.services.metadata.tags
    return row_answer(await tags.change(call.who, call.path["tag"], wanted, expected))


async def delete_tag(call: Call) -> Response:
    """Delete a tag."""
    expected = expected_version(call.request)
    await call.services.metadata.tags.delete(call.who, call.path["tag"], expected)
    return Response(status_code=204)


# -- quick replies


async def list_quick_replies(call: Call) -> Response:
    """Return the quick replies."""
    return _rows(call, call.services.metadata.quick_replies.all(call.who))


async def create_quick_reply(call: Call) -> Response:
    """Make a quick reply."""
    body: m.NewQuickReply = call.body
    replies = call.services.metadata.quick_replies
    made = await replies.create(call.who, body.shortcut, body.body, shared=body.shared)
    return row_answer(made, 201)


async def change_quick_reply(call: Call) -> Response:
    """Change a quick reply."""
    wanted, expected = _as(ReplyChange, call.body), expected_version(call.request)
    replies = call.services.metadata.quick_replies
    return row_answer(await replies.change(call.who, call.path["id"], wanted, expected))


async def delete_quick_reply(call: Call) -> Response:
    """Delete a quick reply."""
    expected = expected_version(call.request)
    await call.services.metadata.quick_replies.delete(call.who, call.path["id"], expected)
    return Response(status_code=204)


# -- settings


async def list_settings(call: Call) -> Response:
    """Return the settings of a scope."""
    query: m.SettingsQuery = call.query
    return _rows(call, call.services.metadata.settings.all(call.who, query.scope))


async def get_setting(call: Call) -> Response:
    """Return a setting."""
    settings = call.services.metadata.settings
    return row_answer(settings.get(call.who, *_setting(call)))


async def put_setting(call: Call) -> Response:
    """Set a value."""
    body: m.SettingValue = call.body
    expected = expected_version(call.request)
    settings = call.services.metadata.settings
    return row_answer(await settings.put(call.who, *_setting(call), body.value, expected))


async def delete_setting(call: Call) -> Response:
    """Forget a value."""
    expected = expected_version(call.request)
    await call.services.metadata.settings.delete(call.who, *_setting(call), expected)
    return Response(status_code=204)


def _setting(call: Call) -> tuple[str, str]:
    return (
        check_path(call.path["scope"], Short, "scope"),
        check_path(call.path["name"], m.SettingName, "name"),
    )


# -- members


async def list_members(call: Call) -> Response:
    """Return the members."""
    return _rows(call, call.services.metadata.members.all(call.who))


async def put_member(call: Call) -> Response:
    """Add a member, or set one anew."""
    wanted, expected = _as(MemberChange, call.body), expected_version(call.request)
    user = check_path(call.path["user"], m.User, "user")
    return row_answer(await call.services.metadata.members.put(call.who, user, wanted, expected))


async def change_member(call: Call) -> Response:
    """Change a member."""
    wanted, expected = _as(MemberChange, call.body), expected_version(call.request)
    members = call.services.metadata.members
    return row_answer(await members.change(call.who, call.path["user"], wanted, expected))


async def delete_member(call: Call) -> Response:
    """Remove a member."""
    expected = expected_version(call.request)
    await call.services.metadata.members.delete(call.who, call.path["user"], expected)
    return Response(status_code=204)


# -- activity


async def list_activity(call: Call) -> Response:
    """Return a page of the activity log."""
    query: m.ActivityFilter = call.query
    metadata = call.services.metadata
    lines = await metadata.activity(
        call.who,
        ActivityQuery(
            workspace=call.who.workspace,
            chat=metadata.chat(call.who, query.chat) if query.chat else None,
            actor=query.actor,
            action=query.action,
            limit=query.limit,
            before=decode_cursor(query.cursor, tuple[int, str]),
        ),
    )
    place = (lines[-1].at, lines[-1].id) if len(lines) == query.limit else None
    items = (msgspec.json.encode(_line(line)) for line in lines)
    return listing(call.request, items, encode_cursor(place))


def _line(line: Activity) -> m.ActivityView:
    chat = None
    if line.session is not None and line.jid is not None:
        chat = ChatRef(line.workspace, line.session, line.jid).id
    return m.ActivityView(
        id=line.id,
        at=iso(line.at),
        actor=line.actor,
        action=line.action,
        session=line.session,
        chat=chat,
        data=line.data,
    )


_READ, _WRITE = (Scope.READ, Scope.METADATA), (Scope.METADATA,)
_WHO = ("not_a_member", "missing_ability")
_STORE = ("storage_full", "storage_busy", "storage_failed")
_SET = (*_WHO, *_STORE, "version_conflict")
_SCOPE = ("session_not_found", "invalid_id", "invalid_parameter")


def _list(path: str, handler: Any, summary: str, query: type, answer: type) -> ApiRoute:  # noqa: ANN401 - a handler
    return ApiRoute(
        method="GET",
        path=path,
        handler=handler,
        summary=summary,
        scopes=_READ,
        query=query,
        answer=answer,
        errors=_WHO,
    )


def _delete(path: str, handler: Any, summary: str, *errors: str) -> ApiRoute:  # noqa: ANN401 - a handler
    return ApiRoute(
        method="DELETE",
        path=path,
        handler=handler,
        summary=summary,
        scopes=_WRITE,
        status=204,
        errors=(*_SET, *errors),
        headers=IF_MATCH,
    )


_TAGS: list[ApiRoute] = [
    _list("/v1/tags", list_tags, "List the tags, by position and name", Nothing, m.Tags),
    ApiRoute(
        method="POST",
        path="/v1/tags",
        handler=create_tag,
        summary="Make a tag",
        scopes=_WRITE,
        body=m.NewTag,
        answer=m.TagView,
        status=201,
        errors=(*_WHO, *_STORE, "name_taken", "limit_reached"),
    ),
    ApiRoute(
        method="PATCH",
        path="/v1/tags/{tag}",
        handler=change_tag,
        summary="Rename, recolour or move a tag",
        scopes=_WRITE,
        body=m.TagPatch,
        answer=m.TagView,
        errors=(*_SET, "tag_not_found", "name_taken"),
        headers=IF_MATCH,
    ),
    _delete("/v1/tags/{tag}", delete_tag, "Delete a tag; chats lose it", "tag_not_found"),
]

_REPLIES: list[ApiRoute] = [
    _list(
        "/v1/quick-replies",
        list_quick_replies,
        "List everybody's quick replies and one's own",
        Nothing,
        m.QuickReplies,
    ),
    ApiRoute(
        method="POST",
        path="/v1/quick-replies",
        handler=create_quick_reply,
        summary="Make a quick reply, for oneself or for everybody",
        scopes=_WRITE,
        body=m.NewQuickReply,
        answer=m.QuickReplyView,
        status=201,
        errors=(*_WHO, *_STORE, "name_taken", "limit_reached", "unknown_member"),
    ),
    ApiRoute(
        method="PATCH",
        path="/v1/quick-replies/{id}",
        handler=change_quick_reply,
        summary="Change a quick reply",
        scopes=_WRITE,
        body=m.QuickReplyPatch,
        answer=m.QuickReplyView,
        errors=(*_SET, "quick_reply_not_found", "name_taken"),
        headers=IF_MATCH,
    ),
    _delete(
        "/v1/quick-replies/{id}",
        delete_quick_reply,
        "Delete a quick reply",
        "quick_reply_not_found",
    ),
]

_SETTINGS: list[ApiRoute] = [
    _list(
        "/v1/settings",
        list_settings,
        "List the settings of a scope; ?scope= is workspace unless told",
        m.SettingsQuery,
        m.Settings,
    ),
    ApiRoute(
        method="GET",
        path="/v1/settings/{scope}/{name}",
        handler=get_setting,
        summary="Get a setting",
        scopes=_READ,
        query=Nothing,
        answer=m.SettingView,
        errors=(*_WHO, *_SCOPE, "setting_not_found"),
    ),
    ApiRoute(
        method="PUT",
        path="/v1/settings/{scope}/{name}",
        handler=put_setting,
        summary="Set a value",
        scopes=_WRITE,
        body=m.SettingValue,
        answer=m.SettingView,
        errors=(*_SET, *_SCOPE, "invalid_value", "limit_reached"),
        headers=IF_MATCH,
    ),
    _delete(
        "/v1/settings/{scope}/{name}",
        delete_setting,
        "Forget a value",
        *_SCOPE,
        "setting_not_found",
    ),
]

_MEMBERS: list[ApiRoute] = [
    _list("/v1/members", list_members, "List the members of the workspace", Nothing, m.Members),
    ApiRoute(
        method="PUT",
        path="/v1/members/{user}",
        handler=put_member,
        summary="Add a member, or set all of one anew",
        scopes=_WRITE,
        body=m.NewMember,
        answer=m.MemberView,
        errors=(*_SET, "invalid_value", "invalid_parameter", "limit_reached"),
        headers=IF_MATCH,
    ),
    ApiRoute(
        method="PATCH",
        path="/v1/members/{user}",
        handler=change_member,
        summary="Change some of a member",
        scopes=_WRITE,
        body=m.MemberPatch,
        answer=m.MemberView,
        errors=(*_SET, "invalid_value", "member_not_found"),
        headers=IF_MATCH,
    ),
    _delete("/v1/members/{user}", delete_member, "Remove a member", "member_not_found"),
]

ROUTES: list[ApiRoute] = [
    *_TAGS,
    *_REPLIES,
    *_SETTINGS,
    *_MEMBERS,
    ApiRoute(
        method="GET",
        path="/v1/activity",
        handler=list_activity,
        summary="List who did what, newest first; ?chat=, ?actor=, ?action=",
        scopes=_READ,
        query=m.ActivityFilter,
        answer=m.ActivityPage,
        errors=(*_WHO, "session_not_found", "invalid_jid", "invalid_id", "invalid_cursor"),
    ),
]
