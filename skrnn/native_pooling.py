"""Representations of what the kernel for the processor pooled, and their gradient."""

from __future__ import annotations

import numpy as np

from skrnn.pooling import PARTS


class NativePooling:
    """What `skrnn.pooling` makes of hidden states, where the kernel went before.

    Parameters
    ----------
    pooling : {"last", "mean", "max", "concat"}
        As in `skrnn.pooling.pool`.

    padding : uint8 ndarray of shape (steps, batch)
        1 at steps that hold no token, 0 at others.
    """

    def __init__(self, pooling: str, padding: np.ndarray):
        self._parts = PARTS.get(pooling, (pooling,))
        n_tokens = np.count_nonzero(padding == 0, axis=0)[:, None]
        self._has_tokens = n_tokens > 0
        self._n_tokens = np.maximum(n_tokens, 1).astype(np.float32)

    def finish(self, pooled: np.ndarray) -> np.ndarray:
        """Give the representations.

        Parameters
        ----------
        pooled : float32 ndarray of shape (3, batch, size)
            The last states, their sums and the largest.

        Returns
        -------
        float32 ndarray of shape (batch, size) or (batch, 3 * size)
        """
        last, sums, largest = pooled
        finished = {
            "last": last,
            "mean": sums / self._n_tokens,
            "max": np.where(self._has_tokens, largest, 0),
        }
        return np.concatenate([finished[part] for part in self._parts], axis=-1)

    def go_back(self, upstream: np.ndarray) -> np.ndarray:
        """Give the gradient of what was pooled, from that of the representations."""
        slopes = np.split(upstream, len(self._parts), axis=-1)
        of_pooled = np.zeros((3, *slopes[0].shape), np.float32)
        for part, one in zip(self._parts, slopes, strict=True):
            if part == "last":
                of_pooled[0] = one
            elif part == "mean":
                of_pooled[1] = one / self._n_tokens
            else:
                of_pooled[2] = np.where(self._has_tokens, one, 0)
        return of_pooled
