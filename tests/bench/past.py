"""Messages of a made-up past: many chats, words as common and as rare as in a language."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import accumulate

from daemon.history.models import StoredMessage
from sessions.ids import ChatRef, phone_jid
from sessions.models import MessageHead, MessageTail, encode_head, encode_tail, iso

BEGIN = 1_700_000_000_000  # ms
STEP = 250  # ms between two messages, in the mean
VOCABULARY = 30_000
CHATS = 5000
OWN = phone_jid("550000000001")  # the account's own address
_SYLLABLES = [a + b for a in "bcdfglmnprstvz" for b in ("a", "e", "i", "o", "u", "ão", "é")]


def message_id(serial: int) -> str:
    """Return our id of the message that was made up as the ``serial``-th, from 1 on."""
    return f"m{serial:025d}"


def serial_of(id: str) -> int | None:
    """Return as the how manieth a message was made up; None for one that was not."""
    return int(id[1:]) if len(id) == 26 and id[1:].isdigit() else None


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

    def message(
        self, at: int, chat: ChatRef | None = None, *, from_me: bool = False
    ) -> StoredMessage:
        """Return the next, of any chat where none is given."""
        self._serial += 1
        id_ = message_id(self._serial)
        chat = self._random.choice(self.chats) if chat is None else chat
        sender = OWN if from_me else chat.jid
        count = self._random.randint(3, 18)
        text = " ".join(self._random.choices(self.words, cum_weights=self._weights, k=count))
        head = encode_head(
            MessageHead(
                id=id_,
                session=chat.session,
                chat=chat.id,
                sender=sender,
                from_me=from_me,
                at=iso(at),
                type="text",
                text=text,
                source="live",
            )
        )
        wa_id = f"3EB0{self._serial:016X}"
        tail = encode_tail(MessageTail(wa_id=wa_id, status="delivered", ack=2))
        return StoredMessage(chat, id_, at, from_me, sender, "text", text, wa_id, head, tail)

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


class Conversations(Past):
    """A past as a session has it: people write some messages in a row, and much to a few chats.

    Times are whole seconds, as WhatsApp's are, so that messages of a chat share them; some
    messages come late, after ones that are younger. A third are the account's own.
    """

    LATE = 40  # seconds, at most
    _ROW = 6  # messages in a row, at most

    def __init__(self, seed: int, workspace: str = "default", chats: int = CHATS) -> None:
        """Make up words and chats."""
        super().__init__(seed, workspace, chats)
        # The n-th chat has 1/√n as many as the first: of 5,000 chats with a million messages
        # 7,100 and 100, so that the longest are over the bound of one chat's memory.
        self._shares = list(accumulate(1 / math.sqrt(n) for n in range(1, chats + 1)))

    def messages(self, count: int) -> Iterator[StoredMessage]:
        """Yield so many, in the order of their arrival."""
        left = count
        while left:
            chat = self._random.choices(self.chats, cum_weights=self._shares)[0]
            for _ in range(min(left, self._random.randint(1, self._ROW))):
                left -= 1
                second = (BEGIN + self._serial * STEP) // 1000
                if self._random.random() < 0.1:
                    second -= self._random.randint(1, self.LATE)
                own = self._random.random() < 1 / 3
                yield self.message(second * 1000, chat, from_me=own)
