from __future__ import annotations

from hypothesis import given, strategies as st

from sessions.cache.byte_lru import ByteLRU


class Block:
    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["put", "find", "pop"]), st.integers(0, 7), st.integers(0, 60)),
    max_size=60,
)


@given(OPERATIONS)
def test_bytes_stay_within_the_bound(operations: list[tuple[str, int, int]]) -> None:
    """Whatever is done, the sum of the weights is what is accounted for, and within the bound."""
    gone: list[int] = []
    cache: ByteLRU[int, Block] = ByteLRU(100, lambda key, _: gone.append(key))
    for what, key, nbytes in operations:
        if what == "put":
            block = cache.get(key) or Block(0)
            block.nbytes = nbytes
            assert cache.put(key, block)
            assert key in cache
        elif what == "find":
            cache.find(key)
        else:
            cache.pop(key, None)
        assert cache.currsize == sum(cache[key].nbytes for key in list(cache))
        assert cache.currsize <= 100
    assert cache.evictions == len(gone)


def test_the_least_recently_used_goes_first() -> None:
    """Finding a value keeps it; who was not looked for makes room."""
    gone: list[str] = []
    cache: ByteLRU[str, Block] = ByteLRU(100, lambda key, _: gone.append(key))
    for key in "abc":
        cache.put(key, Block(30))
    cache.find("a")
    cache.put("d", Block(40))
    assert gone == ["b"]
    cache.put("a", Block(90))
    assert gone == ["b", "c", "d"]
    assert list(cache) == ["a"]


def test_what_is_read_back_is_the_coldest() -> None:
    """It leaves first, and weighing it anew does not make it warmer."""
    gone: list[str] = []
    cache: ByteLRU[str, Block] = ByteLRU(100, lambda key, _: gone.append(key))
    cache.put("a", Block(30))
    cold = Block(20)
    cache.put_cold("b", cold)
    cache.put("c", Block(10))
    assert cache.room(0.8) == 20
    cold.nbytes = 40
    cache.put_cold("b", cold)
    assert (cache.currsize, cache.room(0.8), gone) == (80, 0, [])
    cache.put("d", Block(50))
    assert gone == ["b"]


def test_growing_evicts_others_never_itself() -> None:
    """A value that is weighed anew counts once."""
    gone: list[str] = []
    cache: ByteLRU[str, Block] = ByteLRU(100, lambda key, _: gone.append(key))
    for nbytes in (60, 61, 99, 100):
        assert cache.put("a", Block(nbytes))
    assert gone == []


def test_what_is_alone_over_the_bound_is_not_kept() -> None:
    """It leaves, and evicts nobody."""
    gone: list[str] = []
    cache: ByteLRU[str, Block] = ByteLRU(100, lambda key, _: gone.append(key))
    cache.put("a", Block(10))
    cache.put("b", Block(10))
    assert not cache.put("b", Block(101))
    assert (list(cache), gone) == (["a"], [])


def test_use_is_counted() -> None:
    """Hits, misses, evictions, bytes and entries are told."""
    cache: ByteLRU[str, Block] = ByteLRU(100)
    cache.put("a", Block(60))
    cache.put("b", Block(60))
    cache.find("a")
    cache.find("b")
    usage = cache.usage()
    assert (usage.used_bytes, usage.max_bytes, usage.entries) == (60, 100, 1)
    assert (usage.hits, usage.misses, usage.evictions) == (1, 1, 1)
