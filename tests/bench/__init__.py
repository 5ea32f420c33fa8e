"""Benchmarks: one module a subcommand of ``scripts/bench``.

A module has ``arguments(parser)`` and ``run(options)``, which returns a
:class:`~tests.bench.figures.Report`; ``--json`` and ``--check`` are the tool's. Absolute numbers are
this machine's; what is compared runs side by side, in turns, and is judged as a ratio.
"""

from __future__ import annotations
