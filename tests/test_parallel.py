import threading
import time

import pytest
import torch

from knowngood.parallel import in_parallel, one_thread


@pytest.fixture(autouse=True)
def _two_threads():
    """More than one, whatever the settings of torch are."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_however_long_each_takes():
    def slow(number):
        time.sleep(0.01 * (5 - number))
        return number * 10

    assert list(in_parallel(slow, range(5))) == [0, 10, 20, 30, 40]


def test_no_gradient_is_kept_and_torch_uses_one_thread_meanwhile():
    before = torch.get_num_threads()
    weight = torch.ones(3, requires_grad=True)
    for result, threads in in_parallel(lambda _: (weight * 2, torch.get_num_threads()), range(3)):
        assert not result.requires_grad
        assert threads == 1
    assert torch.get_num_threads() == before


def test_the_number_of_threads_is_given_back_after_an_error():
    before = torch.get_num_threads()

    def fails(_):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(in_parallel(fails, [1]))
    with pytest.raises(ValueError, match="no"), one_thread():
        raise ValueError("no")
    assert torch.get_num_threads() == before
    assert threading.active_count() < 50
