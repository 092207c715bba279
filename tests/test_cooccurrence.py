"""Vectors of tokens from the company they keep."""

import numpy as np
import pytest
from corpus import LABELS, TEXTS, classifier
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skrnn.cooccurrence import cooccurrence_vectors
from skrnn.sequences import Sequences
from skrnn.tokenizer import Tokenizer

WINDOW = 5


def reference(lists, n_ids, kept=slice(None)):
    """Token by token: the positive mutual information, and its decomposition.

    Of the contexts that are kept.
    """
    counts = np.zeros((n_ids, n_ids))
    for ids in lists:
        for i, token in enumerate(ids):
            for j, context in enumerate(ids):
                if 0 < abs(i - j) <= WINDOW and min(token, context) > 1:
                    counts[token, context] += 1 / abs(i - j)
    counts = counts[:, kept]
    tokens, contexts = counts.sum(axis=1), counts.sum(axis=0) ** 0.75
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = counts / np.outer(tokens, contexts / contexts.sum())
        information = np.where(counts > 0, np.maximum(np.log(ratios), 0), 0)
    left, values, _ = np.linalg.svd(information, full_matrices=False)
    return left * np.sqrt(values), np.linalg.matrix_rank(information)


def cosines(vectors):
    # Singular vectors are unique up to sign and rotation: compare the angles.
    norms = np.linalg.norm(vectors, axis=1)
    unit = vectors / np.where(norms > 1e-6, norms, np.inf)[:, None]
    return unit @ unit.T


@given(
    st.lists(st.lists(st.integers(0, 7), max_size=9), min_size=1, max_size=6),
    st.integers(1, 60),
    st.integers(0, 3),
)
def test_vectors_are_those_of_the_formula(lists, tokens_a_part, first_band):
    size = 7
    with (
        pytest.MonkeyPatch.context() as patch,
        np.errstate(divide="raise", invalid="raise"),
    ):
        patch.setattr("skrnn.cooccurrence._TOKENS_A_PART", tokens_a_part)
        patch.setattr("skrnn.cooccurrence._FIRST_BAND", first_band)
        vectors = cooccurrence_vectors(
            Sequences.from_lists(lists), 8, size, np.random.RandomState(0)
        )
    expected, rank = reference(lists, 8)
    if rank == 0:
        assert not vectors.any()
        return
    lengths = np.linalg.norm(vectors, axis=1)
    known = np.linalg.norm(expected, axis=1) > 1e-6
    assert_allclose(lengths[known], np.sqrt(size), rtol=1e-4)
    assert_allclose(vectors @ vectors.T / size, cosines(expected), atol=5e-3)


def test_company_is_that_of_the_most_frequent_tokens(monkeypatch):
    draw = np.random.default_rng(0).geometric(0.15, size=(60, 30))
    lists = (2 + np.minimum(draw, 28)).tolist()
    counts = np.bincount(np.ravel(lists), minlength=31)
    frequent = np.argsort(-counts, kind="stable")[:6]
    monkeypatch.setattr("skrnn.cooccurrence._MOST_CONTEXTS", 6)
    vectors = cooccurrence_vectors(
        Sequences.from_lists(lists), 31, 6, np.random.RandomState(0)
    )
    expected, _ = reference(lists, 31, frequent)
    assert_allclose(vectors @ vectors.T / 6, cosines(expected), atol=5e-3)


def test_long_texts_are_counted_in_parts(monkeypatch):
    lists = np.random.default_rng(0).integers(2, 30, size=(40, 50)).tolist()
    sequences = Sequences.from_lists(lists)
    whole = cooccurrence_vectors(sequences, 30, 28, np.random.RandomState(0))
    monkeypatch.setattr("skrnn.cooccurrence._TOKENS_A_PART", 99)
    parts = cooccurrence_vectors(sequences, 30, 28, np.random.RandomState(0))
    assert_allclose(parts @ parts.T, whole @ whole.T, atol=1e-2)


@pytest.mark.parametrize("lists", [[], [[], []], [[5]], [[0, 1, 1]], [[2], [], [3]]])
def test_without_company_all_vectors_are_zeros(lists):
    sequences = Sequences.from_lists(lists)
    vectors = cooccurrence_vectors(sequences, 8, 3, np.random.RandomState(0))
    assert_array_equal(vectors, np.zeros((8, 3), np.float32))
    assert vectors.dtype == np.float32


def test_tokens_in_like_company_are_alike(every_docstring):
    texts = every_docstring.data
    tokenizer = Tokenizer(max_features=5000)
    sequences = tokenizer.fit_transform(texts)
    vectors = cooccurrence_vectors(sequences, 5002, 64, np.random.RandomState(0))
    of = {token: vectors[i] for token, i in tokenizer.vocabulary_.items()}
    for one, like, unlike in [
        ("rows", "columns", "model"),
        ("two", "three", "return"),
        ("max", "min", "file"),
    ]:
        assert of[one] @ of[like] > 2 * abs(of[one] @ of[unlike])


@pytest.mark.parametrize("embedding_size", [2, 8, 64])
def test_embedding_starts_from_them(embedding_size):
    params = {"embeddings": "cooccurrence", "embedding_size": embedding_size}
    built = classifier(**params).initialize(TEXTS, LABELS)
    table = built.model_.encoder.embedding.get_weights()[0]
    assert table.shape == (len(built.tokenizer_.vocabulary_) + 2, embedding_size)
    # Nothing is known of padding and unknown tokens.
    assert not table[:2].any()
    assert_allclose(np.linalg.norm(table[2:], axis=1), 0.2 * embedding_size**0.5, 1e-4)


def test_labels_and_the_order_of_texts_do_not_matter():
    def table(texts, labels):
        built = classifier(embeddings="cooccurrence").initialize(texts, labels)
        return built.model_.encoder.embedding.get_weights()[0]

    expected = table(TEXTS, LABELS)
    assert_array_equal(table(TEXTS, LABELS[::-1]), expected)
    again = table(TEXTS[::-1], LABELS)
    assert_allclose(again @ again.T, expected @ expected.T, atol=1e-5)


@pytest.mark.parametrize("texts", [["one", "two"] * 4, ["one"] * 8])
def test_tokens_without_company_start_at_zero(texts):
    built = classifier(embeddings="cooccurrence").initialize(texts, [0, 1] * 4)
    assert not built.model_.encoder.embedding.vectors.any()
    fitted = built.fit(texts, [0, 1] * 4)
    assert np.isfinite(fitted.predict_proba(texts)).all()
