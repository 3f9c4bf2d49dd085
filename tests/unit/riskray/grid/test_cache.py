"""The pricer's cache keeps what was used last within its budget."""

from riskray.grid.cache import ByteBudgetCache


def _cache(bytes_max):
    return ByteBudgetCache(bytes_max=bytes_max, size_of=len)


def test_cache_loads_once():
    cache, answers = _cache(10), iter(["abc", "def"])
    for _ in range(3):
        assert cache.get_or_load("key", lambda: next(answers)) == "abc"
    assert cache.nbytes == 3


def test_cache_over_budget_drops_what_was_used_longest_ago():
    cache = _cache(6)
    cache.get_or_load("a", lambda: "111")
    cache.get_or_load("b", lambda: "222")
    cache.get_or_load("a", lambda: "not loaded again")
    cache.get_or_load("c", lambda: "333")
    assert cache.get_or_load("a", lambda: "not loaded again") == "111"
    assert cache.get_or_load("b", lambda: "444") == "444"
    assert cache.nbytes == 6


def test_cache_keeps_nothing_larger_than_its_budget():
    cache = _cache(2)
    cache.get_or_load("small", lambda: "1")
    assert cache.get_or_load("large", lambda: "12345") == "12345"
    assert (len(cache), cache.nbytes) == (1, 1)
