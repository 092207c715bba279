"""What is shared out among threads comes in order, and little before its turn."""

import threading

import pytest

from skrnn.threads import in_threads, one_ahead

N_THREADS = [1, 2, 5, 100]


@pytest.fixture(params=N_THREADS)
def n_threads(request, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(request.param))
    return min(request.param, 8)


@pytest.mark.parametrize("n_items", [0, 1, 2, 30])
def test_results_come_in_the_order_of_the_items(n_items, n_threads):
    assert list(in_threads(str, range(n_items))) == list(map(str, range(n_items)))


def test_as_many_are_computed_at_a_time_as_there_are_threads(n_threads):
    # Each waits until all threads have come to it.
    together = threading.Barrier(n_threads)
    assert len(list(in_threads(lambda _: together.wait(60), range(3 * n_threads)))) == (
        3 * n_threads
    )


def test_the_next_is_made_while_one_is_computed():
    made = threading.Semaphore(0)

    def items():
        for i in range(5):
            made.release()
            yield i
        made.release()

    def doubled(item):
        # Its own, and the one after it or the end.
        assert made.acquire(timeout=60)
        if item == 0:
            assert made.acquire(timeout=60)
        return 2 * item

    assert list(one_ahead(doubled, items())) == [0, 2, 4, 6, 8]


def test_few_are_begun_ahead_of_their_turn(n_threads):
    begun = []
    results = in_threads(begun.append, range(100))
    for n_taken in range(1, 20):
        next(results)
        assert len(begun) <= n_taken + n_threads
    results.close()


def test_an_error_is_raised_where_its_result_would_come(n_threads):
    results = in_threads((1).__truediv__, [1, 2, 0, 4])
    assert [next(results), next(results)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_threads_end_where_no_more_is_asked_for(n_threads):
    before = threading.active_count()
    results = in_threads(str, range(100))
    next(results)
    results.close()
    assert threading.active_count() == before
