"""Our commands as the library's messages."""

from __future__ import annotations

from tests.unit.sessions.provider.neonize.decoding import ALICE_PN, Decoding


def test_a_text(decoding: Decoding) -> None:
    """The plainest form."""
    assert decoding.ask(
        "encode", command={"command": "send_text", "chat": ALICE_PN, "text": "oi"}
    ) == {"conversation": "oi"}


def test_a_reply(decoding: Decoding) -> None:
    """The answered message goes along, as WhatsApp shows it above the answer."""
    quoted = {"wa_id": "Q1", "sender": ALICE_PN, "text": "question"}
    command = {"command": "send_text", "chat": ALICE_PN, "text": "answer", "reply_to": quoted}
    context = {
        "stanzaID": "Q1",
        "participant": ALICE_PN,
        "quotedMessage": {"conversation": "question"},
    }
    assert {"extendedTextMessage": {"text": "answer", "contextInfo": context}} == decoding.ask(
        "encode", command=command
    )
