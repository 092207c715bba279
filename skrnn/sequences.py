"""Texts as integers: many sequences of ids in one flat array."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from numbers import Integral

import numpy as np

PADDING_ID = 0
UNKNOWN_ID = 1
N_RESERVED_IDS = 2

# Of many texts the views would take more memory than the ids.
_TEXTS_A_COPY = 2**12


def smallest_dtype(greatest: int) -> np.dtype:
    """Name the smallest type that holds 0 to `greatest`: uint8, uint16 or int32."""
    for dtype in (np.uint8, np.uint16):
        if greatest <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    return np.dtype(np.int32)


def positions_of(n_texts: int) -> np.ndarray:
    """The positions of so many texts, in four bytes each: of millions that counts."""
    return np.arange(n_texts, dtype=np.int32)


def n_before_cut(max_length: int, truncate: str) -> int:
    """Count the tokens of a longer text that stay before the cut."""
    if truncate == "head":
        return 0
    return max_length if truncate == "tail" else -(-max_length // 2)


def kept_by_cut(lengths: np.ndarray, max_length: int, truncate: str) -> np.ndarray:
    """Mark the tokens that cutting long texts leaves.

    Parameters
    ----------
    lengths : ndarray of shape (n_texts,)
        Number of tokens of each text.

    max_length : int
        The most tokens a text keeps.

    truncate : {"head", "tail", "middle"}
        The part to cut.

    Returns
    -------
    ndarray of shape (n_tokens,), bool
    """
    n_before = n_before_cut(max_length, truncate)
    kept = np.ones(lengths.sum(), bool)
    starts = np.cumsum(lengths) - lengths
    for i in np.flatnonzero(lengths > max_length):
        start = starts[i] + n_before
        kept[start : start + lengths[i] - max_length] = False
    return kept


@dataclass(frozen=True, eq=False, repr=False)
class Sequences:
    """The ids of many texts, laid end to end.

    Indexing with an integer gives one sequence, a 1-D view of its ids;
    indexing with a slice, an integer array or a boolean mask gives the chosen
    sequences as new `Sequences`.

    Parameters
    ----------
    ids : ndarray of shape (n_tokens,), uint8, uint16 or int32
        Every text's ids, one text after the other.

    offsets : ndarray of shape (n_texts + 1,), int32 or int64
        Text ``i`` owns ``ids[offsets[i]:offsets[i + 1]]``: the first is 0, the last
        ``n_tokens``. What the constructors of this class give is int32 where that
        holds ``n_tokens``.

    Raises
    ------
    ValueError
        If `offsets` do not begin at 0, do not end at ``n_tokens`` or fall.

    Examples
    --------
    >>> from skrnn.sequences import Sequences
    >>> sequences = Sequences.from_lists([[5, 6, 7], [], [8]])
    >>> len(sequences), sequences.lengths.tolist()
    (3, [3, 0, 1])
    >>> sequences[0].tolist()
    [5, 6, 7]
    >>> sequences.padded().tolist()
    [[5, 6, 7], [0, 0, 0], [0, 0, 8]]
    """

    ids: np.ndarray
    offsets: np.ndarray

    def __post_init__(self):
        if not len(self.offsets):
            raise ValueError("`offsets` should hold 0 at least, and are empty.")
        first, last = self.offsets[0], self.offsets[-1]
        if first != 0 or last != len(self.ids):
            raise ValueError(
                f"`offsets` should go from 0 to {len(self.ids)}, the number of ids; "
                f"they go from {first} to {last}."
            )
        # Not by differences, which have no sign where the offsets have none.
        falls = self.offsets[1:] < self.offsets[:-1]
        if falls.any():
            raise ValueError(
                f"`offsets` should not fall, as they do at text {falls.argmax()}: no "
                "text has less than 0 tokens."
            )

    @classmethod
    def from_lists(cls, lists: Iterable[Iterable[int]]) -> Sequences:
        """Lay lists of ids end to end.

        Parameters
        ----------
        lists : iterable of iterables of int
            One list of ids a text.

        Returns
        -------
        Sequences
            One sequence a list, in the given order; their type is the smallest
            that holds the greatest id.

        Raises
        ------
        ValueError
            If an id is negative.
        """
        arrays = [np.fromiter(one, dtype=np.int32) for one in lists]
        ids = np.concatenate(arrays) if arrays else np.empty(0, np.int32)
        if ids.min(initial=0) < 0:
            raise ValueError(f"ids must not be negative, got {ids.min()}")
        ids = ids.astype(smallest_dtype(ids.max(initial=0)))
        return cls.from_lengths(ids, [len(array) for array in arrays])

    @classmethod
    def from_lengths(cls, ids: np.ndarray, lengths: Iterable[int]) -> Sequences:
        """Cut a flat array of ids into sequences of the given lengths.

        Parameters
        ----------
        ids : ndarray of shape (n_tokens,)
            All ids; they keep their type.

        lengths : iterable of int
            The number of tokens of each text; their sum is ``n_tokens``.

        Returns
        -------
        Sequences
            One sequence a length.

        Raises
        ------
        ValueError
            If a length is negative, or their sum is another.
        """
        if not isinstance(lengths, np.ndarray):
            lengths = np.fromiter(lengths, dtype=np.int64)
        # Of very many short texts eight bytes each would be a good part of their ids'.
        dtype = np.int32 if len(ids) <= np.iinfo(np.int32).max else np.int64
        offsets = np.zeros(len(lengths) + 1, dtype)
        np.cumsum(lengths, dtype=dtype, out=offsets[1:])
        return cls(ids, offsets)

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each text, shape (n_texts,), of the offsets' dtype."""
        return np.diff(self.offsets)

    @property
    def texts_of_ids(self) -> np.ndarray:
        """The number of each id's text, shape (n_tokens,), int64."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, key) -> np.ndarray | Sequences:
        if isinstance(key, (int, np.integer)):
            n_texts = len(self)
            if not -n_texts <= key < n_texts:
                raise IndexError(f"text {key} of {n_texts} texts")
            # A narrow integer of NumPy's does not hold the number of texts.
            key = int(key) % n_texts
            return self.ids[self.offsets[key] : self.offsets[key + 1]]
        starts, stops = self.offsets[:-1][key], self.offsets[1:][key]
        lengths = stops - starts
        chosen = Sequences.from_lengths(
            np.empty(lengths.sum(), self.ids.dtype), lengths
        )
        for first in range(0, len(lengths), _TEXTS_A_COPY):
            some = slice(first, first + _TEXTS_A_COPY)
            # A view of each text: an index of every token would be larger than the ids.
            views = [
                self.ids[start:stop]
                for start, stop in zip(
                    starts[some].tolist(), stops[some].tolist(), strict=True
                )
            ]
            copied = slice(chosen.offsets[first], chosen.offsets[first + len(views)])
            np.concatenate(views, out=chosen.ids[copied])
        return chosen

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<Sequences of {len(self)} texts, {len(self.ids)} tokens>"

    def in_parts(self, most_tokens: int) -> Iterator[Sequences]:
        """Give all texts, some that follow one another at a time.

        Parameters
        ----------
        most_tokens : int
            The most tokens of a part, unless one text has more; a text without
            tokens counts as one, so that the texts of a part are not too many.

        Yields
        ------
        Sequences
            Views of the ids.
        """
        lengths = self.lengths
        stops = np.cumsum(np.maximum(lengths, 1))
        start = before = 0
        while start < len(lengths):
            stop = int(np.searchsorted(stops, before + most_tokens, side="right"))
            stop = max(stop, start + 1)
            ids = self.ids[self.offsets[start] : self.offsets[stop]]
            yield Sequences.from_lengths(ids, lengths[start:stop])
            start, before = stop, stops[stop - 1]

    def cut(self, max_length: int | None, truncate: str) -> Sequences:
        """Cut longer sequences.

        Parameters
        ----------
        max_length : int or None
            The most tokens a text keeps; None cuts nothing.

        truncate : {"head", "tail", "middle"}
            The part to cut, as in `Tokenizer`.

        Returns
        -------
        Sequences

        Raises
        ------
        ValueError
            If `max_length` is no whole number above 0, or `truncate` no such part.
        """
        is_length = max_length is None or (
            isinstance(max_length, Integral) and max_length > 0
        )
        if not is_length or truncate not in ("head", "tail", "middle"):
            raise ValueError(
                "`max_length` should be a whole number above 0 or None, and `truncate` "
                f"'head', 'tail' or 'middle', got {max_length!r} and {truncate!r}."
            )
        lengths = self.lengths
        if max_length is None or lengths.max(initial=0) <= max_length:
            return self
        # NumPy's numbers may be narrow, or have no sign.
        max_length = int(max_length)
        kept = kept_by_cut(lengths, max_length, truncate)
        return Sequences.from_lengths(self.ids[kept], np.minimum(lengths, max_length))

    def padded(self) -> np.ndarray:
        """The sequences as one matrix, padded on the left with 0.

        Padding stands on the left so that the last step of every row is the
        last token of its text.

        Returns
        -------
        ndarray of shape (n_texts, n_steps), int32
            ``n_steps`` is the length of the longest text, and at least 1.
        """
        lengths = self.lengths
        n_steps = max(int(lengths.max(initial=0)), 1)
        matrix = np.full((len(self), n_steps), PADDING_ID, dtype=np.int32)
        taken = np.arange(n_steps) >= (n_steps - lengths)[:, np.newaxis]
        matrix[taken] = self.ids.astype(np.int32, copy=False)
        return matrix
