"""The linear part beside the network, and how their scores are added up."""

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import keras
import numpy as np
import pytest
from corpus import (
    EAGER,
    LABELS,
    STARS,
    STRANGE_TEXTS,
    TEXTS,
    TINY,
    TOPIC_TEXTS,
    TOPICS,
    classifier,
    regressor,
)
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import OptimizeResult, minimize
from scipy.sparse import csr_matrix, vstack
from scipy.special import expit
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler, normalize

from skrnn import RNNTextClassifier
from skrnn._patterns import word_pattern
from skrnn.native import marks as native_marks
from skrnn.native import ngrams as native
from skrnn.native.marks import MarkedIds, PackedMarks, pack
from skrnn.ngrams import NGrams
from skrnn.sequences import Sequences, smallest_dtype
from skrnn.tokenizer import Tokenizer
from skrnn.wide import Blend, WidePart

CORPUS = st.lists(st.text("abc", max_size=12), min_size=1, max_size=8)


where_marks_are_packed = pytest.mark.skipif(
    not native_marks.IS_COMPILED, reason="Nothing was compiled here that packs marks"
)


@pytest.fixture(scope="module")
def drawn_docstrings(every_docstring):
    texts, libraries = every_docstring.data, every_docstring.target
    drawn = np.random.RandomState(0).permutation(len(texts))[:600]
    return [texts[i] for i in drawn], libraries[drawn]


# N-grams


def all_marks(ngrams, tokenizer, texts):
    return vstack(ngrams.transform(tokenizer.transform(texts)))


@given(CORPUS, CORPUS, st.integers(1, 4))
def test_ngrams_are_those_of_count_vectorizer(learned, others, max_n):
    reference = CountVectorizer(
        analyzer="char", ngram_range=(1, max_n), binary=True, min_df=2, lowercase=False
    )
    tokenizer = Tokenizer(analyzer="char", vocabulary=list("abc"))
    # Three texts with no token in common make the least a text of each.
    ngrams = NGrams(5, max_n=max_n, max_features=10**6)
    marks = all_marks(ngrams.fit(tokenizer.transform(learned)), tokenizer, learned)
    try:
        expected = reference.fit_transform(learned)
    except ValueError:  # no n-gram is in two texts
        assert marks.shape == (len(learned), 0)
        assert all_marks(ngrams, tokenizer, others).shape[1] == 0
        return
    for mine, theirs in [
        (marks, expected),
        (all_marks(ngrams, tokenizer, others), reference.transform(others)),
    ]:
        # In another order of columns, which no one is promised.
        assert sorted(map(tuple, mine.toarray().T)) == sorted(
            map(tuple, theirs.toarray().T)
        )


MANY_TEXTS = [*TOPIC_TEXTS, "", *TEXTS, "", *TOPIC_TEXTS]


@pytest.mark.parametrize("is_compiled", [native.IS_COMPILED, False])
@pytest.mark.parametrize("marks_a_part", [1, 50])
@pytest.mark.parametrize("ids_a_part", [1, 7, 64])
def test_texts_taken_in_parts_give_the_same_ngrams(
    ids_a_part, marks_a_part, is_compiled, monkeypatch
):
    monkeypatch.setattr(native, "IS_COMPILED", is_compiled)
    tokenizer = Tokenizer()
    sequences = tokenizer.fit_transform(MANY_TEXTS)

    def learn():
        return NGrams(10**4, max_n=3, max_features=20).fit(sequences)

    expected = learn()
    whole = all_marks(expected, tokenizer, MANY_TEXTS)
    monkeypatch.setattr("skrnn.ngrams._IDS_A_PART", ids_a_part)
    monkeypatch.setattr("skrnn.ngrams._MARKS_A_PART", marks_a_part)
    ngrams = learn()
    assert len(ngrams.transform(sequences)) > 1
    assert (all_marks(ngrams, tokenizer, MANY_TEXTS) != whole).nnz == 0


