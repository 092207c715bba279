"""Looking inside: explanations, maps of words, curves of training."""

import json
import re
import sys
from html.parser import HTMLParser

import keras
import numpy as np
import pandas as pd
import pytest
import sklearn
from corpus import (
    LABELS,
    LEARNS,
    MULTILABEL,
    STARS,
    TEXTS,
    TOPIC_TEXTS,
    TOPICS,
    classifier,
    regressor,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skrnn.inspection.attribution as attribution
from skrnn import RNNTextClassifier, RNNTextRegressor
from skrnn.inspection import (
    EmbeddingMapDisplay,
    TrainingCurveDisplay,
    explain,
    nearest_words,
)

METHODS = ["reading", "integrated_gradients"]
TOLERANCE = {"reading": 1e-5, "integrated_gradients": 0.01}


@pytest.fixture(scope="module")
def fitted(docstrings):
    """A classifier of three libraries, with its wide part."""
    return RNNTextClassifier(
        embedding_size=16, hidden_size=16, max_length=50, epochs=4, random_state=0
    ).fit(*docstrings)


@pytest.fixture
def pyplot():
    """Pyplot without a window."""
    pyplot = pytest.importorskip(
        "matplotlib.pyplot", reason="displays draw with matplotlib, an extra"
    )
    pyplot.switch_backend("Agg")
    yield pyplot
    pyplot.close("all")


def assert_adds_up(explanation, of_network=None):
    """Check that base value and scores sum to the decision score.

    The network's score, where there is a wide part, and how much it counts are what
    integrated gradients are as precise as.
    """
    total = explanation.base_value + explanation.scores.sum()
    score, factor = explanation.decision_score, 1.0
    if of_network is not None and explanation.method == "integrated_gradients":
        score, factor = of_network
    allowed = TOLERANCE[explanation.method] * factor * max(1, abs(score))
    assert abs(total - explanation.decision_score) <= allowed + 1e-5
    assert len(explanation.scores) == len(explanation.tokens)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=20)
