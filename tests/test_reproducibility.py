"""The same random_state gives the same model, and nobody else's is touched."""

import gc
import os
import pickle
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from corpus import (
    EAGER,
    LABELS,
    STARS,
    TEXTS,
    TINY,
    assert_same_model,
    classifier,
    regressor,
    weights,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_info, threadpool_limits

import skrnn.network
from skrnn import RNNTextClassifier
from skrnn.threads import one_blas_thread

# Everything that draws random numbers.
RANDOM = {
    "early_stopping": True,
    "validation_fraction": 0.25,
    "embedding_dropout": 0.5,
    "dropout": 0.5,
    "n_layers": 2,
    "bidirectional": True,
    "batch_size": 4,
    "embeddings": {"fine": np.arange(8.0)},
}


def test_twice_the_same_weights():
    one = RNNTextClassifier(**TINY | RANDOM).fit(TEXTS, LABELS)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    keras.utils.set_random_seed(123)
    other = RNNTextClassifier(**TINY | RANDOM).fit(TEXTS, LABELS)
    assert_same_model(one, other)
    assert_same_model(one.fit(TEXTS, LABELS), other)


def test_another_random_state_gives_other_weights():
    one = classifier().fit(TEXTS, LABELS)
    other = classifier(random_state=1).fit(TEXTS, LABELS)
    assert not np.array_equal(weights(one), weights(other))


def test_random_state_instance_is_drawn_from():
    def fit_twice(seed):
        state = np.random.RandomState(seed)
        one = classifier(random_state=state).fit(TEXTS, LABELS)
        other = classifier(random_state=state).fit(TEXTS, LABELS)
        return one, other

    one, other = fit_twice(0)
    assert not np.array_equal(weights(one), weights(other))
    for fitted, again in zip((one, other), fit_twice(0), strict=True):
        assert_same_model(fitted, again)


def test_no_random_state_draws_from_that_of_numpy():
    of_numpy = check_random_state(None)
    before = of_numpy.get_state()
    try:
        of_numpy.seed(0)
        one, other = (classifier(random_state=None) for _ in range(2))
        one.fit(TEXTS, LABELS)
        other.fit(TEXTS, LABELS)
        of_numpy.seed(0)
        again = classifier(random_state=None).fit(TEXTS, LABELS)
    finally:
        of_numpy.set_state(before)
    assert not np.array_equal(weights(one), weights(other))
    assert_same_model(one, again)


def test_fits_at_the_same_time_are_those_one_after_the_other():
    def fit(seed):
        # Compiled, and with a wide part, which takes one thread of BLAS.
        model = RNNTextClassifier(**{**TINY, "wide": True, "hidden_size": 32})
        return model.set_params(random_state=seed).fit(TEXTS * 16, [*LABELS] * 16)

    expected = [fit(seed) for seed in range(4)]
    with ThreadPoolExecutor(max_workers=4) as threads:
        for one, other in zip(threads.map(fit, range(4)), expected, strict=True):
            assert_same_model(one, other)
            np.testing.assert_array_equal(
                one.predict_proba(TEXTS), other.predict_proba(TEXTS)
            )


PROGRAM = """
import hashlib, sys
import numpy as np
from skrnn import RNNTextClassifier

texts = ["a fine film", "so dull", "fine, fine!", "dull"] * 4
labels = ["good", "bad"] * 8
texts, labels = HOW_OFTEN * texts, HOW_OFTEN * labels
params = dict(embedding_size=8, hidden_size=HIDDEN_SIZE, batch_size=4, epochs=2)
params |= dict(dropout=0.5)
if sys.argv[1] == "busy":
    import random, keras
    keras.utils.set_random_seed(123)
    RNNTextClassifier(**params, random_state=7).fit(texts, labels)
    keras.layers.Dense(3).build((None, 2))
    keras.random.normal((3,))
    np.random.seed(5)
    random.seed(5)
fitted = RNNTextClassifier(**params, random_state=0).fit(texts, labels)
digest = hashlib.sha256()
for weight in fitted.model_.get_weights():
    digest.update(weight.tobytes())
print(fitted.blend_.factors_.tolist(), digest.hexdigest())
print(fitted.decision_function(texts).tobytes().hex())
"""


@pytest.mark.parametrize(
    ("hidden_size", "how_often"),
    [(8, 1), (32, 16)],  # by the loop; by the kernel, with texts held out
)
def test_same_weights_in_every_process(hidden_size, how_often):
    program = PROGRAM.replace("HIDDEN_SIZE", str(hidden_size))
    program = program.replace("HOW_OFTEN", str(how_often))
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program, before],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for before, hash_seed in [("", "1"), ("busy", "2")]
    }
    assert len(outputs) == 1


