"""What colleagues tell each other about a chat."""

from __future__ import annotations

from msgspec.structs import replace

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.metadata.models import Note
from daemon.metadata.port import Change
from daemon.services.abilities import Ability
from daemon.services.metadata.changes import differing, gone
from daemon.services.metadata.core import Core
from daemon.services.metadata.refusals import answered
from sessions.errors import SessionNotFound


class Notes:
    """The use cases on notes."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def of_chat(
        self, who: Principal, chat: str, limit: int, before: tuple[int, str] | None
    ) -> list[Note]:
        """Return notes of a chat, newest first."""
        ref = self._core.chat(who, chat)
        self._core.require(who, Ability.VIEW, ref.session)
        with answered(self._core.index):
            return await self._core.store.notes(ref, limit, before)

    async def write(self, who: Principal, chat: str, body: str) -> Note:
        """Write a note."""
        ref = self._core.chat(who, chat)
        actor = self._core.require(who, Ability.WRITE_NOTES, ref.session).actor
        note = Note(
            workspace=ref.workspace,
            session=ref.session,
            jid=ref.jid,
            id=self._core.ids.new(),
            author=who.subject,
            body=_text(body),
            actor=actor,
        )
        rows = await self._core.write([Change(note, "note", 0, {"note": note.id})])
        return next(row for row in rows if isinstance(row, Note))

    async def change(self, who: Principal, id: str, body: str, expected: int | None) -> Note:
        """Change one's own note."""
        actor = self._core.standing(who).actor
        text = _text(body)

        def make(current: Note | None) -> Change | None:
            note = self._found(who, current)
            self._core.require(who, Ability.WRITE_NOTES, note.session)
            if note.author != who.subject:
                raise ApiError("missing_ability", "Only its author may change a note.")
            change = differing(note, replace(note, body=text), actor, "note_changed")
            return change and change._replace(data={"note": id})

        note = await self._core.change(Note, who.workspace, (id,), expected, make)
        return self._found(who, note)

    async def delete(self, who: Principal, id: str, expected: int | None) -> None:
        """Delete one's own note, or anybody's with the ability."""
        actor = self._core.standing(who).actor

        def make(current: Note | None) -> Change:
            note = self._found(who, current)
            own = note.author == who.subject
            ability = Ability.WRITE_NOTES if own else Ability.DELETE_NOTES
            self._core.require(who, ability, note.session)
            change = gone(note, actor, "note_deleted", self._core.clock)
            return change._replace(data={"note": id, "author": note.author})

        await self._core.change(Note, who.workspace, (id,), expected, make)

    def _found(self, who: Principal, note: Note | None) -> Note:
        """Return the note, unless the principal cannot see it: then there is none."""
        if note is None:
            raise ApiError("note_not_found")
        try:
            self._core.chat(who, note.chat.id)
        except SessionNotFound:
            raise ApiError("note_not_found") from None
        return note


def _text(body: str) -> str:
    if not body.strip():
        raise ApiError("text_empty", "The note is empty.")
    return body