@given(st.lists(st.integers(0, 239), min_size=0, max_size=3))
def test_scores_sum_to_the_decision_score(fitted, docstrings, method, chosen):
    text = "\n".join(docstrings[0][i] for i in chosen)
    read = fitted.tokenizer_.transform([text]).cut(fitted.max_length, fitted.truncate)
    of_network = fitted.model_.predict(read)[0]
    for column, label in enumerate(fitted.classes_):
        explanation = explain(fitted, text, target=label, method=method)
        factor = fitted.blend_.factors_[0]
        assert_adds_up(explanation, of_network=(of_network[column], factor))
        decision_score = fitted.decision_function([text])[0, column]
        assert explanation.decision_score == pytest.approx(decision_score, abs=1e-5)
        probability = fitted.predict_proba([text])[0, column]
        assert explanation.prediction == pytest.approx(probability, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.usefixtures("double_precision")
def test_a_network_in_double_precision_is_explained(method):
    estimator = classifier().fit(TEXTS, LABELS)
    assert_adds_up(explain(estimator, "a fine, dull film", method=method))


def test_reading_scores_are_the_changes_from_one_beginning_to_the_next(fitted):
    words = "compute the mean of an array along an axis".split()
    beginnings = [" ".join(words[:n]) for n in range(len(words) + 1)]
    explanation = explain(fitted, beginnings[-1], target="numpy")
    assert explanation.tokens == words
    column = list(fitted.classes_).index("numpy")
    decision_scores = fitted.decision_function(beginnings)[:, column]
    np.testing.assert_allclose(explanation.base_value, decision_scores[0], atol=1e-5)
    np.testing.assert_allclose(explanation.scores, np.diff(decision_scores), atol=1e-5)
    probabilities = fitted.predict_proba(beginnings)[:, column]
    np.testing.assert_allclose(explanation.running, probabilities, atol=1e-5)


@pytest.mark.parametrize(
    "params",
    [
        {"cell": "lstm", "pooling": "last"},
        {"cell": "simple", "pooling": "mean"},
        {"bidirectional": True, "n_layers": 2, "gate_activation": "sigmoid"},
        {"learn_initial_state": True, "pooling": "max"},
        {"wide": True},
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_any_network_is_explained(params, method):
    estimator = classifier(**params, **LEARNS).fit(TEXTS, LABELS)
    explanation = explain(estimator, "a dull, dull film", method=method)
    assert_adds_up(explanation)
    assert explanation.decision_score == pytest.approx(
        estimator.decision_function(["a dull, dull film"])[0], abs=1e-5
    )
    assert explanation.target == "good"
    # Of two classes the scores of one are those of the other with the sign changed.
    other = explain(estimator, "a dull, dull film", target="bad", method=method)
    np.testing.assert_allclose(other.scores, -explanation.scores, atol=1e-6)
    assert other.prediction == pytest.approx(1 - explanation.prediction)


@pytest.mark.parametrize("method", METHODS)
def test_the_word_that_decides_has_the_highest_score(method):
    estimator = classifier(wide=True, **LEARNS).fit(TEXTS, LABELS)
    explanation = explain(estimator, "the film is fine", method=method)
    assert explanation.tokens[explanation.scores.argmax()] == "fine"


def test_slopes_are_those_of_finite_differences(fitted):
    model = fitted.model_
    table = model.encoder.embedding.vectors
    ids = fitted.tokenizer_.transform(["returns the mean of an array"])[0]
    vectors = table[ids][None]
    (score,), slopes = model.differentiate(vectors, 1)
    assert score == pytest.approx(
        model.predict(fitted.tokenizer_.transform(["returns the mean of an array"]))[
            0, 1
        ],
        abs=1e-5,
    )
    direction = np.random.RandomState(0).normal(size=vectors.shape).astype("float32")
    step = 1e-3
    (ahead, behind), _ = model.differentiate(
        np.concatenate([vectors + step * direction, vectors - step * direction]), 1
    )
    difference = (ahead - behind) / (2 * step)
    assert (slopes * direction).sum() == pytest.approx(difference, rel=0.01, abs=1e-3)


def test_tokens_that_are_not_read_have_no_integrated_gradient():
    estimator = classifier(max_length=4, truncate="middle").fit(TEXTS, LABELS)
    explanation = explain(
        estimator, "fine film so dull a dull film", method="integrated_gradients"
    )
    np.testing.assert_array_equal(explanation.scores[2:5], 0)
    assert (explanation.scores[[0, 1, 5, 6]] != 0).all()


def test_the_wide_part_shares_out_its_scores_among_the_tokens_of_its_ngrams():
    estimator = classifier(wide=True, **LEARNS).fit(TEXTS, LABELS)
    wide = estimator.wide_

    def share(text):
        return wide.shares(estimator.tokenizer_.transform([text])[0])[0][:, 0]

    def score(text):
        return wide.scores(estimator.tokenizer_.transform([text]))[0, 0]

    intercept = score("")
    # "qwertz" is unknown, so nothing joins the words at its sides.
    np.testing.assert_allclose(share("fine qwertz"), [score("fine") - intercept, 0])
    both = share("fine qwertz fine")
    np.testing.assert_allclose(both, [both[0], 0, both[0]])
    assert both.sum() == pytest.approx(score("fine") - intercept)
    shares = share("a dull film")
    assert shares.sum() == pytest.approx(score("a dull film") - intercept)


def test_the_part_of_a_pair_is_shared_by_its_tokens_alike():
    # Each word alone tells nothing, their order does.
    estimator = classifier(wide=True).fit(["x y", "y x"] * 8, [1, 0] * 8)
    (sequence,) = estimator.tokenizer_.transform(["x y"])
    (first, second), _ = estimator.wide_.shares(sequence)
    assert first > 0.1
    assert_allclose(second, first, rtol=1e-3)


def test_slopes_of_many_texts_are_those_of_all_at_once(fitted, monkeypatch):
    table = fitted.model_.encoder.embedding.vectors
    vectors = table[np.random.RandomState(0).randint(len(table), size=(7, 3))]
    at_once = fitted.model_.differentiate(vectors, 1)
    # Two texts at a time.
    monkeypatch.setattr("skrnn.network.tokens_a_batch", lambda size: 3 * 2)
    in_parts = fitted.model_.differentiate(vectors, 1)
    for one, other in zip(in_parts, at_once, strict=True):
        assert_allclose(one, other, atol=1e-6)


def test_a_notebook_tells_what_raises_the_score_from_what_lowers_it():
    estimator = classifier(wide=True, **LEARNS).fit(TEXTS, LABELS)
    explanation = explain(estimator, "fine dull", target="good")
    raised, lowered = explanation.scores
    assert raised > 0 > lowered
    page = explanation._repr_html_()
    found = re.findall(r'2px (solid|dotted) [^"]*" title="([^"]*)"', page)
    assert found[-2:] == [
        ("solid", f"fine: {raised:+.3f}"),
        ("dotted", f"dull: {lowered:+.3f}"),
    ]


@pytest.mark.parametrize("method", METHODS)
def test_values_are_explained_in_their_own_units(method):
    estimator = regressor(wide=True, **LEARNS).fit(TEXTS, STARS)
    explanation = explain(estimator, "a fine film", method=method)
    assert explanation.target is None
    (predicted,) = estimator.predict(["a fine film"])
    assert explanation.decision_score == pytest.approx(predicted, abs=1e-4)
    assert explanation.prediction == explanation.decision_score
    total = explanation.base_value + explanation.scores.sum()
    assert total == pytest.approx(predicted, abs=0.01 * STARS.std())
    assert "predicted value" in str(explanation)


@pytest.mark.parametrize(("scale", "written"), [(1e-7, r"\de-"), (1e9, r"\de\+")])
def test_values_of_any_size_can_be_read(scale, written):
    estimator = regressor(wide=True, **LEARNS).fit(TEXTS, STARS * scale)
    explanation = explain(estimator, "a fine film")
    lines = str(explanation).splitlines()
    assert len(lines) == 5
    assert all(re.search(written, line) for line in lines)
    numbers = [float(line.split()[0]) for line in lines[1:]]
    assert sum(numbers) == pytest.approx(explanation.prediction, rel=0.05)
    assert len(re.findall(written, explanation._repr_html_())) == 6


@pytest.mark.parametrize("method", METHODS)
def test_each_of_several_values_is_explained(method):
    both = np.column_stack([STARS, 100 - STARS])
    estimator = regressor(**LEARNS).fit(TEXTS, both)
    first, second = (
        explain(estimator, "so dull", target=i, method=method) for i in range(2)
    )
    np.testing.assert_allclose(
        [first.decision_score, second.decision_score],
        estimator.predict(["so dull"])[0],
        rtol=1e-4,
    )
    assert (first.target, second.target) == (0, 1)
    assert explain(estimator, "so dull", method=method).target == 0


@pytest.mark.parametrize("method", METHODS)
def test_each_label_of_a_multilabel_indicator_is_explained(method):
    indicator = np.column_stack([TOPICS == "weather", TOPICS == "sport"]).astype(int)
    estimator = classifier(**LEARNS).fit(TOPIC_TEXTS, indicator)
    for column in range(2):
        explanation = explain(estimator, "the goal!", target=column, method=method)
        assert_adds_up(explanation)
        probability = estimator.predict_proba(["the goal!"])[0, column]
        assert explanation.prediction == pytest.approx(probability, abs=1e-5)
    likeliest = estimator.predict_proba(["the goal!"])[0].argmax()
    assert explain(estimator, "the goal!", method=method).target == likeliest


def test_a_margin_is_explained_where_there_is_no_probability():
    estimator = classifier(loss="hinge").fit(TEXTS, LABELS)
    explanation = explain(estimator, "so dull")
    assert explanation.of_prediction == "decision score"
    assert explanation.running[-1] == pytest.approx(
        explanation.decision_score, abs=1e-5
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", ["", " \n", "qwertz"])
def test_texts_of_no_known_token_are_explained(fitted, text, method):
    explanation = explain(fitted, text, method=method)
    assert_adds_up(explanation)
    assert str(explanation)
    assert explanation._repr_html_()


def test_a_text_longer_than_the_network_reads_is_explained(fitted, docstrings):
    assert_adds_up(explain(fitted, " ".join(docstrings[0][:30])))


def test_the_text_lists_the_strongest_tokens_and_sums_up_the_others(fitted, docstrings):
    explanation = explain(fitted, docstrings[0][0] + docstrings[0][1])
    lines = str(explanation).splitlines()
    numbers = [float(line.split()[0]) for line in lines[1:]]
    assert sum(numbers) == pytest.approx(explanation.decision_score, abs=0.01)
    strongest = np.abs(explanation.scores).argmax()
    assert lines[2].split()[1] == explanation.tokens[strongest]
    assert lines[-1].endswith("other tokens together")


class Elements(HTMLParser):
    """Collect a page's elements, their attributes' names, and its text."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.attributes, self.said = [], set(), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.said.append(data)


HOSTILE = (
    '<script>alert(1)</script> " onmouseover="x" \' </div><img src=x onerror=y>&amp;'
)


def test_a_hostile_text_injects_nothing_into_a_notebook():
    labels = np.where(LABELS == "good", HOSTILE, "bad")
    estimator = classifier().fit(TEXTS, labels)
    page = Elements(explain(estimator, HOSTILE, target=HOSTILE)._repr_html_())
    assert set(page.elements) == {"div", "strong", "br", "span"}
    assert page.attributes == {"style", "title"}
    assert HOSTILE in "".join(page.said)


def test_a_notebook_shows_the_text_as_it_was_written(fitted):
    text = "Return\n  the MEAN, or ``None``."
    page = Elements(explain(fitted, text)._repr_html_())
    assert "".join(page.said).endswith(text)
    # Where tokens are no longer to be found in the text they stand by themselves.
    estimator = classifier(strip_accents="unicode").fit(TEXTS, LABELS)
    page = Elements(explain(estimator, "Éin Café")._repr_html_())
    assert "".join(page.said).endswith("ein cafe")
    estimator = classifier(analyzer="char").fit(TEXTS, LABELS)
    page = Elements(explain(estimator, text)._repr_html_())
    assert "".join(page.said).endswith(text)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        # More characters in lower case, and a letter that is another one at an end.
        ({}, "İyi film, çok iyi."),
        ({}, "ΟΔΥΣΣΕΥΣ, A FINE FILM"),
        # Signs are no tokens.
        ({"token_pattern": r"\w+"}, "A fine, (dull) film."),
        # Tokens of no letter, and two of one character.
        ({"token_pattern": r"\w*"}, "Good film"),
        ({"tokenizer": lambda text: text.split(" ")}, " Good film"),
        ({"analyzer": "char"}, "İyi film"),
    ],
)
def test_a_notebook_finds_the_tokens_in_the_text(params, text):
    estimator = classifier(**params).fit(TEXTS, LABELS)
    page = Elements(explain(estimator, text)._repr_html_())
    assert "".join(page.said).endswith(text)


def test_gradients_that_do_not_add_up_are_the_callers_to_know_of(fitted, monkeypatch):
    monkeypatch.setattr(attribution, "_TOLERANCE", 0.0)
    text = "returns the mean of all arrays"
    with pytest.warns(UserWarning, match="integrated gradients sum to") as warned:
        explain(fitted, text, method="integrated_gradients")
    (warning,) = [one for one in warned if one.category is UserWarning]
    assert warning.filename == __file__


@pytest.mark.parametrize("method", METHODS)
def test_short_texts_are_drawn_with_all_tokens_and_long_ones_with_some(
    fitted, docstrings, pyplot, method
):
    short = explain(fitted, "returns $x$ and _y", method=method).plot()
    ticks = [label.get_text() for label in short.ax_.get_xticklabels()]
    assert ticks == short.tokens
    short.figure_.draw_without_rendering()
    ax = pyplot.subplots()[1]
    long = explain(fitted, " ".join(docstrings[0][:5]), method=method).plot(ax=ax)
    assert long.ax_ is ax
    names = [label.get_text() for label in ax.texts]
    assert 0 < len(names) < len(long.tokens)
    assert set(names) <= set(long.tokens)


def test_the_drawn_line_is_the_running_prediction(fitted, pyplot):
    explanation = explain(fitted, "returns the mean").plot()
    np.testing.assert_array_equal(
        explanation.ax_.lines[0].get_ydata(), explanation.running
    )


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"target": "fortran"}, "none of the classes"),
        ({"target": 1}, "none of the classes"),
        ({"target": np.array(["numpy", "keras"])}, "none of the classes"),
        ({"method": "shap"}, "method"),
    ],
)
def test_what_is_no_class_and_no_method_is_named(fitted, kwargs, message):
    with pytest.raises(ValueError, match=message):
        explain(fitted, "a text", **kwargs)


def test_days_may_be_classes():
    days = np.array(["2020-01-01", "2021-01-01"], "datetime64[ns]")
    y = days[(LABELS == "bad").astype(int)]
    estimator = classifier().fit(TEXTS, y)
    for number, day in enumerate(estimator.classes_):
        explanation = explain(estimator, "a fine film", target=day)
        assert explanation.target == day
        (probabilities,) = estimator.predict_proba(["a fine film"])
        assert explanation.prediction == pytest.approx(probabilities[number])
    display = EmbeddingMapDisplay.from_estimator(
        estimator, TEXTS, y, pos_label=days[0], method="pca"
    )
    assert display.target_name.startswith("share of 2020-01-01")


def test_what_is_no_column_is_named():
    estimator = regressor().fit(TEXTS, STARS)
    with pytest.raises(ValueError, match="numbered from 0 to 0"):
        explain(estimator, "a text", target=1)


def test_what_is_no_text_is_named(fitted):
    for no_text in (["a text"], None, b"bytes", 3):
        with pytest.raises(TypeError, match="one text"):
            explain(fitted, no_text)


def test_a_map_may_count_its_words_in_parts(fitted, docstrings, monkeypatch):
    texts, labels = docstrings
    made = []
    for most_tokens in (2**20, 50):
        monkeypatch.setattr(
            "skrnn.inspection.embedding_map._TOKENS_A_PART", most_tokens
        )
        display = EmbeddingMapDisplay.from_estimator(
            fitted, texts, labels, pos_label="numpy", method="pca"
        )
        made.append(vars(display))
    at_once, in_parts = made
    for name, value in at_once.items():
        np.testing.assert_array_equal(in_parts[name], value)


LOOK = [
    lambda estimator: explain(estimator, "a text"),
    lambda estimator: nearest_words(estimator, "fine"),
    lambda estimator: EmbeddingMapDisplay.from_estimator(estimator, TEXTS, LABELS),
    TrainingCurveDisplay.from_estimator,
]


@pytest.mark.parametrize("look", LOOK)
def test_only_fitted_estimators_of_ours_can_be_looked_into(look):
    with pytest.raises(NotFittedError):
        look(classifier())
    with pytest.raises(TypeError, match="got CountVectorizer"):
        look(CountVectorizer())
    with pytest.raises(TypeError, match=r"`pipeline\[-1\]`\.$"):
        look(make_pipeline(classifier()))
    with pytest.raises(TypeError, match=r"texts as it gets them: `pipeline\[:-1\]\.tr"):
        look(make_pipeline(FunctionTransformer(), classifier()))
    with pytest.raises(TypeError, match="best_estimator_"):
        look(GridSearchCV(classifier(), {}))


def test_drawing_without_matplotlib_says_what_to_install(fitted, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    display = EmbeddingMapDisplay.from_estimator(
        fitted, ["the mean"] * 2, [0, 1], method="pca"
    )
    curve = TrainingCurveDisplay.from_estimator(fitted)
    for drawn in (display, curve, explain(fitted, "the mean")):
        with pytest.raises(ImportError, match=r"pip install matplotlib"):
            drawn.plot()
    # All but drawing does without.
    display.to_html(tmp_path / "map.html")


def test_nearest_words_are_those_of_the_highest_cosine(fitted):
    words = list(fitted.tokenizer_.vocabulary_)
    vectors = fitted.model_.encoder.embedding.vectors[2:]
    cosines = cosine_similarity(vectors, vectors[[words.index("array")]])[:, 0]
    found = nearest_words(fitted, "Array", n=5)
    order = [i for i in np.argsort(-cosines) if words[i] != "array"]
    assert [word for word, _ in found] == [words[i] for i in order[:5]]
    np.testing.assert_allclose(
        [cosine for _, cosine in found], cosines[order[:5]], atol=1e-5
    )
    assert len(nearest_words(fitted, "array", n=10**6)) == len(words) - 1


def test_a_word_that_is_not_known_is_named_with_words_like_it(fitted):
    with pytest.raises(ValueError, match=r"not in the vocabulary.*'array'"):
        nearest_words(fitted, "arrray")
    with pytest.raises(ValueError, match="'n' parameter of nearest_words"):
        nearest_words(fitted, "array", n=0)
    with pytest.raises(ValueError, match="2 tokens"):
        nearest_words(fitted, "an array")


def test_the_map_has_the_most_frequent_words_with_the_means_of_their_texts(
    fitted, docstrings
):
    texts, libraries = docstrings
    display = EmbeddingMapDisplay.from_estimator(
        fitted, texts, libraries, pos_label="numpy", n_words=50, method="pca"
    )
    counter = CountVectorizer(
        tokenizer=fitted.tokenizer_.build_analyzer(), token_pattern=None, binary=True
    )
    marks = counter.fit_transform(texts).toarray()
    places = [counter.vocabulary_[word] for word in display.words]
    counts = marks.sum(axis=0)
    np.testing.assert_array_equal(display.counts, counts[places])
    np.testing.assert_array_equal(display.counts, np.sort(counts)[::-1][:50])
    is_numpy = libraries == "numpy"
    means = marks[is_numpy].sum(axis=0) / counts
    np.testing.assert_allclose(display.means, means[places])
    assert display.overall_mean == pytest.approx(is_numpy.mean())
    assert display.positions.shape == (50, 2)
    nearest = {
        word: next(
            other
            for other, _ in nearest_words(fitted, word, n=10**6)
            if other in display.words
        )
        for word in display.words
    }
    of_map = [display.words[i] for i in display.neighbors[:, 0]]
    assert of_map == list(nearest.values())


def test_the_same_random_state_gives_the_same_map(fitted, docstrings):
    texts, _ = docstrings
    y = fitted.predict_proba(texts)[:, 0]
    one, same = (
        EmbeddingMapDisplay.from_estimator(fitted, texts, y, n_words=60, random_state=0)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.positions, same.positions)
    assert np.unique(one.positions, axis=0).shape == (60, 2)
    assert one.target_name == "y"


def test_labels_of_two_classes_need_no_pos_label():
    display = EmbeddingMapDisplay.from_estimator(
        classifier().fit(TEXTS, LABELS), TEXTS, LABELS, method="pca"
    )
    means = dict(zip(display.words, display.means, strict=True))
    assert means["fine"] == 1
    assert means["dull"] == 0


def test_truth_values_are_averaged_where_they_are_no_labels():
    estimator = classifier().fit(TOPIC_TEXTS, TOPICS)
    is_weather = TOPICS == "weather"
    display = EmbeddingMapDisplay.from_estimator(
        estimator, TOPIC_TEXTS, is_weather, method="pca"
    )
    means = dict(zip(display.words, display.means, strict=True))
    assert means["snow"] == 1
    assert means["goal"] == 0
    labels = np.array(["good", "bad"] * 8) == "good"
    display = EmbeddingMapDisplay.from_estimator(
        classifier().fit(TEXTS, labels), TEXTS, labels, method="pca"
    )
    assert dict(zip(display.words, display.means, strict=True))["fine"] == 1


def test_values_are_averaged():
    display = EmbeddingMapDisplay.from_estimator(
        regressor().fit(TEXTS, STARS), TEXTS, STARS, method="pca"
    )
    means = dict(zip(display.words, display.means, strict=True))
    assert means["fine"] == STARS[LABELS == "good"].mean()


@pytest.mark.parametrize(
    ("y", "kwargs", "message"),
    [
        (TOPICS, {}, "pos_label has to name"),
        (TOPICS, {"pos_label": "art"}, "not in y"),
        (TOPICS[:3], {}, "inconsistent numbers of samples"),
        (None, {}, "y should be numbers or labels"),
        (np.eye(16), {}, "one column"),
        (np.full(16, np.nan), {}, "NaN"),
        (np.zeros(16), {"n_words": 1}, "n_words"),
        (np.zeros(16), {"method": "umap"}, "method"),
    ],
)
def test_what_a_map_cannot_be_coloured_by_is_named(y, kwargs, message):
    estimator = classifier().fit(TOPIC_TEXTS, TOPICS)
    with pytest.raises(ValueError, match=message):
        EmbeddingMapDisplay.from_estimator(estimator, TOPIC_TEXTS, y, **kwargs)


def test_labels_that_a_classifier_does_not_know_are_named():
    estimator = classifier().fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match=r"none of the classifier's: .*dull"):
        EmbeddingMapDisplay.from_estimator(estimator, TEXTS[:2], ["good", "dull"])


@pytest.mark.parametrize(
    "y",
    [
        ["good", None],
        [1.0, np.nan],
        pd.Series([1, pd.NA], dtype="Int64"),
        np.ma.masked_less([1.0, -9.0], 0),
    ],
)
def test_a_missing_target_is_refused(y):
    estimator = classifier().fit(TEXTS, LABELS)
    for pos_label in (None, y[0]):
        with pytest.raises(ValueError, match=r"Input y (contains NaN|has masked)"):
            EmbeddingMapDisplay.from_estimator(
                estimator, TEXTS[:2], y, pos_label=pos_label
            )


def test_numbers_of_several_classes_have_no_mean():
    numbers = np.unique(TOPICS, return_inverse=True)[1]
    estimator = classifier().fit(TOPIC_TEXTS, numbers)

    def look(y, **kwargs):
        return EmbeddingMapDisplay.from_estimator(
            estimator, TOPIC_TEXTS, y, method="pca", **kwargs
        )

    with pytest.raises(ValueError, match="pos_label has to name the one"):
        look(numbers)
    assert look(numbers, pos_label=2).target_name == "share of 2"
    with pytest.raises(ValueError, match="averaged are given as floats"):
        look(np.where(numbers == 1, 2, numbers))
    # Which of the texts, and values.
    assert look((numbers == 2).astype(int)).target_name == "y"
    assert look(numbers.astype(float)).target_name == "y"
    of_indicator = classifier().fit(TOPIC_TEXTS, MULTILABEL)
    sums = MULTILABEL.sum(axis=1)
    EmbeddingMapDisplay.from_estimator(of_indicator, TOPIC_TEXTS, sums, method="pca")


def test_a_column_may_stand_in_a_table():
    estimator = regressor().fit(TEXTS, STARS)
    with pytest.warns(DataConversionWarning):
        display = EmbeddingMapDisplay.from_estimator(
            estimator, TEXTS, pd.DataFrame({"stars": STARS}), method="pca"
        )
    assert display.overall_mean == STARS.mean()


def test_words_that_were_not_learned_have_no_neighbours():
    known = ["a", "dull", "film", "fine", "so", "unseen"]
    params = {"vocabulary": known, "embeddings": "cooccurrence"}
    estimator = classifier(**params).fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="Nothing was learned of 'unseen'"):
        nearest_words(estimator, "unseen")
    found = [word for word, _ in nearest_words(estimator, "fine")]
    assert sorted(found) == ["a", "dull", "film", "so"]
    texts = [*TEXTS, "unseen"]
    display = EmbeddingMapDisplay.from_estimator(
        estimator, texts, np.arange(17.0), method="pca"
    )
    assert sorted(display.words) == ["a", "dull", "film", "fine", "so"]


def test_a_map_needs_words(fitted):
    with pytest.raises(ValueError, match="two words at least"):
        EmbeddingMapDisplay.from_estimator(fitted, ["qwertz"], [1.0])


def test_labels_of_the_drawn_map_stand_apart_and_inside(fitted, docstrings, pyplot):
    texts, libraries = docstrings
    display = EmbeddingMapDisplay.from_estimator(
        fitted, texts, libraries, pos_label="keras", random_state=0
    ).plot(n_labels=40)
    assert 10 < len(display.labels_) <= 40
    boxes = [label.get_window_extent() for label in display.labels_]
    frame = display.ax_.get_window_extent()
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
    # The word furthest from neutral has its name first.
    furthest = np.abs(display.means - display.overall_mean).argmax()
    assert display.labels_[0].get_text() == display.words[furthest]
    drawn = [display.points_.get_offsets(), display.points_.get_array()]
    wanted = [display.positions, display.means]
    assert_allclose(
        *(sorted(map(tuple, np.column_stack(one))) for one in (drawn, wanted))
    )


def test_words_that_look_like_formulas_are_drawn_as_they_are(pyplot):
    estimator = classifier(tokenizer=str.split).fit(["$a_b$ x", "$a$ y^"] * 8, LABELS)
    display = EmbeddingMapDisplay.from_estimator(
        estimator, ["$a_b$ x", "$a$ y^"], [0, 1], method="pca"
    ).plot()
    display.figure_.draw_without_rendering()


def test_the_page_of_a_map_holds_its_data_and_nothing_from_elsewhere(tmp_path):
    words = ["</script><script>alert(1)</script>", "<!--", "fine", "&lt;"]
    texts = [" ".join(words[:3]), " ".join(words[1:])] * 8
    estimator = classifier(tokenizer=str.split, lowercase=False).fit(texts, LABELS)
    labels = np.where(LABELS == "good", "<b>", "bad")
    display = EmbeddingMapDisplay.from_estimator(
        estimator, texts, labels, pos_label="<b>", method="pca"
    )
    path = tmp_path / "map.html"
    display.to_html(path)
    page = path.read_text(encoding="utf-8")
    assert Elements(page).elements.count("script") == 2
    assert "b" not in Elements(page).elements
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    data = re.search(r"<script[^>]*json\">(.*?)</script>", page, re.S)
    data = json.loads(data.group(1))
    assert sorted(data["words"]) == sorted(words)
    assert data["words"] == display.words
    assert data["counts"] == display.counts.tolist()
    np.testing.assert_allclose(data["means"], display.means)
    assert data["neighbors"] == display.neighbors.tolist()
    low, high = display.positions.min(axis=0), display.positions.max(axis=0)
    x, y = ((display.positions - (low + high) / 2) / (high - low).max()).T
    # A page counts downwards.
    assert_allclose([data["x"], data["y"]], [x, -y], atol=1e-5)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_map_is_an_array_whatever_scikit_learn_is_set_to(fitted, docstrings, method):
    with sklearn.config_context(transform_output="pandas"):
        display = EmbeddingMapDisplay.from_estimator(
            fitted,
            *docstrings,
            method=method,
            n_words=20,
            random_state=0,
            pos_label="numpy",
        )
    assert isinstance(display.positions, np.ndarray)


def test_a_name_in_the_page_is_no_place_for_data(tmp_path):
    estimator = classifier(epochs=1).fit(TEXTS, LABELS)
    labels = np.where(LABELS == "good", "{{data}}", "bad")
    display = EmbeddingMapDisplay.from_estimator(
        estimator, TEXTS, labels, pos_label="{{data}}", method="pca"
    )
    path = tmp_path / "map.html"
    display.to_html(path)
    assert path.read_text(encoding="utf-8").count('"neighbors":') == 1


def test_the_curve_names_the_epoch_whose_weights_were_kept(docstrings, pyplot):
    stopped = RNNTextClassifier(
        embedding_size=8,
        hidden_size=8,
        epochs=12,
        learning_rate=0.05,
        early_stopping=True,
        n_iter_no_change=2,
        metrics=["accuracy"],
        random_state=0,
    ).fit(*docstrings)
    display = TrainingCurveDisplay.from_estimator(stopped).plot()
    held_out = stopped.history_["val_loss"]
    assert display.best_epoch == np.argmin(held_out) + 1
    assert stopped.n_iter_ > display.best_epoch
    assert set(display.lines_) == {"loss", "val_loss", "accuracy", "val_accuracy"}
    line = display.lines_["val_loss"]
    np.testing.assert_array_equal(line.get_ydata(), held_out)
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, stopped.n_iter_ + 1))
    (kept,) = [
        one for one in display.axes_[0].lines if one.get_label().startswith("kept")
    ]
    assert list(kept.get_xdata()) == [display.best_epoch] * 2
    assert len(display.axes_) == 2
    with pytest.raises(ValueError, match="2 curves"):
        display.plot(ax=display.axes_[0])


def test_after_a_warm_start_the_best_epoch_is_one_of_the_last_fit(docstrings, pyplot):
    estimator = RNNTextClassifier(
        embedding_size=8,
        hidden_size=8,
        epochs=3,
        early_stopping=True,
        warm_start=True,
        random_state=0,
    )
    estimator.fit(*docstrings).fit(*docstrings)
    of_last = estimator.history_["val_loss"][3:]
    assert estimator.best_epoch_ == 3 + np.argmin(of_last) + 1
    estimator.set_params(early_stopping=False).fit(*docstrings)
    display = TrainingCurveDisplay.from_estimator(estimator)
    assert display.best_epoch is None
    # The last fit held nothing out.
    held_out = np.isnan(display.history["val_loss"])
    np.testing.assert_array_equal(held_out, [False] * 6 + [True] * 3)
    lines = TrainingCurveDisplay(estimator.history_).plot().lines_
    np.testing.assert_array_equal(lines["loss"].get_ydata(), display.history["loss"])


def test_a_metric_with_a_value_a_class_has_a_line_a_class(pyplot):
    metric = keras.metrics.F1Score(average=None)
    estimator = classifier(metrics=[metric], early_stopping=True)
    estimator.set_params(validation_fraction=0.25).fit(TOPIC_TEXTS * 2, [*TOPICS] * 2)
    display = TrainingCurveDisplay.from_estimator(estimator).plot()
    lines = display.lines_["f1_score"]
    drawn = np.column_stack([line.get_ydata() for line in lines])
    assert_allclose(drawn, estimator.history_["f1_score"])
    legend = display.axes_[1].get_legend_handles_labels()[1]
    assert legend[:2] == ["learned from", "held out"]
    display.figure_.canvas.draw()


def test_what_callbacks_add_besides_numbers_has_no_curve(pyplot):
    class Adds(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["growing"] = [0.0] * (epoch + 1)
            logs["ragged"] = [[0.0], [1.0, 2.0]]
            logs["matrix"] = np.eye(2)
            logs["pair"] = np.array([1.0, 2.0])

    estimator = classifier(callbacks=Adds(), epochs=2).fit(TEXTS, LABELS)
    assert estimator.history_["growing"] == [[0.0], [0.0, 0.0]]
    display = TrainingCurveDisplay.from_estimator(estimator).plot()
    assert set(display.history) == {"loss", "pair"}
    display.figure_.canvas.draw()


def test_what_callbacks_tell_of_held_out_texts_alone_is_drawn(pyplot):
    class Adds(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_f1"] = 0.5 + epoch

    estimator = classifier(callbacks=Adds(), epochs=2).fit(TEXTS, LABELS)
    display = TrainingCurveDisplay.from_estimator(estimator).plot()
    assert set(display.lines_) == {"loss", "val_f1"}
    assert display.lines_["val_f1"].get_ydata().tolist() == [0.5, 1.5]
    assert display.axes_[1].get_ylabel() == "f1"


def test_axes_that_do_not_fit_change_nothing(pyplot):
    display = TrainingCurveDisplay({"loss": [1.0], "auc": [0.5]}).plot()
    before = dict(vars(display))
    with pytest.raises(ValueError, match="There are 2 curves to draw"):
        display.plot(ax=pyplot.subplots()[1])
    assert vars(display) == before


def test_fewer_names_than_none_are_refused(pyplot):
    estimator = classifier().fit(TEXTS, LABELS)
    display = EmbeddingMapDisplay.from_estimator(estimator, TEXTS, LABELS, method="pca")
    assert display.plot(n_labels=0).labels_ == []
    for n_labels in (-1, 2.5):
        with pytest.raises(ValueError, match="n_labels"):
            display.plot(n_labels=n_labels)


def test_a_part_of_a_figure_can_be_drawn_into(pyplot):
    estimator = classifier().fit(TEXTS, LABELS)
    left, right = pyplot.figure().subfigures(1, 2)
    shown = EmbeddingMapDisplay.from_estimator(
        estimator, TEXTS, LABELS, method="pca"
    ).plot(ax=left.subplots())
    assert shown.labels_
    explanation = explain(estimator, "a fine film " * 30).plot(ax=right.subplots())
    explanation.ax_.get_figure(root=True).canvas.draw()


def test_half_a_surrogate_pair_is_drawn_as_a_sign_of_its_own(pyplot):
    estimator = classifier().fit([*TEXTS, "\ud800 fine"], [*LABELS, "good"])
    for text in ("\ud800 film", "\ud800 film " * 40):
        explanation = explain(estimator, text).plot()
        explanation.figure_.canvas.draw()
    shown = EmbeddingMapDisplay.from_estimator(
        estimator, ["\ud800 fine", "\ud800"], [1.0, 0.0], method="pca"
    ).plot()
    shown.figure_.canvas.draw()
    assert "?" in {label.get_text() for label in shown.labels_}


def test_half_a_surrogate_pair_goes_out_to_a_notebook():
    estimator = classifier().fit(TEXTS, LABELS)
    page = explain(estimator, "\ud800 film")._repr_html_()
    assert "film" in page.encode().decode()


@pytest.mark.parametrize("labels", [["$10-$20", "$20-$50"], ["$$", "$x^$"]])
def test_labels_that_look_like_formulas_are_drawn_as_they_are(pyplot, labels):
    y = np.array(labels)[(LABELS == "bad").astype(int)]
    estimator = classifier().fit(TEXTS, y)
    explanation = explain(estimator, "a fine film").plot()
    shown = EmbeddingMapDisplay.from_estimator(estimator, TEXTS, y, method="pca")
    for one in (explanation, shown.plot()):
        one.figure_.canvas.draw()
    assert not explanation.ax_.yaxis.label.get_parse_math()
    assert explanation.ax_.get_ylabel().endswith(max(labels))


def test_a_map_needs_vectors_that_differ():
    # Texts of one token have no company: their vectors start at zero.
    texts, y = ["fine", "dull"] * 8, ["good", "bad"] * 8
    estimator = classifier(embeddings="cooccurrence").initialize(texts, y)
    with pytest.raises(ValueError, match="0 of these have a vector that is not zero"):
        EmbeddingMapDisplay.from_estimator(estimator, texts, y)
    embedding = estimator.model_.encoder.embedding.embeddings
    embedding.assign(np.ones(embedding.shape))
    with pytest.raises(ValueError, match="all 2 words are the same"):
        EmbeddingMapDisplay.from_estimator(estimator, texts, y)


def test_a_map_needs_vectors_of_two_numbers():
    estimator = classifier(embedding_size=1).fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="and embedding_size is 1"):
        EmbeddingMapDisplay.from_estimator(estimator, TEXTS, LABELS)


def test_without_training_there_is_no_curve():
    with pytest.raises(ValueError, match="not trained"):
        TrainingCurveDisplay.from_estimator(classifier().initialize(TEXTS, LABELS))


def test_regressors_have_curves_too(pyplot):
    display = TrainingCurveDisplay.from_estimator(
        RNNTextRegressor(epochs=2, hidden_size=4, random_state=0).fit(TEXTS, STARS)
    ).plot()
    assert len(display.lines_["loss"].get_ydata()) == 2


def test_a_single_epoch_has_a_whole_number(docstrings, pyplot):
    estimator = RNNTextClassifier(hidden_size=4, epochs=1).fit(*docstrings)
    display = TrainingCurveDisplay.from_estimator(estimator).plot()
    ticks = display.axes_[0].get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))
