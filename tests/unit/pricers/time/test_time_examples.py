import doctest

import pytest

from pricers.time import calendars, dates, day_count
from tests.oracles import schedule_batch


@pytest.mark.parametrize("module", [dates, calendars, day_count, schedule_batch], ids=lambda module: module.__name__)
def test_examples_in_docstrings_print_what_they_say(module):
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0
