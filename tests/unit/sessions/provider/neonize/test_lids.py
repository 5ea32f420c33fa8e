"""Who is which LID."""

from __future__ import annotations

from sessions.provider.neonize.lids import LidMap

LID, PN = "200000000000002@lid", "5511999990001@s.whatsapp.net"


def test_a_pair_is_news_once() -> None:
    """In whichever order it is told."""
    lids = LidMap()
    assert lids.learn(PN, LID) == (LID, PN)
    assert lids.learn(LID, PN) is None
    assert (lids.pn_of(LID), lids.lid_of(PN)) == (PN, LID)


def test_only_a_lid_and_a_number_are_a_pair() -> None:
    """Groups, two LIDs and nothing are none."""
    lids = LidMap()
    for one, other in ((LID, LID), (PN, PN), (LID, "1203630@g.us"), (LID, ""), ("", "")):
        assert lids.learn(one, other) is None
    assert len(lids) == 0


def test_a_number_may_move() -> None:
    """A LID that changes its number is news."""
    lids = LidMap()
    lids.learn(LID, PN)
    assert lids.learn(LID, "5511888880000@s.whatsapp.net") == (LID, "5511888880000@s.whatsapp.net")


def test_what_nobody_knows_is_asked_once() -> None:
    """Until it is learned otherwise."""
    lids = LidMap()
    assert lids.wants(LID)
    lids.give_up(LID)
    assert not lids.wants(LID)
    assert not lids.wants(PN)


def test_it_is_bounded() -> None:
    """The least recently used pair goes."""
    lids = LidMap(max_pairs=2)
    for number in range(3):
        lids.learn(f"10000{number}@lid", f"551199999{number}@s.whatsapp.net")
    assert (len(lids), lids.pn_of("100000@lid")) == (2, None)
