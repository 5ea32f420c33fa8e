"""Our commands to the library's messages."""

from __future__ import annotations

from neonize.proto.Neonize_pb2 import JID
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import ContextInfo, ExtendedTextMessage, Message

from sessions.commands import SendText


def jid(address: str) -> JID:
    """Return the library's form of an address; all five fields are required."""
    user, _, server = address.partition("@")
    return JID(User=user, Server=server, RawAgent=0, Device=0, Integrator=0, IsEmpty=False)


def text_message(command: SendText) -> Message:
    """Return what to send for a text, as a reply where it is one."""
    quoted = command.reply_to
    if quoted is None:
        return Message(conversation=command.text)
    context = ContextInfo(
        stanzaID=quoted.wa_id,
        participant=quoted.sender,
        quotedMessage=Message(conversation=quoted.text),
    )
    return Message(extendedTextMessage=ExtendedTextMessage(text=command.text, contextInfo=context))
