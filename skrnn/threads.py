"""How many threads NumPy and SciPy take, and what is shared out among Python's."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice

from threadpoolctl import threadpool_limits

from skrnn.native.binding import n_threads

# Each thread's share takes memory.
_MOST_THREADS = 8


class _OneThread:
    """Limits the process to one BLAS thread while anybody is within.

    The limits are the process's own. Were each caller to put back what it found, the
    last of two that overlap would put back the first one's limit, for good.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._n_within = 0
        self._limits = None

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Round as with one thread, so that results depend on no number of threads."""
        with self._lock:
            if not self._n_within:
                self._limits = threadpool_limits(1, user_api="blas")
            self._n_within += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_within -= 1
                if not self._n_within:
                    self._limits.restore_original_limits()


one_blas_thread = _OneThread()


def in_threads(function: Callable, items: Iterable) -> Iterator:
    """Give a function's results in the order of the items, some computed at a time.

    For what leaves Python's lock to others meanwhile. As few are begun ahead of their
    turn as keep the threads busy, for results take memory.
    """
    left = iter(items)
    first = list(islice(left, min(n_threads(), _MOST_THREADS)))
    if len(first) < 2:
        yield from map(function, chain(first, left))
        return
    with ThreadPoolExecutor(len(first)) as pool:
        begun = deque(pool.submit(function, one) for one in first)
        while begun:
            result = begun.popleft().result()
            begun.extend(pool.submit(function, one) for one in islice(left, 1))
            yield result


def one_ahead(function: Callable, items: Iterable) -> list:
    """Apply a function to items, each of which is made while the one before is in it.

    No more than one is begun, so that an error or an interrupt ends it.
    """
    results, computing = [], None
    with ThreadPoolExecutor(max_workers=1) as pool:
        for item in items:
            if computing is not None:
                results.append(computing.result())
            computing = pool.submit(function, item)
        if computing is not None:
            results.append(computing.result())
    return results
