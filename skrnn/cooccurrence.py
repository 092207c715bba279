"""Vectors of tokens from the company they keep in the texts at hand."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.sparsefuncs import inplace_csr_column_scale, inplace_csr_row_scale

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

# Texts are counted in parts of about this many tokens, to bound memory.
_TOKENS_A_PART = 2**17


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
    _to_information(counts)
    if not counts.nnz:
        return vectors
    rank = min(size, *counts.shape)
    with one_blas_thread():
        left, values, _ = randomized_svd(
            counts, rank, n_iter=2, random_state=random_state
        )
    scaled = left * np.sqrt(values)
    norms = np.linalg.norm(scaled, axis=1)
    # What should be zero is rounding, which must not be scaled up.
    told = (np.diff(counts.indptr) > 0) & (norms > _ROUNDING * norms.max())
    vectors[tokens[told], :rank] = scaled[told] * (np.sqrt(size) / norms[told, None])
    return vectors


def _by_frequency(sequences: Sequences, n_ids: int) -> np.ndarray:
    """The known tokens that stand in the texts, the most frequent first."""
    frequencies = np.zeros(n_ids, np.int64)
    for part in sequences.in_parts(_TOKENS_A_PART):
        frequencies += np.bincount(part.ids, minlength=n_ids)
    frequencies[: UNKNOWN_ID + 1] = 0
    tokens = np.argsort(-frequencies, kind="stable")
    return tokens[: np.count_nonzero(frequencies)]


def _count_company(sequences: Sequences, tokens: np.ndarray, n_ids: int) -> csr_matrix:
    """How often each token stands near each context, by the inverse of the distance.

    Rows are the tokens' and columns the contexts', both in the order of `tokens`.
    """
    rank = np.full(n_ids, _NO_RANK, np.int32)
    rank[tokens] = np.arange(len(tokens))
    n_contexts = min(len(tokens), _MOST_CONTEXTS)
    # Company is mutual: a pair is counted once, in the row of its more frequent token.
    counts = csr_matrix((n_contexts, len(tokens)), dtype=np.float32)
    for part in sequences.in_parts(_TOKENS_A_PART):
        ranks = rank[part.ids]
        text = np.repeat(np.arange(len(part), dtype=np.int32), part.lengths)
        rows, columns, weights = [], [], []
        for distance in range(1, _WINDOW + 1):
            first, second = ranks[:-distance], ranks[distance:]
            row, column = np.minimum(first, second), np.maximum(first, second)
            pairs = text[:-distance] == text[distance:]
            pairs &= (row != _NO_RANK) & (row < n_contexts)
            rows.append(row[pairs])
            columns.append(column[pairs])
            weights.append(np.full(len(rows[-1]), 1 / distance, np.float32))
        pairs = np.concatenate(rows), np.concatenate(columns)
        # Converted, the weights of a pair are summed.
        company = coo_matrix((np.concatenate(weights), pairs), shape=counts.shape)
        counts += company.tocsr()
    among_contexts = counts[:, :n_contexts]
    among_contexts.resize(len(tokens), n_contexts)
    return among_contexts + counts.T.tocsr()


def _to_information(counts: csr_matrix) -> None:
    """Turn counts into positive pointwise mutual information, in place."""
    of_token = np.ravel(counts.sum(axis=1))
    of_context = np.ravel(counts.sum(axis=0)) ** _SMOOTHING
    # Of a row or column without an entry nothing is divided.
    with np.errstate(divide="ignore", invalid="ignore"):
        inplace_csr_row_scale(counts, 1 / of_token)
        inplace_csr_column_scale(counts, of_context.sum() / of_context)
    np.log(counts.data, out=counts.data)
    np.maximum(counts.data, 0, out=counts.data)
    counts.eliminate_zeros()
