"""What the engine shows of metadata in its chats: a :class:`sessions.ports.Annotations`."""

from __future__ import annotations

import msgspec

from daemon.metadata.index import MetadataIndex
from daemon.metadata.models import Assignment, ConversationStatus, render
from daemon.services.metadata.chores import Chores
from daemon.services.metadata.reopening import reopens
from sessions.cache.sizing import bytes_cost, text_cost
from sessions.ids import ChatRef
from sessions.ports import Annotation

ASSIGNEE, STATUS, TAG = "assignee:", "status:", "tag:"
_TUPLE_BYTES = 160  # the annotation itself and the tuple of its labels


class ChatAnnotations:
    """Answers from the index; what must wait is left to the chores."""

    def __init__(self, index: MetadataIndex, chores: Chores) -> None:
        self._index = index
        self._chores = chores

    def of(self, ref: ChatRef) -> Annotation:
        """Return assignment and tags of the chat; one that left the memory is read soon after."""
        if not self._index.is_known(ref):
            self._chores.put("learn", ref)
        return annotation(self._index.assignment(ref), self._index.tags_of(ref))

    def merged(self, old: ChatRef, new: ChatRef) -> None:
        """Have the metadata moved, and the old name remembered."""
        self._chores.put("move", old, new)

    def learned(self, lid: ChatRef, pn: ChatRef) -> None:
        """Have metadata moved that was left under the LID by an earlier life."""
        if self._index.may_have_rows(lid):
            self._chores.put("move", lid, pn)

    def received(self, ref: ChatRef) -> None:
        """Have a chat reopened that was put aside."""
        if not self._index.is_known(ref) or reopens(self._index, self._index.assignment(ref)):
            self._chores.put("reopen", ref)


def annotation(assignment: Assignment | None, tags: tuple[str, ...]) -> Annotation:
    """Return what a chat's object shows, and what the chat is listed by."""
    if assignment is None and not tags:
        return _BARE
    shown = None if assignment is None else render(assignment)
    members = msgspec.json.encode({"assignment": shown, "tags": tags})[1:-1]
    labels = (*_of_assignment(assignment), *map(tag_label, tags))
    weight = bytes_cost(members) + _TUPLE_BYTES + sum(map(text_cost, labels))
    return Annotation(members, labels, weight)


_BARE = Annotation(b'"assignment":null,"tags":[]')


def tag_label(tag: str) -> str:
    """Return the label of chats that have a tag."""
    return TAG + tag


def filters(
    assignee: str | None, tag: str | None, status: ConversationStatus | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels that a chat must have, and beginnings of those that it must not have.

    ``assignee`` is a user or ``none``. A chat that nobody touched has no labels: it is open.
    """
    labels, lacking = [], []
    if assignee == "none":
        lacking.append(ASSIGNEE)
    elif assignee is not None:
        labels.append(ASSIGNEE + assignee)
    if tag is not None:
        labels.append(tag_label(tag))
    if status is ConversationStatus.OPEN:
        lacking.append(STATUS)
    elif status is not None:
        labels.append(STATUS + status)
    return tuple(labels), tuple(lacking)


def _of_assignment(assignment: Assignment | None) -> tuple[str, ...]:
    if assignment is None:
        return ()
    labels = []
    if assignment.assignee is not None:
        labels.append(ASSIGNEE + assignment.assignee)
    if assignment.status is not ConversationStatus.OPEN:
        labels.append(STATUS + assignment.status)
    return tuple(labels)