@pytest.mark.skipif(
    not native.IS_COMPILED,
    reason="Nothing was compiled here that NumPy could be compared with",
)
@pytest.mark.parametrize("n_ids", [200, 2**9, 2**17])
@given(
    lists=st.lists(st.lists(st.integers(0, 9), max_size=30), min_size=1, max_size=8),
    max_n=st.integers(1, 5),
    most=st.integers(1, 30),
)
def test_compiled_functions_find_the_ngrams_that_numpy_does(n_ids, lists, max_n, most):
    # Ids of one byte, of two and of four.
    spread = [[i * (n_ids // 10) for i in one] for one in lists]
    sequences = Sequences.from_lists([*spread, [n_ids - 1]])
    compiled, plain = (NGrams(n_ids, max_n=max_n, max_features=most) for _ in range(2))
    found = vstack(compiled.fit(sequences).transform(sequences))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(native, "IS_COMPILED", False)
        expected = vstack(plain.fit(sequences).transform(sequences))
    assert (found != expected).nnz == 0


@pytest.mark.parametrize("are_packed", [native_marks.IS_COMPILED, False])
@pytest.mark.parametrize("ids_a_part", [7, 2**17])
def test_marks_for_products_are_those_of_the_matrix(
    ids_a_part, are_packed, monkeypatch
):
    monkeypatch.setattr("skrnn.ngrams._IDS_A_PART", ids_a_part)
    monkeypatch.setattr("skrnn.ngrams._MARKS_A_PART", ids_a_part)
    # Of a library that is left over, functions may be missing.
    monkeypatch.setattr(native_marks, "IS_COMPILED", are_packed)
    sequences = Tokenizer().fit_transform(MANY_TEXTS)
    ngrams = NGrams(10**4, max_n=3, max_features=20).fit(sequences)
    expected, marks = vstack(ngrams.transform(sequences)), ngrams.packed(sequences)
    assert isinstance(marks[0], PackedMarks) == are_packed
    # Whole numbers, of which float32 sums are exact in any order.
    of_texts, of_columns = (np.arange(n, dtype=np.float32) for n in expected.shape)
    by_text = np.concatenate([part @ of_columns for part in marks])
    assert_array_equal(by_text, expected @ of_columns)
    stops = np.cumsum([part.shape[0] for part in marks])[:-1]
    of_parts = zip(marks, np.split(of_texts, stops), strict=True)
    by_column = sum(part.T @ of_part for part, of_part in of_parts)
    assert_array_equal(by_column, expected.T @ of_texts)


def matrix_of(lists, n_columns):
    columns = np.array([one for text in lists for one in text], np.int32)
    stops = np.concatenate([[0], np.cumsum([len(text) for text in lists])])
    ones = np.ones(len(columns), np.float32)
    return csr_matrix((ones, columns, stops), shape=(len(lists), n_columns))


def packed_of(lists, n_columns):
    """Marks in these columns, none of which is an id."""
    columns = np.array([one for text in lists for one in text], np.int32)
    n_of_texts = np.array([len(text) for text in lists], np.int32)
    packed = pack(columns, n_of_texts, first_column=0, n_columns=n_columns)
    no_ids = Sequences.from_lists([[]] * len(lists))
    ids = MarkedIds(no_ids.ids, no_ids.offsets, np.empty(0, np.int64), n_ids=1)
    return PackedMarks(ids, slice(None), *packed, n_columns)


@where_marks_are_packed
@given(st.data())
def test_products_of_packed_marks_are_those_of_scipy(data):
    # Columns that lie farther apart than two bytes tell, exactly as far, and nearer.
    n_columns = data.draw(st.sampled_from([1, 300, 2**16 - 1, 2**16, 2**18 + 7]))
    at = {0, 1, n_columns - 1, 2**16 - 2, 2**16 - 1, 2**16, 2**17 - 2, 2**17 - 1}
    column = st.integers(0, n_columns - 1) | st.sampled_from(
        sorted(one for one in at if one < n_columns)
    )
    lists = data.draw(st.lists(st.lists(column, max_size=40, unique=True), min_size=1))
    expected = matrix_of(lists, n_columns)
    packed = packed_of(lists, n_columns)
    assert packed.shape == expected.shape
    # Whole numbers, of which float32 sums are exact in any order.
    random = np.random.default_rng(0)
    of_texts, of_columns = (
        random.integers(-9, 10, size).astype(np.float32) for size in packed.shape
    )
    assert_array_equal(packed @ of_columns, expected @ of_columns)
    assert_array_equal(packed.T @ of_texts, expected.T @ of_texts)


@where_marks_are_packed
@given(st.data())
def test_marks_of_ids_are_where_the_ids_stand(data):
    # Ids of one byte, of two and of four, a few of which are columns, in an order.
    n_ids = data.draw(st.sampled_from([10, 300, 2**17]))
    drawn = st.integers(0, 9).map(lambda i: i * (n_ids // 10))
    lists = data.draw(st.lists(st.lists(drawn, max_size=40), min_size=1, max_size=9))
    which = np.unique(data.draw(st.lists(drawn, max_size=9))).astype(np.int64)
    lengths = [len(one) for one in lists]
    ids = np.array([i for one in lists for i in one], smallest_dtype(n_ids - 1))
    sequences = Sequences.from_lengths(ids, lengths)
    offsets = sequences.offsets.astype(data.draw(st.sampled_from([np.int32, np.int64])))
    marked = MarkedIds(sequences.ids, offsets, which, n_ids=n_ids)
    some = slice(*sorted(data.draw(st.tuples(*[st.integers(0, len(lists))] * 2))))
    # One column more, which is none of the ids.
    n_columns = len(which) + 1
    columns = [np.flatnonzero(np.isin(which, one)).tolist() for one in lists[some]]
    others = data.draw(
        st.lists(st.booleans(), min_size=len(columns), max_size=len(columns))
    )
    for one, other in zip(columns, others, strict=True):
        one += [len(which)] * other
    flat = np.array([one for text in columns for one in text], np.int32)
    n_of_texts = np.array([len(text) for text in columns], np.int32)
    packed = pack(flat, n_of_texts, first_column=len(which), n_columns=n_columns)
    found = PackedMarks(marked, some, *packed, n_columns)
    expected = matrix_of(columns, n_columns)
    of_texts, of_columns = (
        np.arange(1, size + 1, dtype=np.float32) for size in expected.shape
    )
    assert_array_equal(found @ of_columns, expected @ of_columns)
    assert_array_equal(found.T @ of_texts, expected.T @ of_texts)


@where_marks_are_packed
def test_marks_of_what_is_none_of_the_ids_are_refused():
    offsets, columns = np.array([0, 2]), np.array([2])
    for ids in (np.array([2, 3]), np.array([2, -1])):
        with pytest.raises(ValueError, match="Ids should be from 0 to 2"):
            MarkedIds(ids, offsets, columns, n_ids=3)
    ids = np.array([2, 1])
    with pytest.raises(TypeError, match="`offsets` is int16"):
        MarkedIds(ids, offsets.astype(np.int16), columns, n_ids=3)
    marked, none = MarkedIds(ids, offsets, columns, n_ids=3), np.empty(0, np.uint16)
    with pytest.raises(ValueError, match="Gaps of 2 texts were given for 1"):
        PackedMarks(marked, slice(None), none, np.zeros(2, np.int32), 1)


@where_marks_are_packed
def test_marks_of_a_text_with_very_many():
    columns = np.random.default_rng(0).permutation(10**5)
    packed = packed_of([columns], 10**5)
    of_columns = np.zeros(10**5, np.float32)
    of_columns[::1000] = 1.0
    assert_array_equal(packed @ of_columns, [100.0])
    assert_array_equal(packed.T @ np.ones(1, np.float32), np.ones(10**5))


@where_marks_are_packed
def test_numbers_that_are_not_of_the_marks_size_are_refused():
    packed = packed_of([[0], [2]], 3)
    with pytest.raises(ValueError, match=r"shape \(2, 3\).*\(4,\) columns"):
        packed @ np.ones(4, np.float32)
    with pytest.raises(ValueError, match=r"\(3,\) texts"):
        packed.T @ np.ones(3, np.float32)


def test_more_ngrams_than_were_expected():
    # Few ids follow one another in more than two texts.
    drawn = np.random.default_rng(0).integers(2, 3000, size=(40, 1000))
    sequences = Sequences.from_lists([*drawn, *drawn])
    ngrams = NGrams(3000, max_n=2, max_features=10**6).fit(sequences)
    pairs = {pair for one in drawn.tolist() for pair in pairwise(one)}
    assert ngrams.n_features == len(np.unique(drawn)) + len(pairs)


def test_what_ngrams_are_looked_up_in_is_not_pickled():
    fitted = classifier(wide=True).fit(TEXTS, LABELS)
    sequences = fitted.tokenizer_.transform(TEXTS)
    before = pickle.dumps(fitted.wide_)
    scores = fitted.wide_.scores(sequences)
    after = pickle.dumps(fitted.wide_)
    assert len(after) == len(before)
    again = pickle.loads(after)
    # It is made anew, by whichever of many threads comes first.
    with ThreadPoolExecutor(4) as threads:
        for one in threads.map(again.scores, [sequences] * 8):
            assert_array_equal(one, scores)


@pytest.mark.parametrize("is_compiled", [native.IS_COMPILED, False])
@pytest.mark.parametrize("dtype", [np.int8, np.uint32, np.int64])
def test_ids_of_any_integer_type(dtype, is_compiled, monkeypatch):
    monkeypatch.setattr(native, "IS_COMPILED", is_compiled)
    sequences = Tokenizer().fit_transform(MANY_TEXTS)
    others = Sequences(sequences.ids.astype(dtype), sequences.offsets)
    ngrams = NGrams(100, max_n=2, max_features=100).fit(others)
    expected = vstack(
        NGrams(100, max_n=2, max_features=100).fit(sequences).transform(sequences)
    )
    assert (vstack(ngrams.transform(others)) != expected).nnz == 0


def test_short_texts_are_marked_as_among_many():
    sequences = Tokenizer().fit_transform(MANY_TEXTS)
    ngrams = NGrams(100, max_n=3, max_features=100).fit(sequences)
    repeated = Sequences.from_lists([*sequences] * 50)
    alone = vstack(
        [vstack(ngrams.transform(sequences[[i]])) for i in range(len(sequences))]
    )
    among = vstack(ngrams.transform(repeated))[: len(sequences)]
    assert (alone != among).nnz == 0


def test_ngrams_leave_unknown_tokens_out():
    tokenizer = Tokenizer(vocabulary=["a", "b"])
    texts = ["a x b", "a x b"]
    ngrams = NGrams(4, max_n=2, max_features=100).fit(tokenizer.transform(texts))
    assert all_marks(ngrams, tokenizer, texts).shape == (2, 2)


def test_no_more_ngrams_than_allowed():
    texts = ["a b c", "a b c", "a b", "a d", "d"]
    sequences = Tokenizer().fit_transform(texts)

    def n_features(most):
        return NGrams(6, max_n=1, max_features=most).fit(sequences).n_features

    # In 4, 3, 2 and 2 texts: those of a frequency go together.
    assert [n_features(most) for most in (4, 3, 2, 1)] == [4, 2, 2, 1]


# The linear part


def binary_counts(texts):
    vectorizer = CountVectorizer(
        tokenizer=word_pattern().findall,
        token_pattern=None,
        ngram_range=(1, 2),
        min_df=2,
        binary=True,
    )
    return vectorizer.fit_transform(texts).astype(float)


def log_count_ratios(marks, above, below):
    p, q = 1 + marks.T @ above, 1 + marks.T @ below
    return np.log(p / p.sum()) - np.log(q / q.sum())


def test_scores_of_classes_are_those_of_the_published_formula(drawn_docstrings):
    texts, libraries = drawn_docstrings
    fitted = classifier(wide=True, max_features=None, epochs=1)
    fitted.fit(texts, libraries)
    scores = fitted.wide_.scores(fitted.tokenizer_.transform(texts))
    marks = binary_counts(texts)
    for column, library in enumerate(fitted.classes_):
        inside = (libraries == library).astype(float)
        ratios = log_count_ratios(marks, inside, 1 - inside)
        scaled = normalize(marks.multiply(ratios).tocsr())
        reference = LogisticRegression(C=10, tol=1e-8, max_iter=1000)
        expected = reference.fit(scaled, inside).decision_function(scaled)
        # As far as the tolerance is from the optimum.
        assert_allclose(scores[:, column], expected, atol=0.1)
        assert np.abs(scores[:, column] - expected).mean() < 0.02


def test_scores_of_values_are_those_of_ridge_regression(drawn_docstrings):
    texts, _ = drawn_docstrings
    values = np.array([np.log(len(text)) for text in texts])
    fitted = regressor(wide=True, max_features=None, epochs=1).fit(texts, values)
    scores = fitted.wide_.scores(fitted.tokenizer_.transform(texts))
    marks = binary_counts(texts)
    standard = StandardScaler().fit_transform(values[:, None])[:, 0]
    ratios = log_count_ratios(marks, np.maximum(standard, 0), np.maximum(-standard, 0))
    scaled = normalize(marks.multiply(ratios).tocsr())
    expected = Ridge(solver="lsqr", tol=1e-10).fit(scaled, standard).predict(scaled)
    assert_allclose(scores[:, 0], expected, atol=0.01)


def test_characters_come_in_longer_ngrams():
    texts = ["abcdef", "abcdef", "fedcba", "fedcba"] * 4
    labels = [0, 0, 1, 1] * 4
    fitted = classifier(wide=True, analyzer="char").fit(texts, labels)
    assert fitted.wide_._ngrams.n_features == 6 + 2 * (5 + 4 + 3 + 2)


@pytest.mark.parametrize(("n_outputs", "most"), [(1, 10), (2, 6), (3, 4)])
def test_many_outputs_leave_fewer_ngrams(n_outputs, most, monkeypatch):
    monkeypatch.setattr("skrnn.wide._MOST_WEIGHTS", 12)
    monkeypatch.setattr("skrnn.wide._MOST_FEATURES", 10)
    # Twelve words, no two in as many texts.
    texts = [" ".join(f"word{i}" for i in range(13 - n)) for n in range(1, 14)]
    every = np.arange(13)
    targets = np.eye(n_outputs)[every % n_outputs]
    wide = WidePart(100, max_n=1, of_classes=True)
    sequences = Tokenizer().fit_transform(texts)
    wide.fit(sequences, targets, np.ones(13), train=every, held_out=every[:0])
    assert wide._ngrams.n_features == most


def test_all_of_a_long_text_counts():
    long = ["so " * 30 + word for word in ("fine", "dull") * 8]
    fitted = classifier(wide=True, max_length=5, truncate="tail").fit(long, LABELS)
    assert fitted.score(long, LABELS) == 1
    alone = classifier(max_length=5, truncate="tail").fit(long, LABELS)
    assert alone.score(long, LABELS) == 0.5


def test_parameters_changed_after_fit_change_no_prediction():
    fitted = classifier(wide=True, max_length=2).fit(TEXTS, LABELS)
    expected = fitted.decision_function(TEXTS), fitted.transform(TEXTS)
    fitted.set_params(max_length=1, truncate="head", wide=False)
    assert_array_equal(fitted.decision_function(TEXTS), expected[0])
    assert_array_equal(fitted.transform(TEXTS), expected[1])
    assert fitted.partial_fit(TEXTS, LABELS).wide_ is not None


@pytest.mark.parametrize("text", STRANGE_TEXTS[:5])
def test_text_without_known_ngrams_gets_the_constant(text):
    fitted = classifier(wide=True).fit(TEXTS, LABELS)
    scores = fitted.wide_.scores(fitted.tokenizer_.transform([text, "qwertz"]))
    assert_array_equal(scores[0], scores[1])


@pytest.mark.parametrize("scale", [1e10, 1e25, 1e300])
@pytest.mark.parametrize("activation", ["linear", "sigmoid", "softmax"])
def test_a_network_led_astray_counts_nothing(activation, scale):
    draw = np.random.default_rng(0)
    targets = np.eye(3)[draw.integers(3, size=300)]
    wide = 4 * targets - 2 + draw.normal(size=targets.shape)
    network = scale * draw.normal(size=targets.shape)
    if activation == "linear":
        targets = wide + draw.normal(size=wide.shape)
    blend = Blend(activation)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        blend.fit(network, wide, targets, np.ones(300))
    scores = blend.scores(network, wide)
    assert np.abs(scores).max() < 100
    assert_allclose(np.corrcoef(scores.ravel(), wide.ravel())[0, 1], 1.0, atol=0.01)


def test_no_ngram_in_two_texts():
    texts = ["one", "two", "three", "four"]
    fitted = classifier(wide=True).fit(texts, [0, 1, 1, 1])
    # Of 1 and 3 texts, with one more on either side.
    scores = fitted.wide_.scores(fitted.tokenizer_.transform(texts))
    assert_allclose(scores, np.log(4 / 2))


def test_multilabel_with_a_column_nobody_has():
    y = np.column_stack([LABELS == "good", LABELS == "bad", LABELS == "none"])
    fitted = classifier(wide=True).fit(TEXTS, y.astype(int))
    assert fitted.predict(TEXTS)[:, 2].sum() == 0
    assert np.isfinite(fitted.predict_proba(TEXTS)).all()


@pytest.mark.parametrize("n_texts", [16, 400])
def test_class_of_a_single_text(n_texts):
    texts = (TEXTS * 25)[:n_texts]
    labels = np.resize(LABELS, n_texts).astype(object)
    labels[0] = "rare"
    fitted = classifier(wide=True).fit(texts, labels)
    assert_array_equal(fitted.classes_, ["bad", "good", "rare"])
    assert_allclose(fitted.predict_proba(texts).sum(axis=1), 1)


def test_sample_weight_reaches_the_wide_part():
    texts = ["fine", "fine", "dull", "dull"] * 4
    labels = [0, 1, 0, 1] * 4
    weight = [1, 9, 9, 1] * 4
    fitted = classifier(wide=True).fit(texts, labels, sample_weight=weight)
    scores = fitted.wide_.scores(fitted.tokenizer_.transform(["fine", "dull"]))
    assert scores[0, 0] > 0 > scores[1, 0]


@pytest.mark.parametrize("of_classes", [True, False])
def test_held_out_texts_are_scored_unseen(of_classes):
    sequences = Tokenizer().fit_transform(TEXTS * 5)
    targets = np.tile(LABELS, 5)[:, None] == "good"
    every = np.arange(len(sequences))
    train, held_out = every[:40], every[40:]

    def scores_and_kept(targets):
        wide = WidePart(100, max_n=2, of_classes=of_classes)
        scores = wide.fit(
            sequences,
            targets.astype(float),
            np.ones(len(sequences)),
            train=train,
            held_out=held_out,
        )
        return scores, wide.scores(sequences)

    others = targets.copy()
    others[held_out] = ~others[held_out]
    scores, kept = scores_and_kept(targets)
    same_scores, others_kept = scores_and_kept(others)
    assert_array_equal(scores, same_scores)
    assert np.ptp(scores) > 0.1
    assert not np.allclose(kept, others_kept)


@pytest.mark.parametrize("of_classes", [True, False])
def test_words_of_held_out_texts_are_as_unknown_as_new_ones(
    drawn_docstrings, of_classes
):
    texts, libraries = drawn_docstrings
    sequences = Tokenizer().fit_transform(texts)
    targets = libraries[:, None] == np.unique(libraries)
    targets = 2.0 * targets - 1.0 if not of_classes else targets.astype(float)
    every = np.arange(len(texts))
    train, held_out = every[:400], every[400:]

    def learn(wide, sequences, targets, **parts):
        return wide.fit(sequences, targets, np.ones(len(targets)), **parts)

    with_them, without = (
        WidePart(20_000, max_n=2, of_classes=of_classes) for _ in range(2)
    )
    scores = learn(with_them, sequences, targets, train=train, held_out=held_out)
    parts = {"train": train, "held_out": every[:0]}
    learn(without, sequences[train], targets[train], **parts)
    assert_allclose(scores, without.scores(sequences[held_out]), atol=2e-2)


def test_marks_in_parts_are_learned_from_as_one_matrix_is(
    drawn_docstrings, monkeypatch
):
    texts, libraries = drawn_docstrings
    sequences = Tokenizer().fit_transform(texts)
    every = np.arange(len(texts))

    def scores():
        wide = WidePart(20_000, max_n=2, of_classes=True)
        targets = libraries[:, None] == np.unique(libraries)
        weight = np.ones(len(texts))
        held_out = wide.fit(
            sequences, targets, weight, train=every[:400], held_out=every[400:]
        )
        return held_out, wide.scores(sequences)

    whole = scores()
    monkeypatch.setattr("skrnn.ngrams._IDS_A_PART", 1000)
    monkeypatch.setattr("skrnn.ngrams._MARKS_A_PART", 5000)
    in_parts = scores()
    for one, other in zip(whole, in_parts, strict=True):
        assert_allclose(one, other, atol=2e-3)
    for n_threads in ("1", "3"):
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", n_threads)
        for one, other in zip(in_parts, scores(), strict=True):
            assert_array_equal(one, other)


def test_the_kept_model_does_not_depend_on_the_one_before_it(drawn_docstrings):
    texts, libraries = drawn_docstrings
    sequences = Tokenizer().fit_transform(texts)
    targets = (libraries[:, None] == np.unique(libraries)).astype(float)
    every = np.arange(len(texts))

    def kept(n_train):
        wide = WidePart(20_000, max_n=2, of_classes=True)
        parts = {"train": every[:n_train], "held_out": every[n_train:]}
        wide.fit(sequences, targets, np.ones(len(texts)), **parts)
        return wide.scores(sequences)

    scores, from_the_beginning = kept(500), kept(len(texts))
    assert not np.array_equal(scores, from_the_beginning)
    assert_allclose(scores, from_the_beginning, atol=0.02 * np.ptp(scores))


@pytest.mark.parametrize("of_classes", [True, False])
def test_scores_do_not_depend_on_what_was_compiled(
    drawn_docstrings, of_classes, monkeypatch
):
    texts, libraries = drawn_docstrings
    sequences = Tokenizer().fit_transform(texts)
    targets = (libraries[:, None] == np.unique(libraries)).astype(float)
    every = np.arange(len(texts))

    def scores():
        wide = WidePart(20_000, max_n=2, of_classes=of_classes)
        parts = {"train": every, "held_out": every[:0]}
        wide.fit(sequences, targets, np.ones(len(texts)), **parts)
        return wide.scores(sequences)

    compiled = scores()
    monkeypatch.setattr(native, "IS_COMPILED", False)
    assert_allclose(scores(), compiled, atol=2e-3 * np.ptp(compiled))


@pytest.mark.parametrize("train_of", ["nobody", "one class"])
def test_texts_to_learn_from_without_weight(train_of):
    sequences = Tokenizer().fit_transform(TEXTS)
    targets = (LABELS == "good")[:, None]
    every = np.arange(len(TEXTS))
    weight = np.zeros(len(TEXTS))
    weight[8:] = 1
    if train_of == "one class":
        weight[:8:2] = 1
    wide = WidePart(100, max_n=2, of_classes=True)
    scores = wide.fit(sequences, targets, weight, train=every[:8], held_out=every[8:])
    # Four texts of one class, and one more of either.
    assert_allclose(expit(scores), 1 / 2 if train_of == "nobody" else 5 / 6)
    assert np.ptp(wide.scores(sequences)) > 0.1


def test_one_weight_that_leaves_the_others_none():
    texts, labels = TEXTS * 16, np.tile(LABELS, 16)
    weight = np.ones(len(texts))
    weight[0] = 1e60
    for seed in range(8):
        fitted = classifier(wide=True, epochs=1, random_state=seed, batch_size=256)
        fitted.fit(texts, labels, sample_weight=weight)
        assert np.isfinite(fitted.predict_proba(texts)).all()


# Where there is one


@pytest.mark.parametrize(
    ("params", "has_wide"),
    [
        ({"wide": True}, True),
        ({"wide": "auto"}, True),
        ({"wide": False}, False),
        ({"wide": "auto", "loss": "hinge"}, False),
    ],
)
def test_wide(params, has_wide):
    fitted = classifier(**params).fit(TEXTS, LABELS)
    assert (fitted.wide_ is not None) == (fitted.blend_ is not None) == has_wide


def test_wide_needs_the_loss_it_minimises():
    with pytest.raises(ValueError, match=r"wide=True needs loss='log_loss'"):
        classifier(wide=True, loss="hinge").fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match=r"wide=True needs loss='squared_error'"):
        regressor(wide=True, loss="huber").fit(TEXTS, STARS)


def test_partial_fit_trains_the_network_alone():
    with pytest.raises(ValueError, match="wide should be 'auto' or False"):
        classifier(wide=True).partial_fit(TEXTS, LABELS, classes=["bad", "good"])
    fresh = classifier(wide="auto").partial_fit(TEXTS, LABELS, ["bad", "good"])
    assert fresh.wide_ is None
    fitted = classifier(wide="auto").fit(TEXTS, LABELS)
    wide, before = fitted.wide_, fitted.decision_function(TEXTS)
    fitted.partial_fit(TEXTS, LABELS)
    assert fitted.wide_ is wide
    assert not np.array_equal(fitted.decision_function(TEXTS), before)


def test_initialize_leaves_the_wide_part_out():
    assert classifier(wide=True).initialize(TEXTS, LABELS).wide_ is None


def test_warm_start_learns_the_wide_part_anew():
    fitted = classifier(wide=True, warm_start=True).fit(TEXTS, LABELS)
    first = fitted.wide_.scores(fitted.tokenizer_.transform(["fine"]))
    fitted.fit(TEXTS, LABELS[::-1])
    second = fitted.wide_.scores(fitted.tokenizer_.transform(["fine"]))
    assert first[0, 0] * second[0, 0] < 0


def test_warm_start_without_the_wide_part_leaves_none():
    fitted = classifier(wide=True, warm_start=True).fit(TEXTS, LABELS)
    fitted.set_params(wide=False).fit(TEXTS, LABELS)
    assert fitted.wide_ is None
    assert fitted.blend_ is None
    sequences = fitted.tokenizer_.transform(TEXTS)
    scores = fitted.model_.predict(sequences)[:, 0]
    assert_array_equal(fitted.decision_function(TEXTS), scores)


def test_warm_start_goes_by_the_loss_and_the_tokens_it_began_with():
    fitted = classifier(loss="hinge", warm_start=True).fit(TEXTS, LABELS)
    fitted.set_params(loss="log_loss", wide="auto").fit(TEXTS, LABELS)
    assert fitted.wide_ is None
    assert not hasattr(fitted, "predict_proba")
    with pytest.raises(ValueError, match=r"wide=True needs .* had loss='hinge'"):
        fitted.set_params(wide=True).fit(TEXTS, LABELS)
    fitted = classifier(wide=True, warm_start=True).fit(TEXTS, LABELS)
    fitted.set_params(loss="hinge", analyzer="char").fit(TEXTS, LABELS)
    assert fitted.wide_.max_n == 2
    assert fitted.predict_proba(TEXTS).shape == (16, 2)


def test_subclass_with_parameters_of_its_own():
    class Small(RNNTextClassifier):
        def __init__(self, hidden_size=8, loss="hinge"):
            super().__init__(**{**TINY, **EAGER, "wide": "auto", "loss": loss})
            self.hidden_size = hidden_size

    assert Small().fit(TEXTS, LABELS).wide_ is None
    assert Small(loss="log_loss").fit(TEXTS, LABELS).wide_ is not None


def test_pickle_holds_the_wide_part():
    fitted = classifier(wide=True).fit(TOPIC_TEXTS, TOPICS)
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(
        again.predict_proba(TOPIC_TEXTS), fitted.predict_proba(TOPIC_TEXTS)
    )


def test_same_seed_same_sums(drawn_docstrings):
    one, other = (
        classifier(wide=True, embeddings="cooccurrence").fit(*drawn_docstrings)
        for _ in range(2)
    )
    assert_array_equal(one.predict_proba(TEXTS), other.predict_proba(TEXTS))


def test_ids_of_another_tokenizer_are_refused():
    fitted = classifier(wide=True).fit(TEXTS, LABELS)
    n_ids = fitted.wide_.n_ids
    others = Sequences.from_lists([[2, 2 * n_ids + 3]])
    with pytest.raises(ValueError, match=f"Ids should be from 0 to {n_ids - 1}"):
        fitted.wide_.scores(others)


# The sum


def test_scores_are_the_weighted_sum():
    fitted = classifier(wide=True).fit(TEXTS, LABELS)
    sequences = fitted.tokenizer_.transform(TEXTS)
    a, b = fitted.blend_.factors_
    expected = a * fitted.model_.predict(sequences) + b * fitted.wide_.scores(sequences)
    assert_allclose(fitted.decision_function(TEXTS), expected[:, 0], rtol=1e-5)


def test_scores_of_values_are_standardized():
    fitted = regressor(wide=True).fit(TEXTS, STARS)
    sequences = fitted.tokenizer_.transform(TEXTS)
    parts = fitted.model_.predict(sequences), fitted.wide_.scores(sequences)
    values = STARS.mean() + STARS.std() * fitted.blend_.scores(*parts)[:, 0]
    assert_allclose(fitted.predict(TEXTS), values, rtol=1e-5)


@given(st.integers(0, 10**6))
def test_factors_make_held_out_texts_likeliest(seed):
    rng = np.random.default_rng(seed)
    network, wide = 3 * rng.normal(size=(2, 5000, 1))
    truth = np.array([1.5, 0.2])
    odds = truth[0] * network + truth[1] * wide
    targets = (rng.random(odds.shape) < expit(odds)).astype(float)
    blend = Blend("sigmoid").fit(network, wide, targets, np.ones(5000))
    # Without the pull to what is usual, which thousands of texts outweigh.
    logistic = LogisticRegression(C=np.inf, fit_intercept=False)
    logistic.fit(np.hstack([network, wide]), targets[:, 0])
    assert_allclose(blend.factors_, logistic.coef_[0], atol=0.05)


def test_factors_of_values_are_those_of_least_squares():
    rng = np.random.default_rng(0)
    network, wide = rng.normal(size=(2, 5000, 2))
    targets = 0.7 * network + 0.2 * wide + rng.normal(size=wide.shape)
    blend = Blend("linear").fit(network, wide, targets, np.ones(5000))
    parts = np.column_stack([network.ravel(), wide.ravel()])
    expected = np.linalg.lstsq(parts, targets.ravel(), rcond=None)[0]
    assert_allclose(blend.factors_, expected, atol=0.01)


def test_factors_of_several_classes():
    rng = np.random.default_rng(0)
    network, wide = rng.normal(size=(2, 2000, 3))
    odds = 0.8 * network + 1.5 * wide
    labels = (odds + rng.gumbel(size=odds.shape)).argmax(axis=1)

    def loss(factors):
        scores = factors[0] * network + factors[1] * wide
        scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return -scores[np.arange(2000), labels].mean()

    expected = minimize(loss, [1, 1], method="Nelder-Mead").x
    blend = Blend("softmax").fit(network, wide, np.eye(3)[labels], np.ones(2000))
    assert_allclose(blend.factors_, expected, atol=0.05)


def test_factors_heed_the_weights():
    rng = np.random.default_rng(0)
    network, wide = rng.normal(size=(2, 300, 1))
    targets = (rng.random((300, 1)) < expit(network + wide)).astype(float)
    weight = rng.integers(0, 4, size=300)
    weighted = Blend("sigmoid").fit(network, wide, targets, weight.astype(float))
    parts = (np.repeat(one, weight, axis=0) for one in (network, wide, targets))
    repeated = Blend("sigmoid").fit(*parts, np.ones(weight.sum()))
    assert_allclose(weighted.factors_, repeated.factors_, rtol=1e-3)
    alike = Blend("sigmoid").fit(network, wide, targets, np.ones(300))
    assert not np.allclose(weighted.factors_, alike.factors_, rtol=0.01)


def test_factors_are_found_with_the_weights_of_a_fit(monkeypatch):
    given_to, fit = [], Blend.fit

    def spy(blend, *arguments):
        given_to.append(arguments)
        return fit(blend, *arguments)

    monkeypatch.setattr(Blend, "fit", spy)
    # A text's value tells its weight.
    y = np.arange(208.0)
    weight = 1 + y
    regressor(wide=True).fit(TEXTS * 13, y, weight)
    ((_, _, targets, of_held_out),) = given_to
    mean = np.average(y, weights=weight)
    scale = np.sqrt(np.average((y - mean) ** 2, weights=weight))
    held_out = np.rint(targets[:, 0] * scale + mean)
    assert len(held_out) == 21
    assert_allclose(of_held_out, (1 + held_out) / weight.mean(), rtol=1e-5)


@pytest.mark.parametrize(("times", "counts"), [(1.9, True), (2.1, False)])
def test_a_network_that_doubles_the_loss_counts_nothing(times, counts, monkeypatch):
    # Of targets 1 the squared error without the network, whose scores are 1, is 1.
    factor = 1 + np.sqrt(times)
    found = OptimizeResult(x=np.log([factor, 1.2]))
    monkeypatch.setattr("skrnn.wide.minimize", lambda *_, **__: found)
    ones, zeros = np.ones((5, 1)), np.zeros((5, 1))
    blend = Blend("linear").fit(ones, zeros, ones, np.ones(5))
    assert_allclose(blend.factors_, [factor if counts else 0.0, 1.2])


@pytest.mark.parametrize("n_texts", [0, 3, 30])
def test_few_texts_draw_the_factors_little_from_what_is_usual(n_texts):
    rng = np.random.default_rng(1)
    network, wide = rng.normal(size=(2, n_texts, 1))
    targets = (rng.random((n_texts, 1)) < expit(3 * network)).astype(float)

    def surprise(logarithms):
        a, b = np.exp(logarithms)
        losses = np.logaddexp(0, (1 - 2 * targets) * (a * network + b * wide))
        return losses.sum() + np.sum((logarithms - np.log([0.15, 1.2])) ** 2) / 2

    expected = np.exp(minimize(surprise, [0, 0], method="Nelder-Mead").x)
    blend = Blend("sigmoid").fit(network, wide, targets, np.ones(n_texts))
    assert_allclose(blend.factors_, expected, rtol=0.01)


@keras.saving.register_keras_serializable("tests")
class Learned(keras.metrics.Metric):
    """How many texts of each of three classes an epoch has."""

    def __init__(self, name="learned", **kwargs):
        super().__init__(name=name, **kwargs)
        self.counts = self.add_variable((3,), initializer="zeros", name="counts")

    def update_state(self, y_true, y_pred, sample_weight=None):
        columns = keras.ops.cast(y_true, self.counts.dtype)
        self.counts.assign_add(keras.ops.sum(columns, axis=0))

    def result(self):
        return self.counts + 0.0


@pytest.mark.parametrize("n_more", [0, 1])
def test_a_tenth_of_two_hundred_texts_of_every_class_is_held_out(n_more):
    labels = np.repeat(["many", "few", "rare"], [139 + n_more, 40, 20])
    texts = [f"{label} word{i % 7}" for i, label in enumerate(labels)]
    fitted = classifier(wide=True, metrics=[Learned()]).fit(texts, labels)
    # The sorted classes: few, many, rare.
    learned = [36, 126, 18] if n_more else [40, 139, 20]
    assert fitted.history_["learned"] == [learned] * 2
    is_usual = np.allclose(fitted.blend_.factors_, [0.15, 1.2])
    assert is_usual == (not n_more)
    alone = classifier(wide=False, metrics=[Learned()]).fit(texts, labels)
    assert alone.history_["learned"] == [[40, 139 + n_more, 20]] * 2


def test_usual_factors_where_texts_are_few():
    for texts, labels in ((TEXTS, LABELS), (TOPIC_TEXTS, TOPICS)):
        fitted = classifier(wide=True).fit(texts, labels)
        assert_allclose(fitted.blend_.factors_, [0.15, 1.2])


def test_factors_are_weighed_on_few_texts_where_some_are_held_out_anyway():
    params = {"early_stopping": True, "validation_fraction": 0.25}
    fitted = classifier(wide=True, **params).fit(TEXTS, LABELS)
    assert (fitted.blend_.factors_ != [0.15, 1.2]).all()


def test_the_sum_is_better_and_better_calibrated_than_the_network(every_docstring):
    texts, libraries = every_docstring.data, every_docstring.target
    X, X_test, y, y_test = train_test_split(
        texts, libraries, train_size=1500, test_size=1500, random_state=0
    )
    params = {
        "embedding_size": 32,
        "hidden_size": 32,
        # In steps of the default's size so small a network does not learn by heart.
        "learning_rate": 0.006,
        "random_state": 0,
    }
    both = RNNTextClassifier(**params).fit(X, y)
    alone = RNNTextClassifier(**params, wide=False).fit(X, y)
    losses = [log_loss(y_test, one.predict_proba(X_test)) for one in (both, alone)]
    assert losses[0] < losses[1]
    assert both.score(X_test, y_test) > alone.score(X_test, y_test)
    gaps = [
        abs(one.predict_proba(X_test).max(axis=1).mean() - one.score(X_test, y_test))
        for one in (both, alone)
    ]
    assert gaps[0] < gaps[1]


def _overconfident():
    return RNNTextClassifier(
        embedding_size=16,
        hidden_size=16,
        dropout=0,
        embedding_dropout=0,
        learning_rate=0.02,
        epochs=8,
        warm_start=True,
        random_state=0,
    )


def test_texts_learned_from_by_partial_fit_weigh_nothing(drawn_docstrings):
    texts, libraries = drawn_docstrings[0][:300], drawn_docstrings[1][:300]
    model = _overconfident()
    for _ in range(8):
        model.partial_fit(texts, libraries, np.unique(libraries))
    model.fit(texts, libraries)
    assert_allclose(model.blend_.factors_, [0.15, 1.2])


def test_other_texts_of_the_same_lengths_keep_the_factors(every_docstring):
    texts = every_docstring.data
    y = np.arange(300.0)
    # What the network reads of all texts is as long.
    model = regressor(wide="auto", max_length=1, warm_start=True)
    factors = model.fit(texts[:300], y).blend_.factors_
    assert_array_equal(model.fit(texts[300:600], y).blend_.factors_, factors)
    again = regressor(wide="auto", max_length=1).fit(texts[300:600], y)
    assert (again.blend_.factors_ != factors).all()


@pytest.mark.parametrize("early_stopping", [False, True])
def test_warm_start_with_texts_in_another_order_keeps_the_factors(
    drawn_docstrings, early_stopping
):
    texts, libraries = drawn_docstrings[0][:300], drawn_docstrings[1][:300]
    model = _overconfident().set_params(early_stopping=early_stopping)
    factors = model.fit(texts, libraries).blend_.factors_
    wide = model.wide_
    model.fit(texts[::-1], libraries[::-1])
    assert_array_equal(model.blend_.factors_, factors)
    assert model.wide_ is not wide
    # And from then on, for nothing is left that it has not learned from.
    model.fit(texts[::-1], libraries[::-1])
    assert_array_equal(model.blend_.factors_, factors)


def test_warm_start_with_the_same_texts_weighs_anew(drawn_docstrings):
    texts, libraries = drawn_docstrings[0][:300], drawn_docstrings[1][:300]
    model = _overconfident()
    factors = model.fit(texts, libraries).blend_.factors_
    again = pickle.loads(pickle.dumps(model)).fit(texts, libraries)
    assert not np.array_equal(again.blend_.factors_, factors)
    assert not np.allclose(again.blend_.factors_, [0.15, 1.2])


def test_a_fit_after_initialize_weighs(drawn_docstrings):
    texts, libraries = drawn_docstrings[0][:300], drawn_docstrings[1][:300]
    model = _overconfident().initialize(texts, libraries).fit(texts, libraries)
    assert not np.allclose(model.blend_.factors_, [0.15, 1.2])


def test_numpy_booleans_say_the_same_of_the_wide_part():
    assert classifier(wide=np.True_).fit(TEXTS, LABELS).wide_ is not None
    assert classifier(wide=np.False_).fit(TEXTS, LABELS).wide_ is None
    with pytest.raises(ValueError, match=r"wide=True needs loss='log_loss'"):
        classifier(wide=np.True_, loss="hinge").fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="wide should be 'auto' or False"):
        classifier(wide=np.True_).partial_fit(TEXTS, LABELS, classes=["bad", "good"])


def test_labels_too_many_for_either_part_are_disregarded():
    texts, labels = (TEXTS * 13)[:200], np.arange(200) % 100
    fitted = classifier(wide="auto", validation_fraction=0.6).fit(texts, labels)
    assert fitted.wide_ is not None


def test_a_share_that_cannot_be_held_out_for_the_wide_part():
    with pytest.raises(ValueError, match=r"another fraction, or wide=False\."):
        classifier(wide="auto", validation_fraction=0.999).fit(
            TEXTS * 13, np.tile(LABELS, 13)
        )
