"""The other backends of Keras: fit, predict, transform and pickle."""

import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from skrnn import RNNTextClassifier
from skrnn._keras import ON_TENSORFLOW

on_tensorflow = pytest.mark.skipif(
    not ON_TENSORFLOW,
    reason="about what TensorFlow does on a GPU",
)

SMALL = {"embedding_size": 4, "hidden_size": 4, "batch_size": 8, "random_state": 0}

PROGRAM = """
import pickle
import keras
import numpy as np
from skrnn import RNNTextClassifier, RNNTextRegressor
from skrnn.inspection import explain

assert keras.backend.backend() == BACKEND
# One batch of one length, for there are backends that compile each shape anew.
texts = ["a fine film", "so very dull", "fine, fine", ""] * 4
params = dict(embedding_size=4, hidden_size=4, batch_size=16, random_state=0)


def check(estimator, y):
    fitted = estimator.fit(texts, y)
    assert np.isfinite(fitted.history_["loss"]).all()
    predicted, represented = fitted.predict(texts), fitted.transform(texts)
    assert predicted.shape == (16,)
    assert np.isfinite(represented).all()
    alone = fitted.transform(texts[3:4])
    np.testing.assert_allclose(alone, represented[3:4], rtol=0, atol=1e-6)
    other = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(other.predict(texts), predicted)
    fitted.partial_fit(texts, y)
    other.partial_fit(texts, y)
    weights = fitted.model_.get_weights()
    for one, another in zip(weights, other.model_.get_weights()):
        np.testing.assert_array_equal(one, another)
    return fitted


class Fails(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise RuntimeError


check(RNNTextRegressor(**params, cell="lstm", epochs=1), range(16))
y = ["good", "bad", "good", "bad"] * 4
fitted = check(RNNTextClassifier(**params, learning_rate=0.1, epochs=10), y)
explained = explain(fitted, "fine and dull", method="integrated_gradients")
total = explained.base_value + explained.scores.sum()
assert abs(total - explained.decision_score) < 0.05
assert fitted.score(texts, y) == 1.0
before = fitted.decision_function(texts)
try:
    fitted.set_params(callbacks=Fails()).partial_fit(texts, y)
except RuntimeError:
    np.testing.assert_array_equal(fitted.decision_function(texts), before)
else:
    raise AssertionError("the callback was not called")
if BACKEND == "jax":
    fitted.model_.encoder.embedding.trainable = False
    try:
        fitted.set_params(callbacks=None).partial_fit(texts, y)
    except ValueError as error:
        assert "trains all weights or none" in str(error), error
    else:
        raise AssertionError("a frozen layer was not refused")
"""


on_each = pytest.mark.parametrize("backend", ["jax", "torch"])


def run_on(backend, *arguments, **environment):
    """Run Python with another backend, where that is installed."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend}, another backend of Keras, is not installed")
    subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "KERAS_BACKEND": backend, **environment},
        check=True,
        # What waits for ever fails, rather than the whole run.
        timeout=1800,
    )


@on_each
def test_backend(backend):
    run_on(backend, "-c", PROGRAM.replace("BACKEND", repr(backend)))


@on_each
def test_another_backend_needs_no_tensorflow(backend):
    program = """
import sys
sys.modules["tensorflow"] = None  # as if it were not installed
from skrnn import RNNTextClassifier
texts, y = ["fine", "dull"] * 4, ["good", "bad"] * 4
params = dict(embedding_size=4, hidden_size=4, random_state=0)
assert len(RNNTextClassifier(**params, epochs=1).fit(texts, y).predict(texts)) == 8
"""
    run_on(backend, "-c", program)


@on_each
def test_threads_may_ask_and_pickle_at_once(backend):
    program = """
import pickle
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from skrnn import RNNTextClassifier
texts, y = ["a fine film", "so very dull"] * 8, ["good", "bad"] * 8
params = dict(embedding_size=4, hidden_size=4, random_state=0, epochs=1)
classifier = RNNTextClassifier(**params).fit(texts, y)
alone = classifier.predict_proba(texts)


def ask(i):
    asked = pickle.loads(pickle.dumps(classifier)) if i % 4 == 0 else classifier
    return asked.predict_proba(texts)


with ThreadPoolExecutor(4) as threads:
    for answer in threads.map(ask, range(40)):
        np.testing.assert_array_equal(answer, alone)
"""
    run_on(backend, "-c", program)


@on_each
def test_files_go_from_one_backend_to_another(backend, tmp_path):
    texts, y = ["a fine film", "so very dull"] * 128, ["good", "bad"] * 128
    # With a wide part that is weighed, and by the kernel where there is one.
    params = {"embedding_size": 8, "hidden_size": 32, "epochs": 2, "random_state": 0}
    classifier = RNNTextClassifier(**params, metrics=["accuracy"]).fit(texts, y)
    (tmp_path / "classifier.pickle").write_bytes(pickle.dumps(classifier))
    np.save(tmp_path / "probabilities.npy", classifier.predict_proba(texts))
    program = """
import pickle
import numpy as np
with open("classifier.pickle", "rb") as file:
    classifier = pickle.load(file)
texts, y = ["a fine film", "so very dull"] * 128, ["good", "bad"] * 128
expected = np.load("probabilities.npy")
np.testing.assert_allclose(classifier.predict_proba(texts), expected, atol=1e-6)
assert len(classifier.partial_fit(texts, y).history_["accuracy"]) == 3
"""
    run_on(backend, "-c", f"import os; os.chdir({str(tmp_path)!r});{program}")


@on_each
def test_files_come_from_another_backend(backend, tmp_path):
    program = """