@pytest.mark.parametrize("params", [EAGER, {}], ids=["eager", "compiled"])
def test_global_random_states_are_left_as_found(params):
    def states():
        numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002
        return random.getstate(), repr(numpy_state)

    def draws():
        return np.stack([keras.random.normal((5,)) for _ in range(3)])

    keras.utils.set_random_seed(42)
    expected = draws()
    keras.utils.set_random_seed(42)
    before = states()
    fitted = RNNTextClassifier(**TINY | RANDOM | params).fit(TEXTS, LABELS)
    fitted.predict(TEXTS)
    fitted.set_params(early_stopping=False).partial_fit(TEXTS, LABELS)
    assert states() == before
    np.testing.assert_array_equal(draws(), expected)


# Batches


class SeenTargets(keras.losses.Loss):
    """The squared error, which notes what it is given."""

    seen = []

    def call(self, y_true, y_pred):
        self.seen.append(np.ravel(y_true).round(3).tolist())
        return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


def test_batches_are_shuffled_every_epoch():
    SeenTargets.seen.clear()
    y = np.arange(16.0)
    params = {"batch_size": 4, "epochs": 3, "loss": SeenTargets}
    regressor(**params).fit(["a word"] * 16, y)
    batches = SeenTargets.seen
    epochs = [batches[0:4], batches[4:8], batches[8:12]]
    assert len(batches) == 12
    for epoch in epochs:
        standardized = ((y - y.mean()) / y.std()).round(3)
        seen = np.sort(np.ravel(epoch))
        np.testing.assert_allclose(seen, standardized, atol=2e-3)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert {frozenset(batch) for batch in epochs[0]} != {
        frozenset(batch) for batch in epochs[1]
    }


# Predictions

# Sixteen, and many times as many tokens as ids: those are read from tables.
MANY_TEXTS = [
    *TEXTS[:9],
    "",
    " ",
    "unknown words here",
    "fine " * 30,
    "a dull and fine film, " * 100,
    "film",
    "dull! " * 7,
]


@pytest.fixture(scope="module", params=["gru", "lstm"])
def fitted(request):
    return RNNTextClassifier(
        **TINY, cell=request.param, n_layers=2, bidirectional=True
    ).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def alone(fitted):
    """Scores and representations of each text, asked for by itself."""
    return [
        np.concatenate([function([one]) for one in MANY_TEXTS])
        for function in (fitted.decision_function, fitted.transform)
    ]


