"""What the library says when it fails."""

from __future__ import annotations

import pytest

from sessions.provider.neonize import failures
from sessions.states import TROUBLES


@pytest.mark.parametrize(
    ("on_connect", "reason", "code"),
    [
        (False, failures.LOGGED_OUT, "unlinked_by_phone"),
        (True, failures.LOGGED_OUT, "logged_out"),
        (True, failures.MAIN_DEVICE_GONE, "account_locked"),
        (True, failures.UNKNOWN_LOGOUT, "banned"),
    ],
)
def test_logged_out(on_connect: bool, reason: int, code: str) -> None:
    """The library has deleted the keys in all of these."""
    failure = failures.logged_out(on_connect=on_connect, reason=reason)
    assert (code, True, True) == (failure.code, failure.ends, failure.forgets)


@pytest.mark.parametrize(
    ("reason", "code", "ends"),
    [
        (failures.GENERIC, "connect_refused", True),
        (failures.LOGGED_OUT, "logged_out", True),
        (failures.TEMP_BANNED, "temporarily_banned", True),
        (failures.CLIENT_OUTDATED, "client_outdated", True),
        (failures.BAD_USER_AGENT, "connect_refused", True),
        (failures.EXPERIMENTAL, "connect_refused", True),
        (failures.INTERNAL_SERVER_ERROR, "connect_refused", False),
        (failures.UNAVAILABLE, "connect_refused", False),
    ],
)
def test_connect_failures(reason: int, code: str, ends: bool) -> None:
    """On two of them the library goes on by itself."""
    failure = failures.connect_failure(reason, "why")
    assert (code, ends) == (failure.code, ends and failure.ends)


def test_a_ban_says_why_and_how_long() -> None:
    """In hours and minutes."""
    detail = failures.temporary_ban(4, 3660, 1_800_000_000_000).detail
    assert (
        detail == "WhatsApp has banned this account for 1 h 1 min, until 2027-01-15 09:01 UTC: "
        "the same message was sent too often."
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("success", None),
        ("passkey-request", None),
        ("timeout", "pairing_expired"),
        ("error", "pairing_failed"),
        ("err-unexpected-state", "pairing_failed"),
        ("err-scanned-without-multidevice", "pairing_failed"),
        ("err-client-outdated", "client_outdated"),
    ],
)
def test_pairing_statuses(status: str, code: str | None) -> None:
    """What ends the pairing, and what does not."""
    failure = failures.pairing_status(status)
    assert code == (failure and failure.code)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (
            "failed to dial whatsapp web websocket: lookup web.whatsapp.com: no such host",
            "connect_failed",
        ),
        ("failed to open database: file is not a database", "store_damaged"),
        ("unable to open database file: no such file or directory", "store_damaged"),
        ("", "connect_failed"),
    ],
)
def test_first_connects(error: str, code: str) -> None:
    """A store that cannot be read is not retried."""
    assert code == failures.connect_error(error).code


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("neonize.Receipt.Type", "engine_stumbled"),
        ("neonize.ConnectFailure.Reason", "connect_refused"),
        ("neonize.TemporaryBan.Code", "temporarily_banned"),
        ("neonize.LoggedOut.Reason", "logged_out"),
    ],
)
def test_stumbles(field: str, code: str) -> None:
    """The message that could not be encoded says what happened."""
    error = f"proto: required field {field} not set"
    assert failures.is_stumble(error)
    assert code == failures.stumble(error).code


def test_every_code_is_in_the_table() -> None:
    """A code that the table does not know would give up without a word."""
    told = [
        *failures._REFUSALS.values(),  # noqa: SLF001 - the tables are what is tested
        *failures._STUMBLES.values(),  # noqa: SLF001 - the table
        *(failures.pairing_status(status) for status in ("timeout", "error")),
        *(
            getattr(failures, name)
            for name in ("LINE_LOST", "KEEPALIVE_TIMEOUT", "STREAM_REPLACED")
        ),
        failures.CONNECT_TIMEOUT,
    ]
    assert {failure.code for failure in told if failure} <= TROUBLES.keys()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("timed out waiting for message send response", "timeout"),
        ("websocket not connected", "not_connected"),
        ("server returned error 479", "rejected"),
        ("no signal session established", "failed"),
    ],
)
def test_send_errors(error: str, reason: str) -> None:
    """A time-out may have been delivered; the rest was not."""
    assert reason == failures.send_reason(error)
