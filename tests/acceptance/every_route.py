"""Every route of the table with names that exist, for those who must not reach what they name."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.support.daemon import User

SECRET = "only-acme-may-read-this"
NUMBER = "5511999990000"
CHAT = f"main:{NUMBER}@s.whatsapp.net"
#: A member, as Supabase names its users.
EVA = "b7a5a6a0-3c0f-4f0e-9d53-6a2a1c9f0e11"

_WRITES = {
    "/v1/sessions/{session}/pairing-code": {"phone": "+5511999990000"},
    "/v1/sessions/{session}/sandbox/receive": {"from": "+5511999990000", "text": "x"},
    "/v1/sessions/{session}/sandbox/traffic": {"messages_per_minute": 60},
    "/v1/chats/{chat}/messages": {"type": "text", "text": "stolen"},
    "/v1/chats/{chat}/typing": {"is_typing": True},
    "/v1/tickets": {"use": "stream"},
    "/v1/chats/{chat}/assignment": {"status": "closed"},
    "/v1/chats/{chat}/tags": {"tags": []},
    "/v1/chats/{chat}/notes": {"body": "stolen"},
    "/v1/chats/{chat}/presence": {"state": "viewing"},
    "/v1/notes/{note}": {"body": "stolen"},
    "/v1/tags/{tag}": {"name": "stolen"},
    "/v1/quick-replies/{id}": {"body": "stolen"},
    "/v1/settings/{scope}/{name}": {"value": "stolen"},
    "/v1/members/{user}": {"role": "viewer"},
}
#: What is asked where something must be.
_QUERIES = {"/v1/poll": {"timeout": "0"}, "/v1/search": {"q": SECRET}}
#: Routes that make something in the caller's own workspace: not about another's things.
_OWN = {
    ("post", "/v1/sessions"),
    ("post", "/v1/tickets"),
    ("post", "/v1/tags"),
    ("post", "/v1/quick-replies"),
    ("put", "/v1/members/{user}"),
}
#: What reads all that hangs on the session `main`.
OF_MAIN = (
    *("/v1/sessions", f"/v1/chats/{CHAT}", f"/v1/chats/{CHAT}/assignment"),
    *(f"/v1/chats/{CHAT}/tags", f"/v1/chats/{CHAT}/notes", f"/v1/chats/{CHAT}/presence"),
    "/v1/settings?scope=session:main",
)
#: What reads all there is.
ALL = (*OF_MAIN, "/v1/tags", "/v1/quick-replies", "/v1/members", "/v1/activity")


class Tried(NamedTuple):
    """A route, filled; ``template`` is its path in the table."""

    method: str
    template: str
    path: str
    body: Any

    async def by(self, user: User) -> Any:  # noqa: ANN401 - a response
        """Return what the user is answered."""
        params = _QUERIES.get(self.path, {})
        json = self.body if self.method in {"post", "put", "patch"} else None
        return await user.http.request(self.method, self.path, json=json, params=params)


async def fill(user: User, shared: str = SECRET) -> dict[str, str]:
    """Give the chat in `main` some of everything; return what fills the routes' paths.

    ``shared`` is in what is of the whole workspace.
    """
    message = (await user.get(f"/v1/chats/{CHAT}/messages"))["items"][0]["id"]
    await user.put(f"/v1/members/{EVA}", {"role": "owner", "name": shared})
    tag = await user.post("/v1/tags", {"name": shared})
    await user.put(f"/v1/chats/{CHAT}/tags/{tag['id']}")
    await user.patch(f"/v1/chats/{CHAT}/assignment", {"assignee": EVA})
    note = await user.post(f"/v1/chats/{CHAT}/notes", {"body": SECRET})
    reply = {"shortcut": "hi", "body": shared, "shared": True}
    reply = await user.post("/v1/quick-replies", reply)
    await user.put(f"/v1/settings/session:main/{SECRET}", {"value": SECRET})
    await user.put(f"/v1/chats/{CHAT}/presence", {"state": "typing"})
    own = {"session": "main", "chat": CHAT, "message": message}
    ids = {"tag": tag["id"], "note": note["id"], "id": reply["id"]}
    return {**own, **ids, "scope": "session:main", "name": SECRET, "user": EVA}


async def every_route(user: User, filled: dict[str, str]) -> list[Tried]:
    """Return every route of the table, but for the endless stream, with names that exist."""
    document = await user.get("/openapi.json")
    return [
        Tried(method, path, path.format(**filled), _WRITES.get(path, {}))
        for path, methods in document["paths"].items()
        for method in methods
        if (method, path) not in _OWN and path != "/v1/events"
    ]