@settings(max_examples=25)
@given(rows=st.lists(st.sampled_from(range(len(MANY_TEXTS))), min_size=1))
@example(rows=list(range(len(MANY_TEXTS))))
def test_predictions_do_not_depend_on_the_rest_of_the_call(fitted, alone, rows):
    scores, features = alone
    texts = [MANY_TEXTS[row] for row in rows]
    np.testing.assert_allclose(
        fitted.decision_function(texts), scores[rows], rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(
        fitted.transform(texts), features[rows], rtol=0, atol=1e-6
    )


def test_predictions_of_values_do_not_depend_on_the_rest_of_the_call():
    fitted = regressor().fit(TEXTS, STARS)
    together = fitted.predict(MANY_TEXTS)
    alone = [fitted.predict([text])[0] for text in MANY_TEXTS]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_predictions_in_many_batches_are_those_in_one(monkeypatch):
    fitted = classifier(hidden_size=64, wide=True, learning_rate=0.01, epochs=20)
    fitted.fit(TEXTS, LABELS)
    in_one = fitted.decision_function(MANY_TEXTS), fitted.transform(MANY_TEXTS)
    assert np.ptp(in_one[0]) > 1
    asked = []
    monkeypatch.setattr(
        skrnn.prediction, "tokens_a_batch", lambda size: asked.append(size) or 16
    )
    in_many = fitted.decision_function(MANY_TEXTS), fitted.transform(MANY_TEXTS)
    assert asked
    for one, other in zip(in_one, in_many, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_number_of_threads_changes_no_bit(every_docstring):
    texts, libraries = every_docstring.data, every_docstring.target
    one, two = (fit_with_threads(n, texts[:2000], libraries[:2000]) for n in (1, 2))
    np.testing.assert_array_equal(weights(one), weights(two))
    np.testing.assert_array_equal(
        one.decision_function(texts[:99]), two.decision_function(texts[:99])
    )


def fit_with_threads(n, texts, labels):
    params = {"embeddings": "cooccurrence", "embedding_size": 64, "wide": True}
    with threadpool_limits(n, user_api="blas"):
        return classifier(**params, epochs=1, batch_size=512).fit(texts, labels)


def test_threads_that_overlap_leave_the_number_of_blas_threads_as_it_was():
    def numbers():
        pools = threadpool_info()
        return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]

    if not numbers():
        pytest.skip("a BLAS whose threads threadpoolctl cannot count, as Apple's")
    with threadpool_limits(2, user_api="blas"):
        before = numbers()
        assert set(before) == {2}
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert set(numbers()) == {1}
        second.__exit__(None, None, None)
        assert numbers() == before


@pytest.mark.parametrize("hidden_size", [8, 32])  # by the loop, by the kernel
def test_fits_leave_no_graph_behind(hidden_size):
    parameters = {**TINY, "hidden_size": hidden_size, "warm_start": True}

    def n_graphs_after_a_fit():
        fitted = RNNTextClassifier(**parameters).fit(TEXTS, LABELS)
        fitted.fit(TEXTS, LABELS).predict(TEXTS)
        del fitted
        gc.collect()
        return sum(type(one).__name__ == "FuncGraph" for one in gc.get_objects())

    first = n_graphs_after_a_fit()
    assert n_graphs_after_a_fit() <= first


def test_predicting_changes_nothing(fitted):
    before = weights(fitted)
    first = fitted.predict_proba(TEXTS)
    np.testing.assert_array_equal(fitted.predict_proba(TEXTS), first)
    np.testing.assert_array_equal(weights(fitted), before)


def test_many_threads_predict_what_one_does(fitted):
    single = [fitted.decision_function([text])[0] for text in MANY_TEXTS]
    together = fitted.decision_function(MANY_TEXTS)
    # Nothing has been compiled yet for the copy.
    copy = pickle.loads(pickle.dumps(fitted))
    with ThreadPoolExecutor(4) as threads:
        singles = [
            threads.submit(copy.decision_function, [text]) for text in MANY_TEXTS * 4
        ]
        batches = [threads.submit(copy.decision_function, MANY_TEXTS) for _ in range(4)]
    for one, expected in zip(singles, single * 4, strict=True):
        np.testing.assert_allclose(one.result(), expected, rtol=0, atol=1e-6)
    for batch in batches:
        np.testing.assert_allclose(batch.result(), together, rtol=0, atol=1e-6)


def test_more_texts_than_are_tokenized_at_a_time(fitted):
    texts = [f"fine {'dull ' * (i % 7)}{i}" for i in range(5000)]
    together = fitted.decision_function(texts)
    chosen = [0, 4095, 4096, 4999]
    alone = fitted.decision_function([texts[i] for i in chosen])
    np.testing.assert_allclose(together[chosen], alone, rtol=0, atol=1e-6)
    with pytest.raises(TypeError, match="position 4500"):
        fitted.predict([*texts[:4500], 1])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_precision_is_that_of_training_alone(precision):
    params = TINY | {"precision": precision}
    trained = RNNTextClassifier(**params).fit(TEXTS, LABELS)
    assert_same_model(trained, RNNTextClassifier(**params).fit(TEXTS, LABELS))
    alone = [trained.decision_function([text])[0] for text in MANY_TEXTS]
    together = trained.decision_function(MANY_TEXTS)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
