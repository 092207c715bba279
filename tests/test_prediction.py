"""Predictions of many texts, which take the inputs' products once an id."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from networks import random_network

from skrnn._keras import ON_TENSORFLOW, keras
from skrnn.cells import CELLS
from skrnn.sequences import Sequences
from skrnn.variables import copy_of

pytestmark = pytest.mark.skipif(
    not ON_TENSORFLOW,
    reason="other backends predict many texts as they do few, without tables",
)

VOCABULARY_SIZE = 300
IDS = np.linspace(1, VOCABULARY_SIZE - 1, 20, dtype=np.uint16)

# The inputs' products are looked up where there are sixteen texts, and two tokens an
# id.
FEWEST_TOKENS = 2 * (len(IDS) + 1)
many_lengths = st.lists(st.integers(0, 40), min_size=16, max_size=24).filter(
    lambda lengths: sum(lengths) >= FEWEST_TOKENS
)


@pytest.fixture(autouse=True)
def no_rounding_hides_a_difference():
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


def a_network(**encoder):
    sizes = {"vocabulary_size": VOCABULARY_SIZE, "hidden_size": 4}
    return random_network(0.7, n_outputs=2, **{**sizes, **encoder})


def draw_texts(lengths):
    ids = np.random.RandomState(1).choice(IDS, size=sum(lengths))
    assert len(lengths) >= 16 and (not len(ids) or len(ids) >= FEWEST_TOKENS)
    return Sequences.from_lengths(ids, lengths)


def one_by_one(function, texts):
    return np.concatenate([function(texts[i : i + 1]) for i in range(len(texts))])


@pytest.fixture(scope="module")
def networks():
    """Every network is built and traced once for all examples."""
    return {}


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("learn_initial_state", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
@settings(max_examples=4)
@given(lengths=many_lengths)
@example(lengths=[0] * 16)
def test_many_texts_get_what_each_gets_alone(
    networks, cell, bidirectional, learn_initial_state, n_layers, lengths
):
    key = cell, bidirectional, learn_initial_state, n_layers
    if key not in networks:
        networks[key] = a_network(
            cell=cell,
            bidirectional=bidirectional,
            learn_initial_state=learn_initial_state,
            n_layers=n_layers,
        )
    network, texts = networks[key], draw_texts(lengths)
    for function in (network.predict, network.represent):
        np.testing.assert_allclose(
            function(texts), one_by_one(function, texts), rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "concat"])
def test_each_pooling_is_that_of_a_text_alone(pooling):
    network = a_network(pooling=pooling, bidirectional=True)
    texts = draw_texts([*range(20), 150])
    together = network.represent(texts)
    assert together.shape == (21, network.encoder.representation_size)
    np.testing.assert_allclose(
        together, one_by_one(network.represent, texts), rtol=1e-9, atol=1e-9
    )


def test_many_texts_are_read_with_the_weights_of_the_moment():
    network, texts = a_network(), draw_texts([7] * 20)
    before = network.predict(texts)
    embeddings = network.encoder.embedding.embeddings
    embeddings.assign(-copy_of(embeddings))
    after = network.predict(texts)
    assert np.abs(after - before).max() > 0.01
    np.testing.assert_allclose(after, one_by_one(network.predict, texts), rtol=1e-9)


def test_a_part_of_many_texts_is_read_as_all_are():
    network, texts = a_network(), draw_texts(range(60))
    np.testing.assert_allclose(
        network.predict(texts[20:40]), network.predict(texts)[20:40], rtol=1e-9
    )


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_float16_pools_as_exactly_over_many_texts(pooling):
    keras.config.set_floatx("float16")
    network = a_network(pooling=pooling)
    texts = draw_texts([*range(20), 2_000])
    together, alone = network.represent(texts), one_by_one(network.represent, texts)
    assert together.dtype == np.float16
    # The states themselves are known to three digits.
    np.testing.assert_allclose(together, alone, rtol=0, atol=0.02)


def test_texts_of_different_words_are_read_alike():
    # Every id but a few occurs once: there is nothing to be saved by tables.
    network = a_network(vocabulary_size=10_000)
    ids = np.random.RandomState(0).permutation(9_998)[:400] + 2
    texts = Sequences.from_lengths(ids, [20] * 20)
    np.testing.assert_allclose(
        network.predict(texts), one_by_one(network.predict, texts), rtol=1e-9
    )
