"""Pre-trained word vectors: a mapping, or a text file of GloVe or word2vec."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np


def read_vectors(
    source: Mapping | str | os.PathLike, vocabulary: dict[str, int]
) -> dict[int, np.ndarray]:
    """Read the vectors of a vocabulary's tokens.

    Parameters
    ----------
    source : mapping of str to array-like of shape (size,), or path
        A text file holds a token and its numbers on each line, parted by
        blanks; a first line of two integers, as word2vec writes it, is skipped.

    vocabulary : dict of str to int
        The ids of the tokens to look up.

    Returns
    -------
    dict of int to ndarray of shape (size,), float32
        The vectors of the tokens that have one, by id; at least one.

    Raises
    ------
    ValueError
        If vectors differ in size or hold other things than finite numbers, a file
        parts them by other signs, or no token of the vocabulary has one.
    """
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


def embedding_matrix(
    vectors: dict[int, np.ndarray], n_ids: int, random_state: np.random.RandomState
) -> np.ndarray:
    """Lay vectors into a matrix, random ones of their spread where there is none.

    Parameters
    ----------
    vectors : dict of int to ndarray of shape (size,)
        Vectors by id.

    n_ids : int
        Number of rows.

    random_state : numpy.random.RandomState
        Draws the other rows; it is advanced.

    Returns
    -------
    ndarray of shape (n_ids, size), float32
    """
    known = np.stack(list(vectors.values()))
    # The squares of the largest floats would overflow.
    scale = known.std(dtype=np.float64)
    matrix = random_state.normal(0.0, scale, (n_ids, known.shape[1]))
    matrix[list(vectors)] = known
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
            token, _, rest = line.rstrip().partition(" ")
            if size is None:
                if token.isdecimal() and rest.isdecimal():
                    size = int(rest)
                    continue
                size = len(rest.split(" "))
            if token and not rest:
                raise ValueError(
                    f"`embeddings` needs a token and numbers, parted by blanks, in "
                    f"line {number} {file}. Got {line[:60]!r}."
                )
            if token not in vocabulary:
                continue
            fields = rest.split(" ")
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
