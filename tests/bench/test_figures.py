"""The arithmetic of figures, what ``--check`` refuses, and the registry of the subcommands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import cores
from tests.bench.__main__ import SUBCOMMANDS, conclude, main
from tests.bench.figures import Figure, Goal, Report, at_least, at_most, ratio, rounded

ROUNDS = Figure("zapd", [30.0, 10.0, 20.0], "ms")


def test_a_figure_is_told_as_its_median_and_spread() -> None:
    """The order of the rounds does not matter to it."""
    assert ROUNDS.cells() == ("zapd", "20", "10-30", "ms", "", "")


def test_one_round_has_no_spread() -> None:
    """A lone value is not dressed up as a range."""
    assert Figure("zapd", [3.14159], "s").cells() == ("zapd", "3.14", "", "s", "", "")


def test_a_figure_needs_a_value() -> None:
    """Nothing measured must not pass for a goal kept."""
    with pytest.raises(ValueError, match="nothing was measured for 'empty'"):
        Figure("empty", [], goal=at_most(1))


@pytest.mark.parametrize(
    ("goal", "falls_short"),
    [
        (at_most(20), False),
        (at_most(19.9), True),
        (at_least(20), False),
        (at_least(20.1), True),
    ],
)
def test_the_median_is_judged(goal: Goal, falls_short: bool) -> None:
    """A goal that is reached exactly is kept; the rounds around the median do not count."""
    figure = Figure(ROUNDS.name, ROUNDS.values, ROUNDS.unit, goal)
    assert figure.falls_short is falls_short


def test_a_ratio_is_taken_round_by_round() -> None:
    """Each round's two sides share a moment: the medians' ratio would be 2, the rounds say 1."""
    ours = Figure("ours", [1.0, 20.0, 30.0])
    theirs = Figure("theirs", [1.0, 10.0, 30.0])
    assert ratio("ours ÷ theirs", ours, theirs).values == [1.0, 2.0, 1.0]
    assert ratio("ours ÷ theirs", ours, theirs).median == 1.0


def test_a_ratio_needs_as_many_rounds_of_both() -> None:
    """A round without its partner is an error of the benchmark, not a round to drop."""
    with pytest.raises(ValueError, match="zip"):
        ratio("ours ÷ theirs", ROUNDS, Figure("theirs", [1.0]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.01234, "0.0123"),
        (0.99, "0.99"),
        (9.876, "9.88"),
        (12.34, "12.3"),
        (123.4, "123"),
        (1234567.8, "1,234,568"),
        (-12.34, "-12.3"),
    ],
)
def test_three_digits_count(value: float, text: str) -> None:
    """Enough to compare, no more than the measurement carries."""
    assert rounded(value) == text


def report(*figures: Figure) -> Report:
    """Return a report of some figures."""
    return Report("Title", figures, ["a note"])


def test_the_table() -> None:
    """Cells stand under each other, verdicts are words, notes follow."""
    kept = Figure("kept", [1.0], "×", at_most(2))
    short = Figure("short", [3.0], "×", at_most(2))
    assert report(kept, short).table().splitlines() == [
        "Title",
        "",
        "| what  | median | spread | unit | goal |             |",
        "|-------|--------|--------|------|------|-------------|",
        "| kept  | 1      |        | ×    | ≤ 2  | kept        |",
        "| short | 3      |        | ×    | ≤ 2  | falls short |",
        "",
        "a note",
    ]


@pytest.mark.parametrize("check", [False, True])
def test_the_exit_code(check: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """1 only when it was asked to check, and then it names what fell short."""
    short = report(Figure("good", [1.0], goal=at_most(2)), Figure("bad", [3.0], goal=at_most(2)))
    assert conclude(short, None, check=check) == int(check)
    told = capsys.readouterr()
    assert "falls short" in told.out
    assert told.err == ("bad: 3 , goal ≤ 2\n" if check else "")


def test_nothing_short_is_a_success() -> None:
    """Figures without a goal are no failure."""
    good = report(Figure("good", [1.0], goal=at_least(1)), Figure("free", [9.0]))
    assert conclude(good, None, check=True) == 0


def test_the_json(tmp_path: Path) -> None:
    """All values are in the file, with what they were judged by."""
    file = tmp_path / "figures.json"
    conclude(report(Figure("f", [3.0, 1.0, 2.0], "ms", at_most(1.5))), file, check=False)
    assert json.loads(file.read_text()) == {
        "title": "Title",
        "figures": [
            {
                "name": "f",
                "unit": "ms",
                "median": 2.0,
                "low": 1.0,
                "high": 3.0,
                "values": [3.0, 1.0, 2.0],
                "goal": "≤ 1.5",
                "falls_short": True,
            }
        ],
        "notes": ["a note"],
    }


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_each_subcommand_can_be_asked_for_help(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever registers a module gave it options; every one takes ``--json`` and ``--check``."""
    monkeypatch.setattr("sys.argv", ["scripts/bench", name, "--help"])
    with pytest.raises(SystemExit, match="0"):
        main()
    said = capsys.readouterr().out
    assert "--json FILE" in said
    assert "--check" in said


def test_a_measurement_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small run of a real subcommand writes figures that were measured."""
    file = tmp_path / "memory.json"
    sizes = ["--messages", "2000", "--chats", "20", "--rounds", "2"]
    monkeypatch.setattr("sys.argv", ["scripts/bench", "memory", *sizes, "--json", str(file)])
    assert main() == 0
    figures = {one["name"]: one for one in json.loads(file.read_text())["figures"]}
    assert 400 < figures["payload"]["median"] < 600
    assert figures["resident"]["median"] > figures["payload"]["median"]
    assert len(figures["resident ÷ payload"]["values"]) == 2


def test_a_child_begins_on_the_core_it_was_given() -> None:
    """And the benchmark itself is back on its own afterwards."""
    before = os.sched_getaffinity(0)
    with cores.on(cores.LOAD):
        ask = "import os; print(os.sched_getaffinity(0))"
        said = subprocess.run([sys.executable, "-c", ask], check=True, stdout=subprocess.PIPE)
    assert (said.stdout.decode().strip(), os.sched_getaffinity(0)) == (f"{{{cores.LOAD}}}", before)
