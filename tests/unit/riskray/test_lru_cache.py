"""The cache keeps the most recently used values within its budget."""

from riskray.lru_cache import LruCache


def _cache(budget: int) -> LruCache[str]:
    return LruCache(budget=budget, size_of=len)


def test_cache_loads_once():
    cache, values = _cache(10), iter(["abc", "def"])
    for _ in range(3):
        assert cache.get_or_load("key", lambda: next(values)) == "abc"
    assert cache.size == 3
    assert (cache.hits, cache.misses) == (2, 1)


def test_cache_over_budget_drops_what_was_used_longest_ago():
    cache = _cache(6)
    cache.get_or_load("a", lambda: "111")
    cache.get_or_load("b", lambda: "222")
    cache.get_or_load("a", lambda: "not loaded again")
    cache.get_or_load("c", lambda: "333")
    assert cache.get_or_load("a", lambda: "not loaded again") == "111"
    assert cache.get_or_load("b", lambda: "444") == "444"
    assert cache.size == 6


def test_value_larger_than_the_budget_is_kept_until_the_next_one():
    cache = _cache(2)
    cache.get_or_load("small", lambda: "1")
    assert cache.get_or_load("large", lambda: "12345") == "12345"
    assert cache.get_or_load("large", lambda: "not loaded again") == "12345"
    cache.get_or_load("small", lambda: "1")
    assert (len(cache), cache.size) == (1, 1)
