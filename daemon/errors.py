"""Every error that the daemon answers: one table, as RFC 9457 problems.

The table feeds the responses, the OpenAPI document and the reference. A sentence given
when the error is raised replaces the table's; it must not carry a secret, a stack, or the
name of something in another workspace.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sessions.errors import EngineError


class Problem(NamedTuple):
    """One row: HTTP status, the sentence when nothing better is known, what a person can do."""

    status: int
    detail: str
    user_action: str | None = None


PROBLEMS: dict[str, Problem] = {
    "malformed_json": Problem(400, "The body is not JSON.", "Send one JSON object."),
    "wrong_type": Problem(400, "A field of the body has the wrong type or is missing."),
    "unknown_field": Problem(400, "The body has a field that this route does not know."),
    "unknown_parameter": Problem(400, "The query has a parameter that this route does not know."),
    "invalid_parameter": Problem(400, "A parameter of the query has a value that cannot be."),
    "invalid_cursor": Problem(400, "The cursor is not one that this daemon gave."),
    "unknown_event_type": Problem(400, "There is no event of that type."),
    "invalid_id": Problem(400, "That cannot be the id of a workspace or session."),
    "invalid_jid": Problem(400, "That is not a WhatsApp address."),
    "query_empty": Problem(
        400, "There is no word to look for.", "Give at least one letter or digit in `q`."
    ),
    "text_empty": Problem(400, "The text is empty."),
    "text_too_long": Problem(400, "The text is longer than WhatsApp takes (65,536 characters)."),
    "workspace_required": Problem(
        400,
        "You are a member of several workspaces.",
        "Say which with the header `X-Workspace`, or `?workspace=`; `workspaces` lists them.",
    ),
    "unauthorized": Problem(
        401,
        "A valid credential is needed.",
        "Send `Authorization: Bearer …` with a JWT or an API key, or `X-Api-Key`.",
    ),
    "ticket_expired": Problem(
        401, "The ticket is used up or too old.", "Get a new one from POST /v1/tickets."
    ),
    "link_used": Problem(
        401,
        "This sign-in link was used before or is older than ten minutes.",
        "Run `zapd login-link` on the server for another.",
    ),
    "missing_scope": Problem(403, "The credential does not have the scope for this."),
    "missing_ability": Problem(
        403,
        "Your role in the workspace does not allow this.",
        "Ask somebody who manages its members.",
    ),
    "not_a_member": Problem(
        403,
        "You are no active member of this workspace.",
        "Ask somebody who manages its members.",
    ),
    "wrong_origin": Problem(
        403,
        "The request comes from a page that is not allowed.",
        "Add its origin to ZAPD_CORS_ORIGINS.",
    ),
    "route_not_found": Problem(404, "There is no such route.", "See /docs for those there are."),
    "session_not_found": Problem(404, "There is no such session."),
    "chat_not_found": Problem(404, "There is no such chat."),
    "message_not_found": Problem(404, "There is no such message, or it left the memory."),
    "tag_not_found": Problem(404, "There is no such tag."),
    "note_not_found": Problem(404, "There is no such note."),
    "quick_reply_not_found": Problem(404, "There is no such quick reply."),
    "setting_not_found": Problem(404, "There is no such setting."),
    "member_not_found": Problem(404, "There is no such member."),
    "export_not_found": Problem(404, "There is no such export, or its time is over."),
    "erasure_not_found": Problem(404, "There is no such erasure."),
    "not_a_sandbox": Problem(404, "This route exists for sandbox sessions only."),
    "method_not_allowed": Problem(405, "The route does not take this method."),
    "session_exists": Problem(409, "The workspace already has a session of that id."),
    "session_not_connected": Problem(
        409, "The session is not connected.", "Look at its state for what to do."
    ),
    "not_pairing": Problem(
        409, "The session shows no code now.", "Start it, and ask again while it is pairing."
    ),
    "already_claimed": Problem(
        409, "The chat is somebody else's.", "`assignee_name` says whose; ask them."
    ),
    "name_taken": Problem(409, "That name is in use.", "Choose another."),
    "limit_reached": Problem(409, "There can be no more of these.", "Delete some first."),
    "export_not_ready": Problem(
        409, "The export is not written yet.", "Ask for its state, and fetch it when it is done."
    ),
    "export_gone": Problem(410, "The file of the export is no longer there.", "Ask for another."),
    "version_conflict": Problem(
        412, "It was changed since you read it.", "Read it again, then decide anew."
    ),
    "body_too_large": Problem(413, "The body is larger than this daemon takes."),
    "idempotency_conflict": Problem(
        422, "The Idempotency-Key was used with another body.", "Use a new key for a new message."
    ),
    "invalid_value": Problem(422, "That value cannot be."),
    "unknown_member": Problem(422, "The workspace has no such active member."),
    "unknown_tag": Problem(422, "The workspace has no such tag."),
    "rate_limited": Problem(429, "Too many requests.", "Wait as long as Retry-After says."),
    "send_queue_full": Problem(
        429, "The session has too many sends waiting.", "Wait as long as Retry-After says."
    ),
    "too_many_streams": Problem(429, "This credential has too many streams open."),
    "internal_error": Problem(
        500, "Something went wrong in the daemon; its log says more.", "Report it with the time."
    ),
    "unsupported": Problem(501, "The engine cannot do this."),
    "command_failed": Problem(502, "WhatsApp refused it."),
    "storage_full": Problem(
        507, "The server's disk is full.", "Free some space on the server's disk, then try again."
    ),
    "storage_busy": Problem(
        503, "Another program holds the database.", "Try again in some seconds."
    ),
    "storage_failed": Problem(503, "The server's database cannot be used.", "Look at its log."),
    "history_unavailable": Problem(
        503,
        "What is asked for is not in memory, and the history cannot be read now.",
        "Try again in some seconds; `/readyz` says what is wrong.",
    ),
    "supabase_unreachable": Problem(
        503, "Supabase does not answer; nothing was changed.", "Try again in some seconds."
    ),
    "stopping": Problem(503, "The daemon is stopping.", "Try again in some seconds."),
    "outcome_unknown": Problem(504, "The engine gave no answer; it may or may not be done."),
}


class ApiError(Exception):
    """An answer from the table; ``headers`` go with it (``Retry-After``, ``Allow``).

    ``members`` are further members of the problem document, as RFC 9457 allows.
    """

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        user_action: str | None = None,
        headers: dict[str, str] | None = None,
        members: dict[str, Any] | None = None,
    ) -> None:
        """Refer to a row by its code."""
        row = PROBLEMS[code]
        super().__init__(detail or row.detail)
        self.code = code
        self.status = row.status
        self.detail = detail or row.detail
        self.user_action = user_action or row.user_action
        self.headers = headers or {}
        self.members = members or {}

    @classmethod
    def from_engine(cls, error: EngineError) -> ApiError:
        """Return the answer for what the engine refused."""
        code = error.code if error.code in PROBLEMS else "internal_error"
        return cls(code, error.message, user_action=error.user_action)

    def body(self) -> dict[str, Any]:
        """Return the problem document."""
        document: dict[str, Any] = {
            "type": f"/docs/errors#{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.user_action:
            document["user_action"] = self.user_action
        return self.members | document
