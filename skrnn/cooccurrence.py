"""Vectors of tokens from the company they keep in the texts at hand."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.utils.extmath import randomized_svd

from skrnn.sequences import UNKNOWN_ID, Sequences
from skrnn.threads import one_blas_thread

# Tokens at most so far apart keep each other company, near ones more than far ones.
_WINDOW = 5

# Only the most frequent tokens count as company: rare ones would tell little, and
# take memory.
_MOST_CONTEXTS = 10_000

_NO_CONTEXT = -1

# Contexts' frequencies to this power, which makes less of company with rare tokens.
_SMOOTHING = 0.75

_ROUNDING = 1e-5

# Texts are counted in parts of about this many tokens, to bound memory.
_TOKENS_A_PART = 2**19


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
    counts = _count_company(sequences, n_ids).tocoo()
    vectors = np.zeros((n_ids, size), np.float32)
    rank = min(size, min(counts.shape) - 1)
    if not counts.nnz or rank < 1:
        return vectors
    of_token = np.bincount(counts.row, counts.data, minlength=counts.shape[0])
    of_context = np.bincount(counts.col, counts.data, minlength=counts.shape[1])
    of_context = of_context**_SMOOTHING
    expected = of_token[counts.row] * (of_context / of_context.sum())[counts.col]
    information = np.maximum(np.log(counts.data / expected), 0).astype(np.float32)
    matrix = csr_matrix((information, (counts.row, counts.col)), shape=counts.shape)
    matrix.eliminate_zeros()
    if not matrix.nnz:
        return vectors
    with one_blas_thread():
        left, values, _ = randomized_svd(
            matrix, rank, n_iter=2, random_state=random_state
        )
    scaled = left * np.sqrt(values)
    norms = np.linalg.norm(scaled, axis=1)
    # What should be zero is rounding, which must not be scaled up.
    told = (np.diff(matrix.indptr) > 0) & (norms > _ROUNDING * norms.max())
    vectors[told, :rank] = scaled[told] * (np.sqrt(size) / norms[told, None])
    return vectors


def _count_company(sequences: Sequences, n_ids: int) -> csr_matrix:
    """How often each token stands near each context, by the inverse of the distance."""
    frequencies = np.bincount(sequences.ids, minlength=n_ids)
    frequencies[: UNKNOWN_ID + 1] = 0
    contexts = np.argsort(-frequencies, kind="stable")[:_MOST_CONTEXTS]
    column = np.full(n_ids, _NO_CONTEXT, np.int32)
    column[contexts] = np.arange(len(contexts))
    column[frequencies == 0] = _NO_CONTEXT
    counts = csr_matrix((n_ids, len(contexts)), dtype=np.float32)
    limits = np.arange(0, max(len(sequences.ids), 1), _TOKENS_A_PART)
    starts = np.unique(np.searchsorted(sequences.offsets, limits))
    for start, stop in zip(starts, [*starts[1:], len(sequences)], strict=True):
        part = slice(sequences.offsets[start], sequences.offsets[stop])
        ids = sequences.ids[part].astype(np.int32)
        text = np.repeat(np.arange(start, stop), sequences.lengths[start:stop])
        rows, columns, weights = [], [], []
        for distance in range(1, _WINDOW + 1):
            first, second = ids[:-distance], ids[distance:]
            near = text[:-distance] == text[distance:]
            for token, context in ((first, second), (second, first)):
                pairs = near & (token > UNKNOWN_ID) & (column[context] != _NO_CONTEXT)
                rows.append(token[pairs])
                columns.append(column[context[pairs]])
                weights.append(np.full(len(rows[-1]), 1 / distance, np.float32))
        pairs = np.concatenate(rows), np.concatenate(columns)
        # Converted, the weights of a pair are summed.
        company = coo_matrix((np.concatenate(weights), pairs), shape=counts.shape)
        counts += company.tocsr()
    return counts
