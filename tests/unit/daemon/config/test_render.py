from __future__ import annotations

from pathlib import Path

from daemon.auth.scopes import MEANING
from daemon.config import ROWS, Secret, Settings
from daemon.config.render import check, env_example, reference

ROOT = Path(__file__).parents[4]


def test_the_environment_file_is_the_table() -> None:
    """`systemd/zapd.env.example` is what `zapd env-example` prints."""
    shipped = (ROOT / "systemd/zapd.env.example").read_text(encoding="utf-8")
    assert shipped == env_example()


def test_the_reference_is_the_table() -> None:
    """`daemon/docs/settings.md` is what `zapd env-example --markdown` prints."""
    assert (ROOT / "daemon/docs/settings.md").read_text(encoding="utf-8") == reference()


def test_the_environment_file_can_be_used_as_it_is() -> None:
    """With every # taken off, the file gives the defaults."""
    lines = [line[1:] for line in env_example().splitlines() if line.startswith("#ZAPD_")]
    env = dict(line.split("=", 1) for line in lines)
    assert Settings.from_env(env) == Settings()
    assert len(env) == len(ROWS)


def test_the_check_shows_every_setting_but_no_secret() -> None:
    """Each variable is there with its value; the secret is only told to be set."""
    text = check(Settings(jwt_secret=Secret("x" * 40)), {"ZAPD_PORT", "ZAPD_JWT_SECRET"})
    assert [line.split(" ")[0] for line in text.splitlines()] == [row.variable for row in ROWS]
    assert "ZAPD_PORT = 8420\n" in text
    assert "ZAPD_JWT_SECRET = (set)\n" in text
    assert "ZAPD_RING_BYTES = 64MiB   # default\n" in text
    assert "xxxx" not in text


def test_the_scopes_page_has_every_scope() -> None:
    """Each scope stands in `daemon/docs/scopes.md` with its sentence."""
    page = (ROOT / "daemon/docs/scopes.md").read_text(encoding="utf-8")
    for scope, meaning in MEANING.items():
        assert f"| `{scope}` | {meaning} |" in page
