"""What every benchmark hands back: figures, their goals and how they are told.

A subcommand's ``run(options)`` returns a :class:`Report`; the tool prints its table, writes it
to ``--json FILE`` and, with ``--check``, exits 1 when a figure falls short of its goal::

    ours = Figure("zapd", (9.1, 9.4, 9.0), "MB a session", at_most(12))
    theirs = Figure("Baileys", (120.0, 124.0, 122.0), "MB a session")
    return Report("Memory", [ours, theirs, ratio("zapd ÷ Baileys", ours, theirs, at_most(0.12))])
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Goal(NamedTuple):
    """A bound that a median must keep; reaching it exactly is enough."""

    bound: float
    is_floor: bool

    def kept_by(self, value: float) -> bool:
        """Tell whether the value is on the right side."""
        return value >= self.bound if self.is_floor else value <= self.bound

    def __str__(self) -> str:
        """Say it as the table does."""
        return f"{'≥' if self.is_floor else '≤'} {self.bound:g}"


def at_least(bound: float) -> Goal:
    """Return a goal for what should be high."""
    return Goal(bound, is_floor=True)


def at_most(bound: float) -> Goal:
    """Return a goal for what should be low."""
    return Goal(bound, is_floor=False)


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing measured: a value a round, told as median and spread."""

    name: str
    values: Sequence[float]  # one a round, in the order of the rounds; never empty
    unit: str = ""
    goal: Goal | None = None

    def __post_init__(self) -> None:
        """Refuse a figure that nothing was measured for: it would keep any goal."""
        if not self.values:
            raise ValueError(f"nothing was measured for {self.name!r}")

    @property
    def median(self) -> float:
        """The median over the rounds: what a goal judges."""
        return statistics.median(self.values)

    @property
    def falls_short(self) -> bool:
        """Whether there is a goal and the median misses it."""
        return self.goal is not None and not self.goal.kept_by(self.median)

    def as_json(self) -> dict[str, Any]:
        """Return all there is to know, as ``--json`` writes it."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "low": min(self.values),
            "high": max(self.values),
            "values": list(self.values),
            "goal": str(self.goal) if self.goal else None,
            "falls_short": self.falls_short,
        }

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table."""
        verdict = "" if self.goal is None else "falls short" if self.falls_short else "kept"
        low, high = rounded(min(self.values)), rounded(max(self.values))
        spread = f"{low}-{high}" if len(self.values) > 1 else ""
        goal = str(self.goal) if self.goal else ""
        return (self.name, rounded(self.median), spread, self.unit, goal, verdict)


def ratio(name: str, ours: Figure, theirs: Figure, goal: Goal | None = None) -> Figure:
    """Return ours ÷ theirs, round by round: rounds side by side share the machine's mood."""
    pairs = zip(ours.values, theirs.values, strict=True)
    return Figure(name, [ours / theirs for ours, theirs in pairs], "×", goal)


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of a subcommand found."""

    title: str
    figures: Sequence[Figure]
    notes: Sequence[str] = ()  # lines below the table: what the figures do not say themselves

    def table(self) -> str:
        """Return the report as people read it: a table that Markdown understands as well."""
        head = ("what", "median", "spread", "unit", "goal", "")
        rows = [head, *(figure.cells() for figure in self.figures)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [_row(row, widths) for row in rows]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join([self.title, "", *lines, *(["", *self.notes] if self.notes else [])])

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` writes."""
        figures = [figure.as_json() for figure in self.figures]
        return {"title": self.title, "figures": figures, "notes": list(self.notes)}

    def short(self) -> list[Figure]:
        """Return the figures that fall short of their goals."""
        return [figure for figure in self.figures if figure.falls_short]


def _row(cells: Iterable[str], widths: Iterable[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"


def rounded(value: float) -> str:
    """Return three digits that count, or all of a number that has more before its point."""
    magnitude = abs(value)
    if value == int(value) or magnitude >= 100:
        return f"{value:,.0f}"
    digits = 2 if magnitude < 10 else 1
    return f"{value:.{digits if magnitude >= 0.1 else 4}f}"
