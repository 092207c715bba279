"""Vocabularies: those that are given, and those chosen by how often tokens occur."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from numbers import Integral

import numpy as np

from skrnn._unique import once_a_text
from skrnn.sequences import N_RESERVED_IDS, Sequences


def check_vocabulary(
    vocabulary: Mapping[str, int] | Collection[str],
) -> dict[str, int]:
    """Check the vocabulary parameter and give its ids, in rising order."""
    if isinstance(vocabulary, str):
        raise ValueError(
            "The vocabulary parameter must be a mapping or a collection of tokens, got "
            f"the str {vocabulary!r}."
        )
    if isinstance(vocabulary, Mapping):
        tokens = _tokens_by_id(vocabulary)
    elif isinstance(vocabulary, (set, frozenset)):
        # By str: a set of mixed types has to get as far as the check below.
        tokens = sorted(vocabulary, key=str)
    else:
        tokens = list(vocabulary)
    if not tokens:
        raise ValueError(
            "empty vocabulary: the vocabulary parameter should hold a token at least; "
            "with None the tokens of the texts are learned."
        )
    seen = set()
    for token in tokens:
        if not isinstance(token, str):
            raise ValueError(
                f"The tokens of the vocabulary parameter must be str, got {token!r}."
            )
        if token in seen:
            raise ValueError(f"Duplicate term in vocabulary: {token!r}")
        seen.add(token)
    return numbered(tokens)


def _tokens_by_id(vocabulary: Mapping[str, int]) -> list[str]:
    token_of_id = {}
    for token, i in vocabulary.items():
        if i in token_of_id:
            raise ValueError(
                f"Vocabulary contains repeated indices: {i} is that of "
                f"{token_of_id[i]!r} and {token!r}."
            )
        token_of_id[i] = token
    ids = range(N_RESERVED_IDS, N_RESERVED_IDS + len(vocabulary))
    for i in ids:
        if i not in token_of_id:
            raise ValueError(
                f"Vocabulary of size {len(vocabulary)} doesn't contain index {i}. "
                "Tokens are numbered from 2: ids 0 and 1 are reserved."
            )
    return [token_of_id[i] for i in ids]


def numbered(tokens: list[str]) -> dict[str, int]:
    """Number tokens in their order, from the first id that is not reserved."""
    return {token: i for i, token in enumerate(tokens, start=N_RESERVED_IDS)}


def numbers_of_texts(
    min_df: int | float, max_df: int | float, n_texts: int
) -> tuple[int | float, int | float]:
    """In how many of some texts a token must be, and may be at most, to be learned.

    Parameters
    ----------
    min_df, max_df
        Those of `skrnn.Tokenizer`.

    n_texts : int
        Number of texts.

    Raises
    ------
    ValueError
        If no number is allowed.
    """
    fewest, most = (
        limit if isinstance(limit, Integral) else limit * n_texts
        for limit in (min_df, max_df)
    )
    if most < fewest:
        raise ValueError(
            f"max_df corresponds to < documents than min_df: at most {most:.10g}, and "
            f"at least {fewest:.10g} of {n_texts}. Try a lower min_df or a "
            "higher max_df."
        )
    return fewest, most


def chosen_tokens(
    tokens: list[str],
    parts: list[np.ndarray],
    lengths: list[np.ndarray],
    *,
    within: tuple[int | float, int | float],
    max_features: int | None,
) -> np.ndarray:
    """Choose the tokens to learn, the most frequent ones first.

    Parameters
    ----------
    tokens : list of str
        All that occur.

    parts, lengths : lists of ndarrays of int
        Where they stand among `tokens`, for some texts a part: laid end to end, and how
        many there are of each text.

    within : tuple of two numbers
        In how many texts at least a token must be, and at most.

    max_features : int or None
        How many to choose at most.

    Returns
    -------
    ndarray of int, shape (n_chosen,)
        Places among `tokens`. Tokens that are as frequent are in their own order.

    Raises
    ------
    ValueError
        If no token is left.
    """
    fewest, most = within
    chosen = np.array(sorted(range(len(tokens)), key=tokens.__getitem__))
    if fewest > 1 or most < sum(map(len, lengths)):
        frequencies = _document_frequencies(parts, lengths, len(tokens))[chosen]
        chosen = chosen[(fewest <= frequencies) & (frequencies <= most)]
        if not len(chosen):
            raise ValueError(
                "After pruning, no terms remain. Try a lower min_df or a higher max_df."
            )
    counts = _count(parts, len(tokens))
    return chosen[np.argsort(-counts[chosen], kind="stable")][:max_features]


def _count(parts: Iterable[np.ndarray], n_tokens: int) -> np.ndarray:
    """Count each id; shape (n_tokens,)."""
    counts = np.zeros(n_tokens, np.int64)
    for ids in parts:
        # A bincount of each part would go through all tokens as often.
        np.add.at(counts, ids, 1)
    return counts


def _document_frequencies(
    parts: list[np.ndarray], lengths: list[np.ndarray], n_tokens: int
) -> np.ndarray:
    """Count the texts that hold each id; shape (n_tokens,)."""
    sequences = map(Sequences.from_lengths, parts, lengths)
    held = (once_a_text(one.texts_of_ids, one.ids, n_tokens)[1] for one in sequences)
    return _count(held, n_tokens)
