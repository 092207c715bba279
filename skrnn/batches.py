"""Batches of texts of like length, padded to their own longest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skrnn._keras import keras
from skrnn.sequences import PADDING_ID, Sequences

# Texts are sorted by length within a pool of this many batches: enough to leave
# little padding, and few enough that batches change from epoch to epoch.
_BATCHES_A_POOL = 64


class LengthSortedBatches(keras.utils.PyDataset):
    """Batches of texts of like length; `shuffle` makes them anew.

    Parameters
    ----------
    sequences : Sequences of n_texts
        What to learn from.

    targets : ndarray of shape (n_texts, ...)
        The encoded targets.

    sample_weight : ndarray of shape (n_texts,), float32
        The weight of each text in the loss.

    texts : int32 ndarray of shape (n_chosen,)
        Which of the texts to take. They are put into another order in place, for of
        very many texts each number takes memory that training needs.

    batch_size : int
        Number of texts in each batch but perhaps the last one.

    sizes_an_octave : int
        How many numbers of steps batches have between one power of two and the next.

    random_state : numpy.random.RandomState or None
        Draws the batches in `shuffle`, before which they are the texts in the order
        given; None cuts them in the order of the texts' lengths.
    """

    def __init__(
        self,
        sequences: Sequences,
        targets: np.ndarray,
        sample_weight: np.ndarray,
        *,
        texts: np.ndarray,
        batch_size: int,
        sizes_an_octave: int,
        random_state: np.random.RandomState | None = None,
    ):
        super().__init__()
        self.sequences = sequences
        self.targets = targets
        self.sample_weight = sample_weight
        self.batch_size = batch_size
        self.sizes_an_octave = sizes_an_octave
        self.random_state = random_state
        self._texts = texts
        self._order = range(-(-len(texts) // batch_size))
        if random_state is None:
            self._sort(texts)

    def shuffle(self) -> None:
        """Draw new batches and a new order of them."""
        # From the same order each time: an epoch more is one of a longer training.
        self._texts.sort()
        self.random_state.shuffle(self._texts)
        pool_size = _BATCHES_A_POOL * self.batch_size
        for start in range(0, len(self._texts), pool_size):
            self._sort(self._texts[start : start + pool_size])
        self._order = self.random_state.permutation(len(self))

    def _sort(self, texts: np.ndarray) -> None:
        """Sort texts by length, in place."""
        offsets = self.sequences.offsets
        lengths = offsets[1:][texts] - offsets[:-1][texts]
        texts[:] = texts[np.argsort(lengths, kind="stable")]

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int):
        start = self._order[index] * self.batch_size
        texts = self._texts[start : start + self.batch_size]
        ids = _pad(self.sequences[texts], len(texts), self.sizes_an_octave)
        return ids, self.targets[texts], self.sample_weight[texts]


def apply_by_length(
    function: Callable[[np.ndarray], np.ndarray],
    sequences: Sequences,
    *,
    tokens_a_batch: int,
    sizes_an_octave: int,
) -> np.ndarray:
    """Apply a function to batches of like length, in the caller's order.

    Batches are cut by tokens rather than by texts: one long text must not make a
    whole batch of its length.

    Parameters
    ----------
    function : callable
        Maps padded ids of shape (batch, steps) to an array of shape
        (batch, width).

    sequences : Sequences of n_texts
        At least one text.

    tokens_a_batch : int
        The most tokens of a batch, padding included, unless one text has more.

    sizes_an_octave : int
        How many numbers of steps, and of texts, batches have between one power of two
        and the next.

    Returns
    -------
    ndarray of shape (n_texts, width)
        Row ``i`` belongs to text ``i``.
    """
    lengths = sequences.lengths
    order = np.argsort(-lengths, kind="stable")
    rows = []
    start = 0
    while start < len(order):
        n_steps = rounded_size(max(int(lengths[order[start]]), 1), sizes_an_octave)
        most = max(tokens_a_batch // n_steps, 1)
        texts = order[start : start + most]
        n_texts = min(rounded_size(len(texts), sizes_an_octave), most)
        ids = _pad(sequences[texts], n_texts, sizes_an_octave)
        rows.append(function(ids)[: len(texts)])
        start += most
    result = np.empty((len(order), rows[0].shape[1]), rows[0].dtype)
    result[order] = np.concatenate(rows)
    return result


def rounded_size(number: int, sizes_an_octave: int) -> int:
    """Round up to one of few numbers, so that there are few shapes.

    Parameters
    ----------
    number : int
        At least 1.

    sizes_an_octave : int
        How many equally spaced numbers there are between one power of two and the
        next.
    """
    step = max((1 << (number - 1).bit_length()) // (2 * sizes_an_octave), 1)
    return -(-number // step) * step


def _pad(sequences: Sequences, n_texts: int, sizes_an_octave: int) -> np.ndarray:
    """Padded ids, rounded up in length, and texts without a token up to `n_texts`."""
    ids = sequences.padded()
    n_steps = rounded_size(ids.shape[1], sizes_an_octave)
    added = n_texts - len(ids), n_steps - ids.shape[1]
    if not any(added):
        return ids
    return np.pad(ids, ((0, added[0]), (added[1], 0)), constant_values=PADDING_ID)
