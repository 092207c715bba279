"""Predictions by the kernel, which leave TensorFlow out."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernels import needs_kernels
from networks import random_network

from skrnn import variables
from skrnn._keras import keras
from skrnn.native_prediction import predicts_natively
from skrnn.sequences import Sequences
from skrnn.variables import Views, copy_of

pytestmark = needs_kernels

VOCABULARY_SIZE = 60


def a_network(n_outputs=3, **encoder):
    sizes = {"vocabulary_size": VOCABULARY_SIZE, "hidden_size": 32}
    return random_network(0.3, n_outputs=n_outputs, **{**sizes, **encoder})


def draw_texts(lengths):
    ids = np.random.RandomState(1).randint(1, VOCABULARY_SIZE, size=sum(lengths))
    return Sequences.from_lengths(ids.astype(np.uint8), lengths)


def assert_as_by_tensorflow(network, texts):
    """The same as what TensorFlow gives for the layers, of scores and of states."""
    assert predicts_natively(
        network.encoder.implementation, network.encoder.hidden_size
    )
    ids = texts.padded()
    for found, expected in (
        (network.predict(texts), network(ids, training=False)),
        (network.represent(texts), network.encoder(ids, training=False)),
    ):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-6)


@pytest.fixture(scope="module")
def networks():
    """Every network is built once for all examples."""
    return {}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"pooling": "last", "n_outputs": 1, "gate_activation": "sigmoid"},
        {"pooling": "mean", "bidirectional": True, "n_outputs": 40},
        {"pooling": "max", "n_layers": 3, "gate_activation": "steep_sigmoid"},
        {"bidirectional": True, "n_layers": 2, "learn_initial_state": True},
        {"pooling": "last", "bidirectional": True, "learn_initial_state": True},
    ],
    ids=str,
)
@settings(max_examples=15)
@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=24))
@example(lengths=[0])
@example(lengths=[0] * 20)
@example(lengths=[3] * 7)
@example(lengths=[30] * 40)
def test_answers_are_those_of_tensorflow(networks, parameters, lengths):
    if str(parameters) not in networks:
        networks[str(parameters)] = a_network(**parameters)
    assert_as_by_tensorflow(networks[str(parameters)], draw_texts(lengths))


def test_few_texts_get_to_the_last_bit_what_each_gets_alone():
    network, texts = a_network(), draw_texts([7, 0, 40, 1, 12, 9, 3, 3, 2, 1, 15])
    together = network.predict(texts)
    alone = [network.predict(texts[i : i + 1])[0] for i in range(len(texts))]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("n_texts", [1, 40])
def test_the_weights_are_those_of_the_moment(n_texts):
    network, texts = (
        a_network(bidirectional=True, n_layers=2),
        draw_texts([20] * n_texts),
    )
    for weight in network.trainable_variables:
        before = network.predict(texts)
        weight.assign(copy_of(weight) + 0.05)
        assert not np.allclose(network.predict(texts), before, rtol=0, atol=1e-5)
    assert_as_by_tensorflow(network, texts)


def test_a_head_with_another_activation_is_heeded():
    network, texts = a_network(), draw_texts([20] * 20)
    network.head.activation = keras.activations.tanh
    assert_as_by_tensorflow(network, texts)


def test_wider_states_than_the_kernel_is_fast_for_are_left_to_tensorflow(monkeypatch):
    monkeypatch.setattr("skrnn.implementation._WIDEST_FLOAT32", 16)
    monkeypatch.setattr("skrnn.implementation._CPUINFO", Path("/nothing"))
    network, texts = a_network(), draw_texts([20] * 20)
    assert not predicts_natively("native", 32)
    np.testing.assert_allclose(
        network.predict(texts),
        network(texts.padded(), training=False),
        rtol=1e-4,
        atol=2e-6,
    )


@pytest.mark.parametrize("n_texts", [1, 40])
def test_a_head_with_more_than_its_kernel_is_that_of_keras(n_texts):
    network, texts = a_network(), draw_texts([20] * n_texts)
    before = network.predict(texts)
    network.head.enable_lora(rank=2)
    network.head.lora_kernel_b.assign(np.ones((2, 3)))
    assert np.abs(network.predict(texts) - before).max() > 0.01
    assert_as_by_tensorflow(network, texts)


@pytest.mark.parametrize("lacking", ["the name", "the operation"])
def test_weights_are_read_one_by_one_where_they_cannot_be_at_once(lacking, monkeypatch):
    if lacking == "the name":
        monkeypatch.setattr("skrnn.variables.execute", None)
    else:
        execute = variables.execute
        monkeypatch.setattr(
            "skrnn.variables.execute", lambda _, *others: execute(b"_NoSuchOp", *others)
        )
    network = a_network(n_layers=2, learn_initial_state=True)
    assert_as_by_tensorflow(network, draw_texts([20, 3, 0]))


def test_a_view_is_of_the_values_when_it_was_taken():
    weight = a_network().head.bias
    before = copy_of(weight)
    (view,) = Views([weight])()
    weight.assign(before + 1)
    np.testing.assert_array_equal(view, before)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1.0
