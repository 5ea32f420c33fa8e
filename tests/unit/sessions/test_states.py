from __future__ import annotations

import pytest

from sessions.states import (
    HOSTED,
    TRANSITIONS,
    TROUBLES,
    Outcome,
    SessionState as S,
    Status,
    trouble,
)
from sessions.worker.process import Death


def test_every_state_has_its_row() -> None:
    """The table of transitions forgets no state."""
    assert set(S) == set(TRANSITIONS)


@pytest.mark.parametrize("state", S)
def test_every_state_can_be_reached_and_left(state: S) -> None:
    """No state is a trap, and none but the first is unreachable."""
    assert TRANSITIONS[state]
    reached = {target for targets in TRANSITIONS.values() for target in targets}
    assert (state is not S.CREATED) == (state in reached)


@pytest.mark.parametrize("code", TROUBLES)
@pytest.mark.parametrize("before", sorted(HOSTED))
def test_every_trouble_can_befall_a_hosted_session(code: str, before: S) -> None:
    """Whatever happens to a session in a worker, the table lets it be told."""
    assert Status.of_trouble(code).follows(Status(before))


@pytest.mark.parametrize("code", TROUBLES)
def test_every_trouble_says_what_happened_and_what_to_do(code: str) -> None:
    """A sentence each, and an action wherever a person can act."""
    row = trouble(code)
    assert row.message.endswith(".")
    assert code == "deleted" or (row.user_action or "").endswith(".")


@pytest.mark.parametrize("code", TROUBLES)
def test_what_is_tried_again_is_disconnected_meanwhile(code: str) -> None:
    """Only a disconnected session comes back by itself."""
    row = trouble(code)
    assert row.outcome is not Outcome.RETRY or row.state is S.DISCONNECTED


@pytest.mark.parametrize("death", Death)
def test_every_death_of_a_worker_is_a_trouble(death: Death) -> None:
    """A worker's death is told with a code of the table."""
    assert death in TROUBLES


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (S.CREATED, S.STARTING),
        (S.STARTING, S.PAIRING),
        (S.PAIRING, S.CONNECTING),
        (S.CONNECTING, S.CONNECTED),
        (S.CONNECTED, S.DISCONNECTED),
        (S.DISCONNECTED, S.CONNECTING),
        (S.DISCONNECTED, S.CONNECTED),
        (S.DISCONNECTED, S.PAIRING),  # the line went while codes were shown, and is back
        (S.CONNECTED, S.LOGGED_OUT),
        (S.LOGGED_OUT, S.STARTING),
        (S.FAILED, S.STARTING),
        (S.FAILED, S.LOGGED_OUT),
        (S.BANNED, S.LOGGED_OUT),
        (S.CONNECTED, S.CONNECTED),
    ],
)
def test_ways_of_a_session(before: S, after: S) -> None:
    """These changes happen."""
    assert Status(after).follows(Status(before))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (S.CREATED, S.CONNECTED),
        (S.CONNECTED, S.PAIRING),
        (S.LOGGED_OUT, S.CONNECTED),
        (S.LOGGED_OUT, S.DISCONNECTED),
        (S.FAILED, S.CONNECTING),
        (S.BANNED, S.CONNECTED),
        (S.STARTING, S.CREATED),
    ],
)
def test_ways_that_no_session_goes(before: S, after: S) -> None:
    """A late event of a worker cannot bring these about."""
    assert not Status(after).follows(Status(before))


def test_an_unknown_trouble_gives_up() -> None:
    """A code that nobody foresaw never loops."""
    assert trouble("new_thing")[:2] == (S.FAILED, Outcome.GIVE_UP)


def test_a_detail_replaces_the_sentence_and_is_known_as_one() -> None:
    """What the provider says better is shown, and can be kept apart from the table's sentence."""
    told = Status.of_trouble("temporarily_banned", "For 3 h.")
    assert told[:3] == (S.BANNED, "temporarily_banned", "For 3 h.")
    assert told.detail == "For 3 h."
    assert Status.of_trouble("banned").detail is None
    assert Status(S.CONNECTED).detail is None


def test_no_two_troubles_say_the_same() -> None:
    """Transport, session, phone and account are told apart by sentence, not by code alone."""
    sentences = [row.message for row in TROUBLES.values()]
    assert len(sentences) == len(set(sentences))


@pytest.mark.parametrize(
    ("code", "state", "word"),
    [
        ("line_lost", S.DISCONNECTED, "by itself"),
        ("connect_failed", S.DISCONNECTED, "web.whatsapp.com"),
        ("deaf", S.DISCONNECTED, "anew"),
        ("still_deaf", S.DISCONNECTED, "phone is online"),
        ("starts_paused", S.DISCONNECTED, "restart"),
        ("stream_replaced", S.DISCONNECTED, "only one zapd"),
        ("unlinked_by_phone", S.LOGGED_OUT, "scan"),
        ("account_locked", S.LOGGED_OUT, "do what it asks"),
        ("banned", S.BANNED, "follow what it says"),
        ("temporarily_banned", S.BANNED, "Wait"),
        ("client_outdated", S.FAILED, "Update zapd"),
    ],
)
def test_what_to_do_fits_the_cause(code: str, state: S, word: str) -> None:
    """The machine's network, the other program, the phone and the account need other hands."""
    row = trouble(code)
    assert state is row.state
    assert word in (row.user_action or "")
