"""Vectors of tokens from the company they keep in the texts at hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, vstack
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.sparsefuncs import inplace_csr_column_scale, inplace_csr_row_scale

from skrnn.memory import give_back
from skrnn.sequences import UNKNOWN_ID, Sequences
from skrnn.threads import one_blas_thread

# Tokens at most so far apart keep each other company, near ones more than far ones.
_WINDOW = 5

# Only the most frequent tokens count as company: rare ones would tell little, and
# take memory.
_MOST_CONTEXTS = 10_000

_NO_RANK = -1

# Contexts' frequencies to this power, which makes less of company with rare tokens.
_SMOOTHING = 0.75

_ROUNDING = 1e-5

# Texts are counted in parts of so many tokens, to bound memory.
_TOKENS_A_PART = 2**15

# So many contexts make the first band, as a power of two.
_FIRST_BAND = 6


def cooccurrence_vectors(
    sequences: Sequences, n_ids: int, size: int, random_state: np.random.RandomState
) -> np.ndarray:
    """Vectors of tokens, alike for tokens that stand among like tokens.

    The singular vectors of the positive pointwise mutual information between tokens
    and the tokens near them [1]_, each scaled by the square root of its singular
    value, and each row to the norm of a row of standard normal numbers.

    Parameters
    ----------
    sequences : Sequences of n_texts
        The texts.

    n_ids : int
        Number of ids, the reserved ones included.

    size : int
        Size of a vector.

    random_state : numpy.random.RandomState
        Starts the approximate decomposition; it is advanced.

    Returns
    -------
    ndarray of shape (n_ids, size), float32
        Zeros for reserved ids and tokens without company. Columns are zeros from
        the number on at which there are no more singular values.

    References
    ----------
    .. [1] Levy, Goldberg and Dagan (2015). "Improving distributional similarity with
       lessons learned from word embeddings". TACL 3.
    """
    tokens = _by_frequency(sequences, n_ids)
    counts = _count_company(sequences, tokens, n_ids)
    vectors = np.zeros((n_ids, size), np.float32)
    if not any(band.nnz for band in counts):
        return vectors
    bands = list(_information(counts))
    # No more than two matrices at a time: each is as large as all else together.
    del counts
    give_back()
    information = vstack(bands)
    del bands
    give_back()
    # With the tokens in rows products are faster.
    information = information.T.tocsr()
    give_back()
    in_company = np.diff(information.indptr) > 0
    rank = min(size, *information.shape)
    with one_blas_thread():
        left, values, _ = randomized_svd(
            information, rank, n_iter=2, random_state=random_state
        )
    del information
    give_back()
    left *= np.sqrt(values)
    norms = np.linalg.norm(left, axis=1)
    # What should be zero is rounding, which must not be scaled up.
    told = in_company & (norms > _ROUNDING * norms.max())
    np.divide(np.sqrt(size), norms, out=norms, where=told)
    left *= (norms * told)[:, None]
    vectors[tokens, :rank] = left
    return vectors


def _by_frequency(sequences: Sequences, n_ids: int) -> np.ndarray:
    """The known tokens that stand in the texts, the most frequent first."""
    frequencies = np.zeros(n_ids, np.int64)
    for start in range(0, len(sequences.ids), _TOKENS_A_PART):
        part = sequences.ids[start : start + _TOKENS_A_PART]
        frequencies += np.bincount(part, minlength=n_ids)
    frequencies[: UNKNOWN_ID + 1] = 0
    tokens = np.argsort(-frequencies, kind="stable")
    return tokens[: np.count_nonzero(frequencies)]


def _count_company(
    sequences: Sequences, tokens: np.ndarray, n_ids: int
) -> list[csr_matrix]:
    """How often each context stands near each token, by the inverse of the distance.

    In bands of rows, which are the contexts'. Columns are the tokens', both in the
    order of `tokens`. Company is mutual: a pair is counted once, in the row of its more
    frequent token.
    """
    n_contexts = min(len(tokens), _MOST_CONTEXTS)
    none = csr_matrix((n_contexts, len(tokens)), dtype=np.float32)
    ranges = _bands(n_contexts)
    bands = [none[some] for some in ranges]

    def add(company):
        # A sum is a copy, but for a band at a time.
        give_back()
        for i, some in enumerate(ranges):
            bands[i] += company[some]

    rank = np.full(n_ids, _NO_RANK, np.int32)
    rank[tokens] = np.arange(len(tokens))
    waiting = none
    for company in _company_in_parts(sequences, rank, none.shape):
        waiting = waiting + company
        if waiting.nnz > sum(band.nnz for band in bands) / 4:
            add(waiting)
            waiting = none
    add(waiting)
    return bands


def _bands(n_contexts: int) -> list[slice]:
    """Contexts to take together: few of the most frequent, which have most company."""
    powers = range(_FIRST_BAND, (n_contexts - 1).bit_length())
    stops = [0, *(2**power for power in powers), n_contexts]
    return [slice(*some) for some in pairwise(stops)]


def _company_in_parts(
    sequences: Sequences, rank: np.ndarray, shape: tuple[int, int]
) -> Iterator[csr_matrix]:
    """What some tokens, wherever they stand, add to the counts."""
    ids, offsets = sequences.ids, sequences.offsets
    distances = np.arange(1, _WINDOW + 1)
    weights = (1 / distances).astype(np.float32)
    for start in range(0, len(ids), _TOKENS_A_PART):
        # The last ones keep company with those that follow the part.
        ranks = rank[ids[start : start + _TOKENS_A_PART + _WINDOW]]
        # Of another type the offsets would be copied at each part.
        ends = np.array([start, start + len(ranks)], offsets.dtype)
        begun = slice(*np.searchsorted(offsets, ends))
        text = np.cumsum(np.bincount(offsets[begun] - start, minlength=len(ranks)))
        rows, columns = [], []
        for distance in distances:
            second = slice(distance, distance + _TOKENS_A_PART)
            first = slice(len(ranks[second]))
            row = np.minimum(ranks[first], ranks[second])
            column = np.maximum(ranks[first], ranks[second])
            pairs = text[first] == text[second]
            pairs &= (row != _NO_RANK) & (row < shape[0])
            rows.append(row[pairs])
            columns.append(column[pairs])
        of_pairs = np.repeat(weights, list(map(len, rows)))
        yield _summed(np.concatenate(rows), np.concatenate(columns), of_pairs, shape)


def _summed(
    rows: np.ndarray, columns: np.ndarray, weights: np.ndarray, shape: tuple[int, int]
) -> csr_matrix:
    """Sum the weights of each pair.

    Changes of format sort without comparing: by columns, and then by rows.
    """
    starts = np.arange(len(rows) + 1)
    by_column = csr_matrix((weights, columns, starts), (len(rows), shape[1])).tocsc()
    rows = rows[by_column.indices]
    company = csc_matrix((by_column.data, rows, by_column.indptr), shape).tocsr()
    company.sum_duplicates()
    return company


def _information(counts: list[csr_matrix]) -> Iterator[csr_matrix]:
    """Positive pointwise mutual information of contexts and tokens, in the same bands.

    Here a pair of contexts stands in the rows of both.
    """
    n_contexts = sum(band.shape[0] for band in counts)
    of_token = sum(np.ravel(band.sum(axis=0)) for band in counts)
    of_context = np.concatenate([np.ravel(band.sum(axis=1)) for band in counts])
    of_context += of_token[:n_contexts]
    of_token[:n_contexts] += np.concatenate(
        [np.ravel(band[:, :n_contexts].sum(axis=1)) for band in counts]
    )
    of_context **= _SMOOTHING
    # Of a row or column without an entry nothing is divided.
    with np.errstate(divide="ignore"):
        of_token, of_context = 1 / of_token, of_context.sum() / of_context
    for i, some in enumerate(_bands(n_contexts)):
        give_back()
        mirrored = vstack([band[:, some] for band in counts[: i + 1]]).T.tocsr()
        mirrored.resize(counts[i].shape)
        band = counts[i] + mirrored
        del mirrored
        inplace_csr_column_scale(band, of_token)
        inplace_csr_row_scale(band, of_context[some])
        np.log(band.data, out=band.data)
        np.maximum(band.data, 0, out=band.data)
        band.eliminate_zeros()
        # Copied, it keeps no memory for what was eliminated.
        yield band.copy()
        del band
