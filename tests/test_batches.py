"""Batches of like length: few shapes, little padding, the caller's order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from skrnn import Sequences
from skrnn.backend import SIZES_AN_OCTAVE
from skrnn.batches import LengthSortedBatches, apply_by_length

lengths_of_texts = st.lists(st.integers(0, 3_000), min_size=1, max_size=200)


def shapes_and_sums(lengths, tokens_a_batch):
    ids = np.arange(sum(lengths)) % 250 + 1
    sequences = Sequences.from_lengths(ids.astype(np.uint8), lengths)
    shapes = []

    def add_up(batch):
        shapes.append(batch.shape)
        return batch.sum(axis=1, keepdims=True)

    sums = apply_by_length(add_up, sequences, tokens_a_batch=tokens_a_batch)
    return shapes, sums[:, 0].tolist(), [int(one.sum()) for one in sequences]


@given(lengths_of_texts, st.integers(1, 10_000))
def test_rows_come_in_the_callers_order(lengths, tokens_a_batch):
    shapes, sums, expected = shapes_and_sums(lengths, tokens_a_batch)
    assert sums == expected
    for n_texts, n_steps in shapes:
        assert n_texts == 1 or n_texts * n_steps <= tokens_a_batch


def test_a_thousand_lengths_make_few_shapes_with_little_padding():
    lengths = range(1, 1_025)
    shapes, _, _ = shapes_and_sums(lengths, tokens_a_batch=1)
    steps = {n_steps for _, n_steps in shapes}
    assert len(steps) <= SIZES_AN_OCTAVE * 11
    n_padded = sum(n_texts * n_steps for n_texts, n_steps in shapes) - sum(lengths)
    assert n_padded / sum(lengths) < 1 / SIZES_AN_OCTAVE


def test_short_texts_are_not_padded():
    lengths = range(1, 2 * SIZES_AN_OCTAVE + 1)
    shapes, _, _ = shapes_and_sums(lengths, tokens_a_batch=1)
    assert sorted(shapes) == [(1, length) for length in lengths]


def test_batches_to_train_on_are_of_like_lengths_and_few_shapes():
    rng = np.random.RandomState(0)
    lengths = rng.randint(1, 600, size=4_096)
    ids = np.ones(lengths.sum(), np.uint8)
    batches = LengthSortedBatches(
        Sequences.from_lengths(ids, lengths),
        lengths,
        np.ones(len(lengths), np.float32),
        batch_size=64,
        random_state=rng,
    )
    orders = []
    for _ in range(2):
        batches.shuffle()
        epoch = [batches[i] for i in range(len(batches))]
        n_places = sum(padded.size for padded, _, _ in epoch)
        # In batches drawn without regard to length half of the places were empty.
        assert n_places < 1.2 * lengths.sum()
        steps = {padded.shape[1] for padded, _, _ in epoch}
        assert len(steps) <= SIZES_AN_OCTAVE * 11
        targets = np.concatenate([targets for _, targets, _ in epoch])
        np.testing.assert_array_equal(np.sort(targets), np.sort(lengths))
        orders.append(targets)
    assert (orders[0] != orders[1]).any()
