"""The vectors that the embedding starts from.

They come from the texts themselves, or are pre-trained: a mapping, or a text file of
GloVe or word2vec.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from skrnn.cooccurrence import cooccurrence_vectors
from skrnn.sequences import N_RESERVED_IDS, PADDING_ID, Sequences

# Standard deviation of the numbers that co-occurrence gives: what did best on held-out
# films of IMDB's training reviews (docs/trials.md).
_COOCCURRENCE_SCALE = 0.2

_MAX_SEED = np.iinfo(np.int32).max


def starting_vectors(
    source: Mapping[str, ArrayLike] | str | os.PathLike | None,
    vocabulary: dict[str, int],
    size: int,
    random_state: np.random.RandomState,
) -> Callable[[Sequences], np.ndarray | None]:
    """What gives the embedding's start once there are texts as ids.

    Files are read here, where they may fail, and `random_state` is advanced; what is
    given is called once, for co-occurrence draws on.

    Parameters
    ----------
    source : "cooccurrence", mapping of str to array-like, path or None
        The estimators' `embeddings`.

    vocabulary : dict of str to int
        The ids of the tokens.

    size : int
        Size of a vector from co-occurrence.

    random_state : numpy.random.RandomState
        Draws what is random; it is advanced.

    Returns
    -------
    callable
        Takes `Sequences`; returns None for a random start, or an ndarray of shape
        (n_ids, size), float32, a row an id. Pre-trained vectors have a size of their
        own.

    Raises
    ------
    ValueError
        If vectors differ in size or hold other things than finite numbers, a file
        parts them by other signs, or no token of the vocabulary has one.

    OSError
        If a file cannot be read.
    """
    n_ids = len(vocabulary) + N_RESERVED_IDS
    if source is None:
        return lambda _: None
    if isinstance(source, str) and source == "cooccurrence":
        draw = np.random.RandomState(random_state.randint(_MAX_SEED))
        return lambda sequences: (
            _COOCCURRENCE_SCALE * cooccurrence_vectors(sequences, n_ids, size, draw)
        )
    matrix = _matrix(_read(source, vocabulary), n_ids, random_state)
    return lambda _: matrix


def _read(
    source: Mapping | str | os.PathLike, vocabulary: dict[str, int]
) -> dict[int, np.ndarray]:
    """The vectors of the tokens that have one, by id; at least one, all of a size."""
    if isinstance(source, Mapping):
        found = {
            id_: _vector(source[token], f"the vector of {token!r}")
            for token, id_ in vocabulary.items()
            if token in source
        }
    else:
        found = _read_file(source, vocabulary)
    if not found:
        raise ValueError(
            "No token of the texts has a vector in `embeddings`. Tokens are looked "
            "up as the tokenizer writes them: with lowercase=True in lower case."
        )
    sizes = {id_: len(vector) for id_, vector in found.items()}
    if len(set(sizes.values())) > 1:
        tokens = {id_: token for token, id_ in vocabulary.items()}
        first, size = next(iter(sizes.items()))
        other = next(id_ for id_ in sizes if sizes[id_] != size)
        raise ValueError(
            f"The vectors in `embeddings` differ in size: {size} for "
            f"{tokens[first]!r}, {sizes[other]} for {tokens[other]!r}."
        )
    return found


def _matrix(
    vectors: dict[int, np.ndarray], n_ids: int, random_state: np.random.RandomState
) -> np.ndarray:
    """A row an id, random ones of the vectors' spread where there is none."""
    known = np.stack(list(vectors.values()))
    # The squares of the largest floats would overflow.
    scale = known.std(dtype=np.float64)
    matrix = random_state.normal(0.0, scale, (n_ids, known.shape[1]))
    matrix[list(vectors)] = known
    # A large one would outweigh what holds the states where a text is padded.
    matrix[PADDING_ID] = 0.0
    return matrix.astype(np.float32)


def _read_file(path: str | os.PathLike, vocabulary: dict) -> dict[int, np.ndarray]:
    found = {}
    size = None
    file = f"of {os.fspath(path)!r}"
    try:
        lines = open(path, encoding="utf-8-sig", errors="surrogateescape")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            error.errno,
            "`embeddings` is neither 'cooccurrence' nor a mapping nor an existing file",
            os.fspath(path),
        ) from None
    with lines:
        for number, line in enumerate(lines, start=1):
            token, _, rest = line.rstrip().replace("\t", " ").partition(" ")
            if size is None:
                if token.isdecimal() and rest.strip().isdecimal():
                    size = int(rest)
                    continue
                size = len(rest.split())
            if token and not rest:
                raise ValueError(
                    f"`embeddings` needs a token and numbers, parted by blanks, in "
                    f"line {number} {file}. Got {line[:60]!r}."
                )
            if token not in vocabulary:
                continue
            fields = rest.split()
            # Some tokens of published files hold blanks; the tokenizer's do not.
            if len(fields) <= size or _is_number(fields[0]):
                found[vocabulary[token]] = _vector(fields, f"line {number} {file}")
    return found


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _vector(values, where: str) -> np.ndarray:
    try:
        vector = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`embeddings` holds no numbers in {where}.") from error
    if vector.ndim != 1 or not len(vector) or not np.isfinite(vector).all():
        raise ValueError(f"`embeddings` needs one row of finite numbers in {where}.")
    return vector
