"""The table of behaviours in the README names tests that exist, and all that it should."""

from __future__ import annotations

import re
from pathlib import Path

_HERE = Path(__file__).parent
_ACCEPTANCE = _HERE.parent / "acceptance"
_PROVIDER = _HERE.parent / "unit" / "sessions" / "provider" / "neonize"

_ROW = re.compile(r"^\| .* \| (?P<tests>`.*`) \| (?P<how>API|Port|Core) \|$", re.MULTILINE)
_NAME = re.compile(r"`(?:(?P<file>\w*)::)?(?P<test>test_\w+)`")
"""In a row with several tests, `::test_x` is in the file of the one before it."""
_DEFINED = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


def _named() -> set[tuple[str, str]]:
    """The places that the table names, each with a test: API files one by one, Port, Core."""
    named = set()
    for row in _ROW.finditer((_HERE / "README.md").read_text(encoding="utf-8")):
        place = row["how"]
        for name in _NAME.finditer(row["tests"]):
            if name["file"]:
                place = f"test_whatsapp{name['file'].removeprefix('whatsapp')}.py"
            named.add((place, name["test"]))
    return named


def _defined(place: str, paths: list[Path]) -> set[tuple[str, str]]:
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return {(place, test) for text in texts for test in _DEFINED.findall(text)}


def _acceptance() -> set[tuple[str, str]]:
    files = _ACCEPTANCE.glob("test_whatsapp*.py")
    return set().union(*(_defined(path.name, [path]) for path in files))


def test_what_the_table_names_exists() -> None:
    """Under the name and in the file that it says."""
    port = _defined("Port", [*_PROVIDER.glob("test_*.py")])
    core = _defined("Core", [_HERE / "test_media.py"])
    assert _named() - _acceptance() - port - core == set()


def test_the_table_names_every_acceptance_test() -> None:
    """A behaviour that is proved is told."""
    assert _acceptance() - _named() == set()
