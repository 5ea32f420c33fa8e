"""Every event type there is: one table, read by the ``types`` filter and by the reference."""

from __future__ import annotations

from typing import NamedTuple


class EventType(NamedTuple):
    """One row: what ``data`` is, and whether the event has a place in the order of the workspace.

    An event that is not ``numbered`` belongs to one stream: it has no id and is never replayed.
    """

    data: str
    numbered: bool = True


EVENT_TYPES: dict[str, EventType] = {
    "connection_status": EventType(
        "The session; `connected` also stands at the top level of the envelope."
    ),
    "qr": EventType("`{qr,expires_at}`: the code to scan now."),
    "pairing_code": EventType("`{code,expires_at}`: the code to type into the phone."),
    "new_chat": EventType("The chat, once in its life, before its first `new_message`."),
    "new_message": EventType("The message, in or out."),
    "message_ack": EventType("`{messageId,chat,ack,status,code?}`."),
    "message_edited": EventType("The message after the edit."),
    "message_deleted": EventType("The message after its deletion."),
    "message_reaction": EventType("The message with its reactions."),
    "chat_updated": EventType("The chat."),
    "chat_deleted": EventType("The chat as it was."),
    "chat_merged": EventType("`{from,to,chat}`: two chats became one."),
    "typing": EventType("`{chat,sender,sender_name,is_typing,kind}`."),
    "presence": EventType("`{jid,online,last_seen}`."),
    "contact_updated": EventType("The contact."),
    "group_updated": EventType("The group."),
    "call": EventType("`{id,from,kind,state}`."),
    "history_progress": EventType("`{session,percent}`."),
    "assignment_updated": EventType(
        "The chat's assignment. With `deleted_at`: it has none any more (its chat was merged)."
    ),
    "tag_updated": EventType(
        "The tag. With `deleted_at`: it is gone, also from the chats that had it."
    ),
    "chat_tags_updated": EventType("`{chat,tags,actor,version}`: the ids of all tags of the chat."),
    "note_updated": EventType(
        "The note; its `chat` changes when chats are merged. With `deleted_at`: it is gone."
    ),
    "quick_reply_updated": EventType("The quick reply. With `deleted_at`: it is gone."),
    "setting_updated": EventType("The setting. With `deleted_at`: it is gone."),
    "member_updated": EventType("The member. With `deleted_at`: it is gone."),
    "agent_presence": EventType(
        "`{chat,user,state,since,actor,version}`: an agent is `viewing` or `typing` in the chat, or `away`."
    ),
    "queue_updated": EventType("The send queue's stats."),
    "hello": EventType("`{epoch,head}`: the stream is open.", numbered=False),
    "ping": EventType("`{epoch,head}`: all up to `head` was sent to this stream.", numbered=False),
    "stream_reset": EventType(
        "`{epoch,head,reason}`: the past that was asked for is gone.", numbered=False
    ),
}

CONNECTION_STATUS = "connection_status"
