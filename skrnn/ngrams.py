"""Which n-grams of ids each text holds."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from skrnn.sequences import UNKNOWN_ID, Sequences

# An n-gram of a single text says nothing of others.
_LEAST_TEXTS = 2

_ABSENT = -1


class NGrams:
    """Learns the n-grams of texts and marks which of them a text holds.

    An n-gram of `n` ids is looked for only where its first ``n - 1`` are known: it
    cannot be in more texts than they are, and a pair of numbers then names it
    whatever its length. N-grams with unknown tokens are left out.

    Parameters
    ----------
    n_ids : int
        Number of ids, the reserved ones included.

    max_n : int
        The most ids of an n-gram.

    max_features : int
        The most n-grams of each length. Where there are more, those in the fewest
        texts are left out, all of a frequency together.
    """

    def __init__(self, n_ids: int, *, max_n: int, max_features: int):
        self.n_ids = n_ids
        self.max_n = max_n
        self.max_features = max_features

    @property
    def n_features(self) -> int:
        """Number of n-grams known."""
        return sum(map(len, self._keys))

    def fit_transform(self, sequences: Sequences) -> csr_matrix:
        """Learn the n-grams found in at least two texts.

        Parameters
        ----------
        sequences : Sequences of n_texts
            At least one text.

        Returns
        -------
        csr_matrix of shape (n_texts, n_features), float32
            1 where a text holds an n-gram.
        """
        self._keys = []

        def learn(keys, rows):
            known, numbers = np.unique(keys, return_inverse=True)
            held = _unique(rows * len(known) + numbers) % max(len(known), 1)
            n_texts = np.bincount(held, minlength=len(known))
            kept = n_texts >= _least_texts(n_texts, self.max_features)
            self._keys.append(known[kept])
            renumbered = np.where(kept, np.cumsum(kept) - 1, _ABSENT)
            return renumbered[numbers]

        return self._mark(sequences, [learn] * self.max_n)

    def find(self, sequences: Sequences) -> list[tuple[np.ndarray, np.ndarray]]:
        """Find the n-grams known, at every place where they stand.

        Parameters
        ----------
        sequences : Sequences of n_texts
            At least one text.

        Returns
        -------
        list of (places, features), one a length of n-grams
            Positions in ``sequences.ids`` of the n-grams' first ids, and the
            n-grams' column numbers in what `transform` gives.
        """
        return list(self._find(sequences, self._look_ups()))

    def transform(self, sequences: Sequences) -> csr_matrix:
        """Mark the n-grams known.

        Parameters
        ----------
        sequences : Sequences of n_texts
            At least one text.

        Returns
        -------
        csr_matrix of shape (n_texts, n_features), float32
            1 where a text holds an n-gram.
        """
        return self._mark(sequences, self._look_ups())

    def _look_ups(self):
        """The numberings that know what was learned."""

        def look_up(known):
            def numbers(keys, rows):
                if not len(known):
                    return np.full(len(keys), _ABSENT)
                places = np.searchsorted(known, keys)
                places[places == len(known)] = 0
                return np.where(known[places] == keys, places, _ABSENT)

            return numbers

        return map(look_up, self._keys)

    def _find(self, sequences: Sequences, numberings):
        """Places and columns of the n-grams of each length, by its numbering."""
        ids = sequences.ids.astype(np.int64)
        lengths = sequences.lengths
        rows = _texts_of_ids(sequences)
        stops = np.repeat(sequences.offsets[1:], lengths)
        # An n-gram's place is that of its first id; `numbers` are those of one id less.
        places = np.arange(len(ids))
        numbers = np.zeros(len(ids), np.int64)
        n_features = 0
        for n, numbering in enumerate(numberings, start=1):
            last = places + n - 1
            whole = last < stops[places]
            places, numbers, last = places[whole], numbers[whole], last[whole]
            known = ids[last] > UNKNOWN_ID
            places, numbers, last = places[known], numbers[known], last[known]
            numbers = numbering(numbers * self.n_ids + ids[last], rows[places])
            present = numbers != _ABSENT
            places, numbers = places[present], numbers[present]
            yield places, numbers + n_features
            n_features += len(self._keys[n - 1])

    def _mark(self, sequences: Sequences, numberings) -> csr_matrix:
        n_texts = len(sequences)
        found = self._find(sequences, numberings)
        places, of_ngram = map(np.concatenate, zip(*found, strict=True))
        of_text = _texts_of_ids(sequences)[places]
        n_features = self.n_features
        marked = _unique(of_text * max(n_features, 1) + of_ngram)
        of_text, of_ngram = np.divmod(marked, max(n_features, 1))
        stops = np.cumsum(np.bincount(of_text, minlength=n_texts))
        return csr_matrix(
            (
                np.ones(len(marked), np.float32),
                of_ngram.astype(np.int32),
                np.concatenate([[0], stops]),
            ),
            shape=(n_texts, n_features),
        )


def _texts_of_ids(sequences: Sequences) -> np.ndarray:
    return np.repeat(np.arange(len(sequences)), sequences.lengths)


def _unique(values: np.ndarray) -> np.ndarray:
    """Sort and drop repeats, which NumPy's own hashing does many times slower."""
    values = np.sort(values)
    return values[np.diff(values, prepend=values[:1] - 1) != 0]


def _least_texts(n_texts: np.ndarray, max_features: int) -> int:
    """The fewest texts an n-gram must be in, so that `max_features` are not passed."""
    of_each_number = np.bincount(n_texts)
    in_at_least = np.cumsum(of_each_number[::-1])[::-1]
    few_enough = np.flatnonzero(in_at_least <= max_features)
    first = few_enough[0] if len(few_enough) else len(of_each_number)
    return max(_LEAST_TEXTS, int(first))
