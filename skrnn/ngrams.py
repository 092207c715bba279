"""Which n-grams of ids each text holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial, reduce

import numpy as np
from scipy.sparse import csr_matrix

from skrnn._unique import first_of_runs, once_a_text, unique
from skrnn.native import marks as native_marks
from skrnn.native import ngrams as native
from skrnn.native.marks import MarkedIds, PackedMarks
from skrnn.native.texts import check_ids
from skrnn.sequences import UNKNOWN_ID, Sequences
from skrnn.threads import in_threads

# An n-gram of a single text says nothing of others.
LEAST_TEXTS = 2

# Texts are taken so many ids at a time: by NumPy that takes some hundred bytes an id.
_IDS_A_PART = 2**15

# A part of the marks' matrix ends with the first texts by which it has so many marks,
# or texts: products of larger ones are hardly faster, sums over a part can do with
# single precision, and each thread has numbers of a part's texts. Of packed marks those
# of single ids do not count.
_MARKS_A_PART = 2**21
_TEXTS_A_PART = 2**15


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
        return len(self._keys)

    def fit(self, sequences: Sequences) -> NGrams:
        """Learn the n-grams found in at least two texts.

        Parameters
        ----------
        sequences : Sequences of n_texts
            At least one text.

        Returns
        -------
        NGrams
            These.
        """
        keys = np.empty(0, np.int64)
        count = _count_compiled if native.IS_COMPILED else _count
        for n in range(1, self.max_n + 1):
            found, n_texts = count(sequences, n=n, n_ids=self.n_ids, known=keys)
            enough = n_texts >= _least_texts(n_texts, self.max_features)
            keys = np.concatenate([keys, np.sort(found[enough])])
        self._keys = keys
        self._forget_known()
        return self

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

        Raises
        ------
        ValueError
            If an id is none of `n_ids`, whose key another n-gram may have.
        """
        check_ids(sequences.ids, n_ids=self.n_ids)
        return self._find(sequences)

    def _find(self, sequences: Sequences) -> list[tuple[np.ndarray, np.ndarray]]:
        candidates = _Candidates(sequences, self.n_ids)
        return [candidates.find(self._keys) for _ in range(self.max_n)]

    def transform(self, sequences: Sequences) -> list[csr_matrix]:
        """Mark the n-grams known.

        Parameters
        ----------
        sequences : Sequences of n_texts
            At least one text.

        Returns
        -------
        list of csr_matrix, each of shape (n_texts_of_part, n_features), float32
            1 where a text holds an n-gram, of some texts at a time. Nearly all share
            the array of their ones: it would take as much memory as where these stand.

        Raises
        ------
        ValueError
            As `find`.
        """
        check_ids(sequences.ids, n_ids=self.n_ids)
        parts = in_threads(self._marker(), sequences.in_parts(_IDS_A_PART))
        marks = list(_joined(parts))
        ones = np.ones(max(len(columns) for columns, _ in marks), np.float32)
        return [
            csr_matrix(
                (
                    ones[: len(columns)],
                    columns,
                    np.concatenate([[0], np.cumsum(n_of_texts)]).astype(np.int32),
                ),
                shape=(len(n_of_texts), self.n_features),
            )
            for columns, n_of_texts in marks
        ]

    def packed(self, sequences: Sequences) -> list[PackedMarks | csr_matrix]:
        """Give what `transform` gives, for products alone and in less memory.

        Parameters
        ----------
        sequences : Sequences of n_texts
            At least one text. They are held, for their ids are a part of it.

        Returns
        -------
        list of PackedMarks, each of shape (n_texts_of_part, n_features)
            Where nothing was compiled, what `transform` gives.

        Raises
        ------
        ValueError
            As `find`.
        """
        if not (native.IS_COMPILED and native_marks.IS_COMPILED):
            return self.transform(sequences)
        mark = self._marker()
        # The keys of n-grams of one id are the ids, and the first.
        single = self._keys[: np.searchsorted(self._keys, self.n_ids)]
        ids = MarkedIds(sequences.ids, sequences.offsets, single, n_ids=self.n_ids)

        def mark_packed(part):
            return native_marks.pack(
                *mark(part), first_column=len(single), n_columns=self.n_features
            )

        packed, stop = [], 0
        parts = in_threads(mark_packed, sequences.in_parts(_IDS_A_PART))
        for gaps, n_gaps in _joined(parts):
            start, stop = stop, stop + len(n_gaps)
            texts = slice(start, stop)
            packed.append(PackedMarks(ids, texts, gaps, n_gaps, self.n_features))
        # Of a million texts it takes megabytes, which a fit on the marks needs.
        self._forget_known()
        return packed

    def _marker(self) -> Callable:
        """What gives the marks of some texts, several of which may be taken at once."""
        if not native.IS_COMPILED:
            return self._mark
        # Looked up here, for threads would make one each.
        return partial(_mark_compiled, known=self._known, max_n=self.max_n)

    def _mark(self, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
        """Columns of the n-grams each text holds, and how many these are."""
        found = zip(*self._find(sequences), strict=True)
        places, columns = map(np.concatenate, found)
        texts = sequences.texts_of_ids[places]
        texts, columns = once_a_text(texts, columns, self.n_features)
        return columns.astype(np.int32), np.bincount(texts, minlength=len(sequences))

    @cached_property
    def _known(self) -> native.KnownNGrams:
        return _as_known(self._keys, self.n_ids)

    def _forget_known(self) -> None:
        self.__dict__.pop("_known", None)

    def __getstate__(self) -> dict:
        # It takes milliseconds to make, and megabytes to store.
        state = self.__dict__.copy()
        state.pop("_known", None)
        return state


class _Candidates:
    """Places where an n-gram may stand, and its key: first of one id, then of more.

    The key is the number of the n-gram without its last id, times `n_ids`, and that id.
    The n-gram of no ids has the number 0, those known have the numbers from 1 on: the
    keys of all are sorted where those of each length are.
    """

    def __init__(self, sequences: Sequences, n_ids: int):
        self._ids = sequences.ids.astype(np.int64)
        self._stops = np.repeat(sequences.offsets[1:], sequences.lengths)
        self._n_ids = n_ids
        self._n = 0
        self._found = np.arange(len(self._ids)), np.zeros(len(self._ids), np.int64)

    def find(self, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places of known n-grams of one id more than before, and which they are."""
        self.extend()
        if not len(known):
            places = features = np.empty(0, np.int64)
        else:
            features = np.searchsorted(known, self.keys)
            features[features == len(known)] = 0
            found = known[features] == self.keys
            places, features = self.places[found], features[found]
        self._found = places, features + 1
        return places, features

    def extend(self) -> None:
        """Go on to what has one id more than what was found."""
        places, numbers = self._found
        last = places + self._n
        within = last < self._stops[places]
        places, numbers, last = places[within], numbers[within], self._ids[last[within]]
        whole = last > UNKNOWN_ID
        self.places = places[whole]
        self.keys = numbers[whole] * self._n_ids + last[whole]
        self._n += 1


def _mark_compiled(
    sequences: Sequences, *, known: native.KnownNGrams, max_n: int
) -> tuple[np.ndarray, np.ndarray]:
    return known.mark(sequences.ids, sequences.offsets, max_n=max_n)


def _joined(marks: Iterable) -> Iterator:
    """Columns and their numbers of as many texts as make a part of the matrix."""
    some = []
    for one in marks:
        some.append(one)
        n_marks, n_texts = (sum(map(len, each)) for each in zip(*some, strict=True))
        if n_marks >= _MARKS_A_PART or n_texts >= _TEXTS_A_PART:
            yield tuple(map(np.concatenate, zip(*some, strict=True)))
            some = []
    if some:
        yield tuple(map(np.concatenate, zip(*some, strict=True)))


_Counts = tuple[np.ndarray, np.ndarray]


def _count(sequences: Sequences, *, n: int, n_ids: int, known: np.ndarray) -> _Counts:
    """Keys of n-grams that go on from those known, and how many texts hold each."""
    count = partial(_count_part, n=n, n_ids=n_ids, known=known)
    return _add_up(in_threads(count, sequences.in_parts(_IDS_A_PART)))


def _count_compiled(
    sequences: Sequences, *, n: int, n_ids: int, known: np.ndarray
) -> _Counts:
    def count(share):
        return as_known.count(
            sequences.ids,
            sequences.offsets,
            n=n,
            share=share,
            least_texts=LEAST_TEXTS,
        )

    as_known = _as_known(known, n_ids)
    counts = in_threads(count, native.SHARES)
    return tuple(map(np.concatenate, zip(*counts, strict=True)))


def _as_known(keys: np.ndarray, n_ids: int) -> native.KnownNGrams:
    return native.KnownNGrams(keys, n_ids=n_ids, first_id=UNKNOWN_ID + 1)


def _count_part(
    sequences: Sequences, *, n: int, n_ids: int, known: np.ndarray
) -> _Counts:
    candidates = _Candidates(sequences, n_ids)
    for _ in range(1, n):
        candidates.find(known)
    candidates.extend()
    texts = sequences.texts_of_ids[candidates.places]
    n_texts = len(sequences)
    keys = unique(candidates.keys * n_texts + texts) // n_texts
    first = first_of_runs(keys)
    return keys[first], np.diff(first, append=len(keys))


def _add_up(counts: Iterable[_Counts]) -> _Counts:
    """Add up the counts of sorted keys.

    Those of fewer keys first, so that a key is merged few times.
    """
    merged = []
    for one in counts:
        while merged and len(merged[-1][0]) <= len(one[0]):
            one = _merge(merged.pop(), one)
        merged.append(one)
    return reduce(_merge, reversed(merged))


def _merge(one: _Counts, other: _Counts) -> _Counts:
    keys, counts = map(np.concatenate, zip(one, other, strict=True))
    # Stable sorting merges what is sorted in two parts.
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    first = first_of_runs(keys)
    return keys[first], np.add.reduceat(counts, first) if len(first) else counts


def _least_texts(n_texts: np.ndarray, max_features: int) -> int:
    """The fewest texts an n-gram must be in, so that `max_features` are not passed."""
    of_each_number = np.bincount(n_texts)
    in_at_least = np.cumsum(of_each_number[::-1])[::-1]
    few_enough = np.flatnonzero(in_at_least <= max_features)
    first = few_enough[0] if len(few_enough) else len(of_each_number)
    return max(LEAST_TEXTS, int(first))
