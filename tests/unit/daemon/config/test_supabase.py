from __future__ import annotations

import jwt
import pytest

from daemon.config import ConfigError, Settings

URL = "https://abcdefghijklmnopqrst.supabase.co"
SECRET = "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"


def old_key(role: str) -> str:
    """Return a key of the old kind."""
    return jwt.encode({"iss": "supabase", "ref": "abc", "role": role}, "x" * 32, "HS256")


def problems_of(**env: str) -> list[str]:
    """Return what is wrong with an environment."""
    with pytest.raises(ConfigError) as caught:
        Settings.from_env({f"ZAPD_SUPABASE_{name}": value for name, value in env.items()})
    return caught.value.problems


@pytest.mark.parametrize("key", [SECRET, old_key("service_role")], ids=["new", "old"])
def test_a_secret_key_of_either_kind(key: str) -> None:
    """The key is kept, the address is an origin."""
    settings = Settings.from_env({"ZAPD_SUPABASE_URL": f"{URL}/", "ZAPD_SUPABASE_KEY": key})
    assert settings.supabase_url == URL
    assert settings.supabase_key is not None
    assert settings.supabase_key.reveal() == key
    assert key not in repr(settings)
    assert settings.supabase_poll_seconds == 30


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH", "is a public key"),
        (old_key("anon"), "is a public key"),
        (old_key("authenticated"), "is not a key of Supabase"),
        ("a.b.c", "is not a key of Supabase"),
        ("a.bnVsbA.c", "is not a key of Supabase"),
        ("zk_something_else", "is not a key of Supabase"),
    ],
)
def test_other_keys_are_refused_and_not_shown(key: str, what: str) -> None:
    """A public key by name; what to write instead; never the key."""
    (problem,) = problems_of(URL=URL, KEY=key)
    assert problem.startswith(f"ZAPD_SUPABASE_KEY {what}")
    assert "sb_secret_" in problem
    assert key not in problem


def test_address_and_key_go_together() -> None:
    """Both or neither; the JWT secret is of no use alone."""
    assert problems_of(URL=URL) == [
        "ZAPD_SUPABASE_URL is set and ZAPD_SUPABASE_KEY is not. Set both, or neither."
    ]
    assert problems_of(KEY=SECRET) == [
        "ZAPD_SUPABASE_KEY is set and ZAPD_SUPABASE_URL is not. Set both, or neither."
    ]
    assert problems_of(JWT_SECRET="x" * 32) == [
        "ZAPD_SUPABASE_JWT_SECRET is set and ZAPD_SUPABASE_URL is not. Set both, or neither."
    ]


def test_an_address_with_a_path_is_refused() -> None:
    """The project's origin is asked for, not its Data API's address."""
    (problem, *_) = problems_of(URL=f"{URL}/rest/v1", KEY=SECRET)
    assert "which is not an origin" in problem