import pickle
import numpy as np
from skrnn import RNNTextClassifier
texts, y = ["a fine film", "so very dull"] * 128, ["good", "bad"] * 128
params = {"embedding_size": 8, "hidden_size": 32, "epochs": 2, "random_state": 0}
classifier = RNNTextClassifier(**params, metrics=["accuracy"]).fit(texts, y)
with open("classifier.pickle", "wb") as file:
    pickle.dump(classifier, file)
np.save("probabilities.npy", classifier.predict_proba(texts))
"""
    run_on(backend, "-c", f"import os; os.chdir({str(tmp_path)!r});{program}")
    file = (tmp_path / "classifier.pickle").read_bytes()
    # Of a backend that may not be installed where the file is read.
    assert b"keras.src.backend" not in file
    classifier = pickle.loads(file)
    texts, y = ["a fine film", "so very dull"] * 128, ["good", "bad"] * 128
    expected = np.load(tmp_path / "probabilities.npy")
    np.testing.assert_allclose(classifier.predict_proba(texts), expected, atol=1e-6)
    assert len(classifier.partial_fit(texts, y).history_["accuracy"]) == 3


@on_each
def test_layers_on(backend):
    own_tests = str(Path(__file__).with_name("test_layers.py"))
    options = ["-m", "pytest", "-q", "-p", "no:xdist"]
    run_on(backend, *options, own_tests, JAX_ENABLE_X64="1")


@on_tensorflow
@pytest.mark.parametrize(
    ("gate_activation", "implementation"),
    [("steep_sigmoid", "cudnn"), ("hard_sigmoid", "xla")],
)
def test_estimators_of_a_gpu_and_of_a_processor_are_the_same(
    gate_activation, implementation, monkeypatch
):
    # What would run on a GPU, on the processor; XLA draws other dropout masks.
    texts = ["a fine film", "so very dull", "fine, fine", ""] * 4
    y = ["good", "bad", "good", "bad"] * 4
    classifier = RNNTextClassifier(
        **SMALL,
        gate_activation=gate_activation,
        embedding_dropout=0.0,
        dropout=0.0,
        epochs=2,
    )
    monkeypatch.setattr("skrnn.implementation.sees_gpu", lambda: False)
    on_processor = clone(classifier).fit(texts, y)
    assert on_processor.model_.encoder.implementation == "loop"
    with monkeypatch.context() as seen:
        seen.setattr("skrnn.implementation.sees_gpu", lambda: True)
        on_gpu = classifier.fit(texts, y)
        assert on_gpu.model_.encoder.implementation == implementation
        scores = on_gpu.decision_function(texts)
        moved = pickle.loads(pickle.dumps(on_processor))
        assert moved.model_.encoder.implementation == implementation
        moved.partial_fit(texts, y)
    back = pickle.loads(pickle.dumps(on_gpu))
    assert back.model_.encoder.implementation == "loop"
    for one in (on_processor, back):
        np.testing.assert_allclose(one.decision_function(texts), scores, atol=1e-5)
    back.partial_fit(texts, y)
    with monkeypatch.context() as seen:
        seen.setattr("skrnn.implementation.sees_gpu", lambda: True)
        of_moved = moved.decision_function(texts)
    np.testing.assert_allclose(of_moved, back.decision_function(texts), atol=1e-4)


@on_tensorflow
def test_all_parts_of_a_network_are_compiled_by_xla(monkeypatch):
    monkeypatch.setattr("skrnn.implementation.sees_gpu", lambda: True)
    texts = ["a fine film", "so very dull", "fine, fine", ""] * 8
    y = ["good", "bad", "good", "bad"] * 8
    classifier = RNNTextClassifier(
        **SMALL,
        n_layers=2,
        bidirectional=True,
        learn_initial_state=True,
        l2=1e-4,
        metrics=["accuracy"],
        precision="bfloat16",
        early_stopping=True,
        validation_fraction=0.25,
        learning_rate=0.05,
        epochs=12,
    ).fit(texts, y)
    assert classifier.model_.encoder.implementation == "xla"
    assert classifier.model_.jit_compile
    assert classifier.score(texts, y) == 1.0
    assert classifier.history_["val_loss"][-1] < classifier.history_["val_loss"][0]


@on_tensorflow
def test_a_deterministic_gpu_is_not_left_to_xla(monkeypatch):
    monkeypatch.setattr("skrnn.implementation.sees_gpu", lambda: True)
    monkeypatch.setattr("skrnn.implementation.is_op_determinism_enabled", lambda: True)
    fitted = RNNTextClassifier(**SMALL, epochs=1).fit(["fine", "dull"] * 4, [1, 0] * 4)
    assert fitted.model_.encoder.implementation == "loop"


@on_tensorflow
@pytest.mark.parametrize("chosen", [None, "false"])
def test_memory_of_a_gpu_is_taken_as_needed_unless_its_user_says_otherwise(chosen):
    name = "TF_FORCE_GPU_ALLOW_GROWTH"
    environment = {key: value for key, value in os.environ.items() if key != name}
    if chosen is not None:
        environment[name] = chosen
    program = (
        f"import os; from skrnn import RNNTextClassifier; print(os.environ[{name!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == (chosen or "true")
