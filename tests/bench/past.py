"""Messages of a made-up past: many chats, words as common and as rare as in a language."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import accumulate

from daemon.history.models import StoredMessage
from sessions.ids import ChatRef
from sessions.models import MessageHead, MessageTail, encode_head, encode_tail, iso

BEGIN = 1_700_000_000_000  # ms
STEP = 250  # ms between two messages, in the mean
VOCABULARY = 30_000
CHATS = 5000
_SYLLABLES = [a + b for a in "bcdfglmnprstvz" for b in ("a", "e", "i", "o", "u", "ão", "é")]


class Past:
    """A source of messages; the same seed gives the same ones."""

    def __init__(self, seed: int, workspace: str = "acme", chats: int = CHATS) -> None:
        """Make up words and chats."""
        self._random = random.Random(seed)  # noqa: S311 - made-up texts
        self.words = self._vocabulary()
        # Zipf's law: the n-th word is said 1/n as often as the first.
        self._weights = list(accumulate(1 / n for n in range(1, VOCABULARY + 1)))
        self.chats = [
            ChatRef(workspace, "main", f"55119{number:08d}@s.whatsapp.net")
            for number in range(chats)
        ]
        self._serial = 0

    def _vocabulary(self) -> list[str]:
        found: dict[str, None] = {}
        while len(found) < VOCABULARY:
            count = self._random.randint(1, 4)
            found["".join(self._random.choices(_SYLLABLES, k=count))] = None
        return list(found)

    def messages(self, count: int) -> Iterator[StoredMessage]:
        """Yield so many, each later than the one before."""
        for _ in range(count):
            yield self.message(BEGIN + self._serial * STEP)

    def message(self, at: int) -> StoredMessage:
        """Return the next."""
        self._serial += 1
        id_ = f"m{self._serial:025d}"
        chat = self._random.choice(self.chats)
        count = self._random.randint(3, 18)
        text = " ".join(self._random.choices(self.words, cum_weights=self._weights, k=count))
        head = encode_head(
            MessageHead(
                id=id_,
                session=chat.session,
                chat=chat.id,
                sender=chat.jid,
                from_me=False,
                at=iso(at),
                type="text",
                text=text,
                source="live",
            )
        )
        wa_id = f"3EB0{self._serial:016X}"
        tail = encode_tail(MessageTail(wa_id=wa_id, status="delivered", ack=2))
        return StoredMessage(chat, id_, at, False, chat.jid, "text", text, wa_id, head, tail)

    def queries(self, count: int) -> Iterator[tuple[str, tuple[str, ...], ChatRef | None]]:
        """Yield (kind, words, chat) of searches as people type them, the kinds in turn."""
        for number in range(count):
            chance = self._random
            rare = self.words[chance.randrange(2000, VOCABULARY)]
            common = self.words[chance.randrange(5, 200)]
            kind = ("a rare word", "a common word", "two words", "three letters", "in a chat")
            yield [
                (kind[0], (rare,), None),
                (kind[1], (common,), None),
                (kind[2], (common, self.words[chance.randrange(200, 2000)]), None),
                (kind[3], (rare[:3],), None),
                (kind[4], (common,), chance.choice(self.chats)),
            ][number % 5]
