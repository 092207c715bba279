"""How many threads NumPy's and SciPy's matrix products take."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from threadpoolctl import threadpool_limits


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
