"""What holds for the project as a whole: its documentation, its arrows, its tables."""

from __future__ import annotations
