"""Vectors that the embedding starts from."""

import warnings

import numpy as np
import pytest
from corpus import (
    LABELS,
    TEXTS,
    assert_same_model,
    classifier,
)

from skrnn import RNNTextClassifier
from skrnn.optimizers import OPTIMIZERS

VECTORS = {
    "fine": np.arange(5.0),
    "dull": -np.arange(5.0),
    "unused": np.ones(5),
}


def embedding_of(fitted, token):
    row = fitted.tokenizer_.vocabulary_[token]
    return np.asarray(fitted.model_.encoder.embedding.embeddings)[row]


def write_vectors(path, *, header):
    lines = [f"{header}\n"] if header else []
    lines += [
        f"{token} {' '.join(str(float(v)) for v in vector)}\n"
        for token, vector in VECTORS.items()
    ]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_embeddings_from_a_mapping():
    fitted = classifier(embeddings=VECTORS).initialize(TEXTS, LABELS)
    np.testing.assert_array_equal(embedding_of(fitted, "fine"), VECTORS["fine"])
    np.testing.assert_array_equal(embedding_of(fitted, "dull"), VECTORS["dull"])
    other = embedding_of(fitted, "film")
    assert other.shape == (5,)
    assert 0 < np.abs(other).max() < 20
    before = embedding_of(fitted, "fine")
    fitted.partial_fit(TEXTS, LABELS)
    assert not np.array_equal(embedding_of(fitted, "fine"), before)


# One that begins with a copy of the weights, too.
@pytest.mark.parametrize(
    "optimizer", sorted({"adam", "sgd", "schedulefreeadamw"} & set(OPTIMIZERS))
)
def test_optimizers_begin_with_the_vectors(optimizer):
    params = {"optimizer": optimizer, "learning_rate": 1e-9}
    fitted = classifier(embeddings=VECTORS, **params).fit(TEXTS, LABELS)
    np.testing.assert_allclose(embedding_of(fitted, "fine"), VECTORS["fine"], atol=1e-4)


@pytest.mark.parametrize("header", ["", "3 5"], ids=["GloVe", "word2vec"])
@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "path"])
def test_embeddings_from_a_file(tmp_path, header, kind):
    path = kind(write_vectors(tmp_path / "vectors.txt", header=header))
    from_file = classifier(embeddings=path).fit(TEXTS, LABELS)
    mapping = classifier(embeddings=VECTORS).fit(TEXTS, LABELS)
    assert_same_model(from_file, mapping)


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        ({}, "No token of the texts has a vector"),
        ({"Fine": [1.0, 2.0]}, "lower case"),
        ({"fine": [1.0, 2.0], "dull": [1.0]}, "differ in size: .* for '(fine|dull)'"),
        ({"fine": ["a", "b"]}, "no numbers in the vector of 'fine'"),
        ({"fine": [1.0, np.nan]}, "finite numbers in the vector of 'fine'"),
        ({"fine": 1.0}, "one row of finite numbers in the vector of 'fine'"),
        ({"fine": []}, "one row of finite numbers in the vector of 'fine'"),
    ],
)
def test_bad_vectors(embeddings, message):
    with pytest.raises(ValueError, match=message):
        classifier(embeddings=embeddings).fit(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("other 1 2\n", "No token of the texts"),
        ("other 1 2\nfine 1 x\n", "no numbers in line 2 of .*vectors.txt"),
        ("fine 1 2\ndull 1\n", "differ in size"),
        ("fine 1 2\ndull 1 2 3\n", "differ in size"),
        ("fine 1 2\ndull 1 inf\n", "finite numbers in line 2"),
        ("2 2\nfine;1;2\n", "parted by blanks, in line 2"),
        ("fine,1,2\n", "parted by blanks, in line 1"),
    ],
)
def test_bad_file_of_vectors(tmp_path, lines, message):
    path = tmp_path / "vectors.txt"
    path.write_text(lines)
    with pytest.raises(ValueError, match=message):
        classifier(embeddings=path).fit(TEXTS, LABELS)


@pytest.mark.parametrize("header", ["", "2 2\n"])
def test_file_of_vectors_with_a_byte_order_mark(tmp_path, header):
    path = tmp_path / "vectors.txt"
    path.write_text(f"{header}fine 1 2\ndull 3 4\n", encoding="utf-8-sig")
    fitted = classifier(embeddings=path, learning_rate=1e-12).fit(TEXTS, LABELS)
    place = list(fitted.tokenizer_.vocabulary_).index("fine") + 2
    vector = fitted.model_.encoder.embedding.vectors[place]
    np.testing.assert_allclose(vector, [1, 2], atol=1e-6)


@pytest.mark.parametrize(
    "lines",
    [
        "fine  1  2\ndull 3 4\n",
        "fine\t1\t2\ndull\t3\t4\n",
        "2  2\nfine\t1 2\ndull\t 3  4 \n",
    ],
)
def test_blanks_may_be_several_or_tabs(tmp_path, lines):
    path = tmp_path / "vectors.txt"
    path.write_text(lines)
    fitted = classifier(embeddings=path).initialize(TEXTS, LABELS)
    assert embedding_of(fitted, "fine").tolist() == [1, 2]
    assert embedding_of(fitted, "dull").tolist() == [3, 4]


def test_a_first_line_too_short_of_a_token_not_asked_for(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("other 1\nfine 1 2\ndull 3 4\n")
    fitted = classifier(embeddings=path).initialize(TEXTS, LABELS)
    assert embedding_of(fitted, "fine").tolist() == [1, 2]


def test_file_of_vectors_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt"):
        classifier(embeddings=tmp_path / "nowhere.txt").fit(TEXTS, LABELS)


def test_tokens_with_blanks_in_a_file_are_passed_over(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("dull 1 2\n. . . 5 6\nfine 3 4\nfine . 7 8\n")
    fitted = classifier(embeddings=path).initialize(TEXTS, LABELS)
    assert embedding_of(fitted, "fine").tolist() == [3, 4]
    assert embedding_of(fitted, "dull").tolist() == [1, 2]


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("hidden_size", [50, 32])  # by the loop, by the kernel
def test_large_vectors_leave_padding_without_effect(cell, hidden_size):
    vectors = {"fine": [1e6, -1e6], "dull": [-1e6, 1e6]}
    fitted = classifier(embeddings=vectors, cell=cell, hidden_size=hidden_size)
    fitted.initialize(TEXTS, LABELS)
    alone = fitted.decision_function(["fine"])
    beside_a_long_text = fitted.decision_function(["fine", "dull " * 100])
    np.testing.assert_allclose(beside_a_long_text[:1], alone, rtol=1e-5)


def test_vectors_of_the_largest_numbers_warn_of_nothing():
    texts, y = ["a good film", "a bad film"] * 8, [1, 0] * 8
    vectors = {"good": [1e30, 2.0]}
    classifier = RNNTextClassifier(embeddings=vectors, hidden_size=4, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier.fit(texts, y)
