"""What the network's parameters change."""

import itertools

import keras
import numpy as np
import pytest
from corpus import (
    EAGER,
    LABELS,
    LEARNS,
    TEXTS,
    TINY,
    classifier,
)

from skrnn import RNNTextClassifier


@pytest.mark.parametrize(
    ("cell", "pooling", "bidirectional", "n_layers_and_learned"),
    list(
        itertools.product(
            ["gru", "lstm", "simple"],
            ["last", "mean", "max", "concat"],
            [False, True],
            [(1, False), (2, True)],
        )
    ),
)
def test_all_networks_train_and_predict(
    cell, pooling, bidirectional, n_layers_and_learned
):
    n_layers, learn_initial_state = n_layers_and_learned
    texts, y = ["", "fine film", "dull"], [0, 1, 2]
    fitted = classifier(
        cell=cell,
        pooling=pooling,
        bidirectional=bidirectional,
        n_layers=n_layers,
        learn_initial_state=learn_initial_state,
        epochs=1,
    ).fit(texts, y)
    assert np.isfinite(fitted.history_["loss"]).all()
    probabilities = fitted.predict_proba(texts)
    assert probabilities.shape == (3, 3)
    assert np.isfinite(probabilities).all()
    width = 8 * (3 if pooling == "concat" else 1) * (2 if bidirectional else 1)
    assert fitted.transform(texts).shape == (3, width)
    assert len(fitted.get_feature_names_out()) == width


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_gates_differ(cell):
    gates = ["hard_sigmoid", "steep_sigmoid", "sigmoid"]
    scores = [
        classifier(cell=cell, gate_activation=gate)
        .initialize(TEXTS, LABELS)
        .decision_function(TEXTS)
        for gate in gates
    ]
    for one, other in itertools.combinations(scores, 2):
        assert np.abs(one - other).max() > 1e-6


def test_dropout_zeroes_a_share_of_the_representation_while_training():
    fitted = classifier(dropout=0.25, embedding_dropout=0.0, hidden_size=256)
    model = fitted.initialize(TEXTS, LABELS).model_
    # The score is then the sum of what the head is given.
    model.head.kernel.assign(np.ones(model.head.kernel.shape))
    ids = fitted.tokenizer_.transform(TEXTS).padded()

    def given(training):
        scores = keras.ops.convert_to_numpy(model(ids, training=training))
        represented = keras.ops.convert_to_numpy(model.encoder(ids))
        return scores[:, 0], represented.sum(axis=1)

    scores, sums = given(training=False)
    np.testing.assert_allclose(scores, sums, rtol=1e-4, atol=1e-5)
    drawn = np.array([given(training=True)[0] for _ in range(200)])
    assert np.ptp(drawn, axis=0).min() > 0
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    np.testing.assert_array_less(np.abs(drawn.mean(axis=0) - sums), 5 * error)
    represented = keras.ops.convert_to_numpy(model.encoder(ids))
    # Of numbers that are kept, 4/3 of them, three times of four.
    expected = np.sqrt((represented**2).sum(axis=1) * 0.25 / 0.75)
    np.testing.assert_allclose(drawn.std(axis=0), expected, rtol=0.3)


def test_compiled_and_eager_networks_agree(binary):
    eager = RNNTextClassifier(**TINY | LEARNS | EAGER).fit(TEXTS, LABELS)
    np.testing.assert_allclose(
        eager.decision_function(TEXTS), binary.decision_function(TEXTS), atol=1e-2
    )


def test_a_network_may_be_compiled_before_it_is_built(binary):
    network = binary.model_
    other = type(network).from_config(network.get_config())
    other.compile(optimizer="adam", loss="mse")
    other.build((None, None))
    other.set_weights(network.get_weights())
    sequences = binary.tokenizer_.transform(TEXTS)
    np.testing.assert_array_equal(other.predict(sequences), network.predict(sequences))


def test_names_do_not_count_the_fits_of_the_process():
    # Nor does TensorFlow keep something for each name that there ever was.
    def names():
        fitted = RNNTextClassifier(**TINY, n_layers=2).initialize(TEXTS, LABELS)
        model = fitted.model_
        return [
            model.name,
            model.optimizer.name,
            *(layer.name for layer in model._flatten_layers()),
            *(variable.path for variable in model.trainable_variables),
            *(variable.path for variable in model.optimizer.variables[2:]),
        ]

    assert names() == names()


def test_a_network_predicts_sequences():
    fitted = classifier().fit(TEXTS, LABELS)
    sequences = fitted.tokenizer_.transform(TEXTS)
    for predict in (fitted.model_.predict, fitted.model_.represent):
        assert len(predict(sequences)) == len(TEXTS)
        with pytest.raises(TypeError, match=r"should be Sequences.*got ndarray"):
            predict(sequences.padded())
