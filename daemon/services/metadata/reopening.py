"""When a chat that was put aside comes back by itself."""

from __future__ import annotations

from daemon.metadata.index import MetadataIndex
from daemon.metadata.models import Assignment, ConversationStatus

REOPEN_ON_MESSAGE = "reopen_on_message"
ASIDE = frozenset({ConversationStatus.CLOSED, ConversationStatus.SNOOZED})


def reopens(index: MetadataIndex, assignment: Assignment | None) -> bool:
    """Tell whether a message opens the chat again: if it was put aside, unless it is switched off.

    The session's setting goes over the workspace's; without either it is on.
    """
    if assignment is None or not assignment.live or assignment.status not in ASIDE:
        return False
    for scope in (f"session:{assignment.session}", "workspace"):
        setting = index.setting(assignment.workspace, scope, REOPEN_ON_MESSAGE)
        if setting is not None and isinstance(setting.value, bool):
            return setting.value
    return True
