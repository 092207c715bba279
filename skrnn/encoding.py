"""Many texts as ids, in parts that take little memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import numpy as np

from skrnn._latin import LatinWords
from skrnn.analysis import Analysis
from skrnn.memory import give_back
from skrnn.sequences import Sequences, smallest_dtype

# Texts are encoded in parts of this many characters: few enough that their tokens
# fit in the processor's cache, and enough to make up for NumPy's cost of a call.
_CHARACTERS_A_PART = 2**16

# Fewer characters are done before LatinWords has set up its table.
_CHARACTERS_WORTH_A_TABLE = 2**13

# The memory of so many ids goes back to the system before more are laid end to end.
_IDS_GIVEN_BACK = 2**21


def encode(
    texts: list[str],
    analysis: Analysis,
    to_ids: Callable[[Iterable[str]], Iterable[int]],
    *,
    built_in_words: bool,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Give the ids and the lengths of the texts, both in parts.

    As `str`, the tokens of all texts would take far more memory than the texts.

    Parameters
    ----------
    texts : list of str
        The texts.

    analysis : Analysis
        From a text to its tokens.

    to_ids : callable
        From tokens to their ids; a token's id never changes.

    built_in_words : bool
        Whether the tokens are those of `word_pattern`, which need not become `str`.

    Returns
    -------
    ids, lengths : list of ndarray of int
        The ids of a part's texts, end to end, and how many each text has.
    """

    def encode_any(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        tokens = [analysis.cut(analysis.split(text)) for text in texts]
        return (
            np.fromiter(to_ids(chain.from_iterable(tokens)), np.int32),
            np.fromiter(map(len, tokens), np.int64, len(tokens)),
        )

    encode_part = encode_any
    if built_in_words and sum(map(len, texts)) >= _CHARACTERS_WORTH_A_TABLE:
        encode_part = LatinWords(
            to_ids, analysis.max_length, analysis.truncate, encode_others=encode_any
        ).encode
    ids, lengths = [], []
    for part in _in_parts(texts):
        for clean in analysis.cleaners:
            part = list(map(clean, part))
        some_ids, some_lengths = encode_part(part)
        ids.append(some_ids.astype(smallest_dtype(some_ids.max(initial=0))))
        lengths.append(some_lengths.astype(np.int32))
    return ids, lengths


def join(
    parts: list[np.ndarray], lengths: list[np.ndarray], dtype: np.dtype
) -> Sequences:
    """Lay the parts end to end, and empty their list, lest all ids exist twice."""
    ids = np.empty(sum(map(len, parts)), dtype)
    parts.reverse()
    start = n_freed = 0
    while parts:
        part = parts.pop()
        ids[start : start + len(part)] = part
        start += len(part)
        n_freed += len(part)
        if n_freed >= _IDS_GIVEN_BACK:
            del part
            give_back()
            n_freed = 0
    return Sequences.from_lengths(ids, np.concatenate(lengths))


def _in_parts(texts: list[str]) -> Iterator[list[str]]:
    start = n_characters = 0
    for stop, text in enumerate(texts, start=1):
        # Empty texts count too.
        n_characters += len(text) + 1
        if n_characters >= _CHARACTERS_A_PART:
            yield texts[start:stop]
            start, n_characters = stop, 0
    if start < len(texts):
        yield texts[start:]
