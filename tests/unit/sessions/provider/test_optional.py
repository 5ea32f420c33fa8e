"""What a provider may be able to do besides the port."""

from __future__ import annotations

from sessions.provider.optional import NONE, Counts


def test_counts_add_up() -> None:
    """Field by field."""
    one = Counts(unkept=1, overflowed=2, undecrypted=3)
    assert one.plus(one) == Counts(unkept=2, overflowed=4, undecrypted=6)
    assert one.plus(one).minus(one) == one
    assert one.minus(one) == NONE
