from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from daemon.auth.scopes import Scope
from daemon.config import ROWS, ConfigError, Secret, Settings
from daemon.storage.workspaces import DEFAULT_TOKEN_SCOPES

SECRET = "correct horse battery staple 0123456789"


def problems_of(env: dict[str, str], overrides: dict[str, str] | None = None) -> list[str]:
    """Return what is wrong with an environment."""
    with pytest.raises(ConfigError) as caught:
        Settings.from_env(env, overrides)
    return caught.value.problems


def test_an_empty_environment_gives_the_defaults() -> None:
    """Nothing has to be set."""
    settings = Settings.from_env({})
    assert settings == Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8420)
    assert settings.memory_budget == 6 << 30
    assert settings.ring_bytes == 64 << 20
    assert settings.jwt_secret is None


def test_variables_of_others_are_left_alone() -> None:
    """Only names that begin with ZAPD_ are ours."""
    assert Settings.from_env({"PATH": "/bin", "XZAPD_PORT": "x"}) == Settings()


def test_every_default_is_what_one_would_write() -> None:
    """The default of each row, written out, gives the default settings."""
    written = {row.variable: row.default for row in ROWS}
    assert Settings.from_env(written) == Settings()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_has_its_sentence(row: object) -> None:
    """Each setting is explained and grouped."""
    assert dataclasses.is_dataclass(Settings)
    sentence = getattr(row, "sentence", "")
    assert sentence.endswith(".")
    assert getattr(row, "group", "")


def test_variables_and_options_are_read() -> None:
    """An option of the command goes before the variable."""
    env = {"ZAPD_PORT": "1", "ZAPD_HOST": "::1", "ZAPD_CHAT_IDLE_SECONDS": "5m"}
    settings = Settings.from_env(env, {"port": "0", "data_dir": "/srv/z"})
    assert (settings.port, settings.host, settings.data_dir) == (0, "::1", Path("/srv/z"))
    assert settings.chat_idle_seconds == 300


def test_an_unknown_variable_is_an_error_with_the_nearest_name() -> None:
    """A misspelt name is told, with the one that was probably meant; its value is not."""
    assert problems_of({"ZAPD_JWT_SECERT": SECRET}) == [
        "ZAPD_JWT_SECERT is not a setting. Did you mean ZAPD_JWT_SECRET?"
    ]
    assert "env-example" in problems_of({"ZAPD_QQQQQQQQQQ": "1"})[0]
    assert "ZAPD_PORT" in problems_of({"zapd_port": "1"})[0]


def test_all_problems_come_at_once() -> None:
    """Each names its variable, what is wrong and what to write."""
    found = problems_of({"ZAPD_PROT": "1", "ZAPD_PORT": "99999", "ZAPD_JWT_SECRET": "short"})
    assert found == [
        "ZAPD_PROT is not a setting. Did you mean ZAPD_PORT?",
        "ZAPD_PORT is '99999', out of bounds. Write a whole number from 0 to 65535.",
        (
            "ZAPD_JWT_SECRET is 5 characters long. Write at least 32 characters, "
            "such as `openssl rand -hex 32` prints."
        ),
    ]


def test_a_wrong_option_is_named_as_it_was_typed() -> None:
    """An option's error names the option."""
    assert problems_of({}, {"data_dir": ""})[0].startswith("--data-dir is empty")


def test_settings_that_contradict_are_an_error() -> None:
    """One chat may not be larger than the whole memory."""
    found = problems_of({"ZAPD_MEMORY_BUDGET": "64MiB", "ZAPD_CHAT_MAX_BYTES": "1GiB"})
    assert found == [
        (
            "ZAPD_CHAT_MAX_BYTES is 1GiB, more than ZAPD_MEMORY_BUDGET (64MiB). "
            "Make it smaller, or the other larger."
        )
    ]
    assert len(problems_of({"ZAPD_WORKER_HEARTBEAT_SECONDS": "30"})) == 1


def test_defaults_fit_into_what_is_given() -> None:
    """A small memory alone is no contradiction: the other defaults become smaller."""
    settings = Settings.from_env({"ZAPD_MEMORY_BUDGET": "8MiB", "ZAPD_WORKER_HUNG_SECONDS": "2"})
    assert settings.session_max_bytes == 8 << 20
    assert settings.ring_bytes == 2 << 20
    assert settings.chat_max_bytes == 1 << 20
    assert settings.worker_heartbeat_seconds == 0.5


def test_settings_do_not_show_the_secret() -> None:
    """Whoever prints the settings prints no secret."""
    settings = Settings.from_env({"ZAPD_JWT_SECRET": SECRET})
    assert settings.jwt_secret == Secret(SECRET)
    assert SECRET not in f"{settings} {settings!r}"


def test_settings_cannot_be_changed() -> None:
    """The settings are a value."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]  # refused


@pytest.mark.parametrize(
    ("settings", "port", "expected"),
    [
        (Settings(), None, "http://127.0.0.1:8420"),
        (Settings(port=0), 4711, "http://127.0.0.1:4711"),
        (Settings(host="::"), None, "http://[::1]:8420"),
        (Settings(host="0.0.0.0"), None, "http://127.0.0.1:8420"),  # noqa: S104 - not bound
        (Settings(public_url="https://zap.example"), 4711, "https://zap.example"),
    ],
)
def test_the_address_for_links(settings: Settings, port: int | None, expected: str) -> None:
    """Links name the public address, else one that a browser on this machine can open."""
    assert settings.base_url(port) == expected


def test_the_scopes_are_the_scopes() -> None:
    """The table's words are those of the scopes' own table, which it must not import."""
    row = next(row for row in ROWS if row.name == "token_scopes")
    assert row.parse(",".join(Scope)) == tuple(Scope)
    assert Settings().token_scopes == DEFAULT_TOKEN_SCOPES
