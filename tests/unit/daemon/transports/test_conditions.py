from __future__ import annotations

import pytest
from starlette.requests import Request

from daemon.errors import ApiError
from daemon.metadata.models import Tag
from daemon.transports.rest.conditions import check_tags, expected_version, row_answer, tags_etag


def request(if_match: str | None = None) -> Request:
    """Return a request with this header."""
    headers = [] if if_match is None else [(b"if-match", if_match.encode())]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("given", "expected"), [(None, None), ("", None), ("*", None), ('"0"', 0), (' "17" ', 17)]
)
def test_a_version_is_read(given: str | None, expected: int | None) -> None:
    """As the ETag had it; without one, or with a star, any version will do."""
    assert expected_version(request(given)) == expected


@pytest.mark.parametrize("given", ["1", '"x"', 'W/"1"', '"1", "2"', '"-1"', '"' + "9" * 19 + '"'])
def test_what_is_no_version_is_refused(given: str) -> None:
    """Weak tags and lists too: nothing is changed by mistake."""
    with pytest.raises(ApiError) as refused:
        expected_version(request(given))
    assert refused.value.code == "invalid_parameter"


def test_a_row_carries_its_version() -> None:
    """And the answer its status."""
    answer = row_answer(Tag(workspace="w", id="t", name="n", version=4), 201)
    assert (answer.headers["etag"], answer.status_code) == ('"4"', 201)


def test_the_tag_of_tags_is_of_the_set() -> None:
    """The order does not matter; another set has another tag; a version is no such tag."""
    etag = tags_etag(["b", "a"])
    assert etag == tags_etag(["a", "b"]) != tags_etag(["a"])
    assert check_tags(request(etag), {"a", "b"})
    assert not check_tags(request(etag), {"a"})
    assert check_tags(request(None), {"a"})
    with pytest.raises(ApiError):
        check_tags(request('"1"'), {"a"})
