import threading

import pytest

from knowngood.data.threads import THREADS, in_threads


@pytest.mark.parametrize("count", [0, 1, 5, 1000])
def test_results_come_in_order(count):
    assert list(in_threads(lambda item: item * 2, range(count))) == [item * 2 for item in range(count)]


def test_few_items_are_begun_before_the_first_result_is_taken():
    begun, lock = [], threading.Lock()

    def begin(item):
        with lock:
            begun.append(item)
        return item

    results = in_threads(begin, range(10**6))
    assert next(results) == 0
    results.close()
    assert len(begun) <= 32 * (3 * THREADS + 1)


def test_an_error_is_raised_where_its_result_is_taken():
    results = in_threads(lambda item: 1 // item, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        list(results)
