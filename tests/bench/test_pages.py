"""How ``pages`` judges: what is lost, told twice, changed or in another place is never forgiven."""

from __future__ import annotations

import msgspec

from tests.bench.pages import Reading, differing, judged
from tests.bench.past import message_id
from tests.bench.written import Page, Written

PATH = "/v1/chats/main:1@s.whatsapp.net/messages"


def _reading(*pages: list[str], count: int = 4, right: bool = True) -> Reading:
    written = Written()
    written.count = count
    reading = Reading(written)
    for ids in pages:
        page = _page(ids)
        reading.take(PATH, page, is_right=right)
        reading.count(page)
    return reading


def _page(ids: list[str], evicted: str | None = None) -> Page:
    items = [msgspec.Raw(msgspec.json.encode({"id": id, "text": "x"})) for id in ids]
    return Page(items, None, evicted)


def _ids(*serials: int) -> list[str]:
    return [message_id(serial) for serial in serials]


def _short(*readings: Reading) -> list[str]:
    return [figure.name for figure in judged(readings) if figure.falls_short]


def test_all_there_once() -> None:
    """Over several pages, and again."""
    reading = _reading(_ids(4, 3), _ids(2, 1))
    assert (reading.missing, reading.twice, reading.strange, reading.wrong) == (0, 0, 0, 0)
    assert reading.total() == 2
    assert _short(reading, _reading(_ids(4, 3), _ids(2, 1))) == []


def test_one_is_missing() -> None:
    """The last of a page that was cut."""
    assert _reading(_ids(4, 3), _ids(1)).missing == 1
    assert _short(_reading(_ids(4, 3), _ids(1))) == ["messages missing"]


def test_one_is_there_twice_and_another_not_at_all() -> None:
    """One does not make up for the other."""
    reading = _reading(_ids(4, 3), _ids(3, 1))
    assert (reading.missing, reading.twice) == (1, 1)


def test_what_nobody_wrote() -> None:
    """Other ids, and numbers that were not reached."""
    reading = _reading(_ids(4, 3, 2, 1), [*_ids(5), "mUw4lVcQpnhPp5Z1lbp3kUg0mVw8"])
    assert (reading.strange, reading.missing) == (2, 0)


def test_a_page_that_is_not_right_or_says_that_older_ones_left() -> None:
    """History has all: nothing is evicted before any time."""
    reading = _reading(_ids(4, 3, 2, 1), right=False)
    reading.take(PATH, _page([], evicted="2026-01-01T00:00:00.000Z"), is_right=True)
    assert reading.wrong == 2
    assert _short(reading) == ["pages that are not what was written"]


def test_pages_that_differ() -> None:
    """Another order, another cut, a page more, a list more: counted by page."""
    one = _reading(_ids(4, 3), _ids(2, 1))
    assert differing(one, _reading(_ids(4, 3), _ids(2, 1))) == 0
    assert differing(one, _reading(_ids(4, 3), _ids(1, 2))) == 1
    assert differing(one, _reading(_ids(4, 3, 2), _ids(1))) == 2
    assert differing(one, _reading(_ids(4, 3), _ids(2, 1), [])) == 1
    assert differing(_reading(), one) == 2
    other = _reading(_ids(4, 3), _ids(2, 1))
    other.take("/v1/contacts", _page([]), is_right=True)
    assert differing(one, other) == 1
    assert _short(one, other) == ["pages that differ from the first reading's"]


def test_one_bad_reading_is_enough() -> None:
    """Goals are of the sum, not of the median."""
    good = _reading(_ids(4, 3, 2, 1))
    assert "messages missing" in _short(good, good, _reading(_ids(4, 3, 2)))
