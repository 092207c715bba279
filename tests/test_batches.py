"""Batches of like length: few shapes, little padding, the caller's order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn import Sequences
from skrnn.batches import LengthSortedBatches, apply_by_length
from skrnn.sequences import positions_of

lengths_of_texts = st.lists(st.integers(0, 3_000), min_size=1, max_size=200)


# With XLA, and without.
sizes_an_octave = pytest.mark.parametrize("sizes", [2, 16])


def shapes_and_sums(lengths, tokens_a_batch, sizes=16):
    ids = np.arange(sum(lengths)) % 250 + 1
    sequences = Sequences.from_lengths(ids.astype(np.uint8), lengths)
    shapes = []

    def add_up(batch):
        shapes.append(batch.shape)
        return batch.sum(axis=1, keepdims=True)

    sums = apply_by_length(
        add_up, sequences, tokens_a_batch=tokens_a_batch, sizes_an_octave=sizes
    )
    return shapes, sums[:, 0].tolist(), [int(one.sum()) for one in sequences]


@given(lengths_of_texts, st.integers(1, 10_000))
def test_rows_come_in_the_callers_order(lengths, tokens_a_batch):
    shapes, sums, expected = shapes_and_sums(lengths, tokens_a_batch)
    assert sums == expected
    for n_texts, n_steps in shapes:
        assert n_texts == 1 or n_texts * n_steps <= tokens_a_batch


@sizes_an_octave
def test_a_thousand_lengths_make_few_shapes_with_little_padding(sizes):
    lengths = range(1, 1_025)
    shapes, _, _ = shapes_and_sums(lengths, 1, sizes)
    steps = {n_steps for _, n_steps in shapes}
    assert len(steps) <= sizes * 11
    n_padded = sum(n_texts * n_steps for n_texts, n_steps in shapes) - sum(lengths)
    assert n_padded / sum(lengths) < 1 / sizes


@sizes_an_octave
def test_short_texts_are_not_padded(sizes):
    lengths = range(1, 2 * sizes + 1)
    shapes, _, _ = shapes_and_sums(lengths, 1, sizes)
    assert sorted(shapes) == [(1, length) for length in lengths]


def test_batches_to_train_on_are_of_like_lengths_and_few_shapes():
    rng = np.random.RandomState(0)
    lengths = rng.randint(1, 600, size=4_096)
    ids = np.ones(lengths.sum(), np.uint8)
    batches = LengthSortedBatches(
        Sequences.from_lengths(ids, lengths),
        lengths,
        np.ones(len(lengths), np.float32),
        texts=positions_of(len(lengths)),
        batch_size=64,
        sizes_an_octave=16,
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
        assert len(steps) <= 16 * 11
        targets = np.concatenate([targets for _, targets, _ in epoch])
        np.testing.assert_array_equal(np.sort(targets), np.sort(lengths))
        orders.append(targets)
    assert (orders[0] != orders[1]).any()


@pytest.mark.parametrize("n_texts", [1, 6, 7, 64 * 3, 64 * 3 + 1, 1_000])
def test_batches_are_pools_of_like_length_in_a_drawn_order(n_texts):
    lengths = np.random.RandomState(1).randint(0, 9, n_texts)
    batches = LengthSortedBatches(
        Sequences.from_lengths(np.ones(lengths.sum(), np.uint8), lengths),
        np.arange(n_texts),
        np.broadcast_to(np.float32(2), n_texts),
        texts=positions_of(n_texts),
        batch_size=3,
        sizes_an_octave=16,
        random_state=np.random.RandomState(0),
    )
    draw = np.random.RandomState(0)
    for _ in range(2):
        batches.shuffle()
        texts = np.arange(n_texts)
        draw.shuffle(texts)
        expected = []
        for start in range(0, n_texts, 64 * 3):
            pool = sorted(texts[start : start + 64 * 3], key=lengths.__getitem__)
            expected += [pool[i : i + 3] for i in range(0, len(pool), 3)]
        order = draw.permutation(len(expected))
        assert len(batches) == len(expected)
        for i, batch in enumerate(order):
            ids, targets, weight = batches[i]
            assert targets.tolist() == expected[batch]
            assert ids.astype(bool).sum(axis=1).tolist() == lengths[targets].tolist()
            assert weight.tolist() == [2] * len(targets)


def test_only_the_chosen_texts_come_in_batches():
    lengths = np.array([3, 0, 2, 3, 1, 2])
    chosen = np.array([5, 0, 3, 1], np.int32)
    batches = LengthSortedBatches(
        Sequences.from_lengths(np.ones(lengths.sum(), np.uint8), lengths),
        np.arange(6),
        np.ones(6, np.float32),
        texts=chosen,
        batch_size=3,
        sizes_an_octave=16,
        random_state=np.random.RandomState(0),
    )
    assert len(batches) == 2
    for _ in range(2):
        batches.shuffle()
        targets = [target for i in range(2) for target in batches[i][1].tolist()]
        assert sorted(targets) == [0, 1, 3, 5]


def test_without_a_random_state_texts_come_by_length():
    lengths = np.array([3, 0, 2, 3, 1])
    batches = LengthSortedBatches(
        Sequences.from_lengths(np.ones(lengths.sum(), np.uint8), lengths),
        np.arange(5),
        np.ones(5, np.float32),
        texts=positions_of(5),
        batch_size=2,
        sizes_an_octave=16,
    )
    targets = [batches[i][1].tolist() for i in range(len(batches))]
    assert targets == [[1, 4], [2, 0], [3]]


def test_texts_meet_others_in_every_epoch():
    lengths = np.arange(1, 513)
    batches = LengthSortedBatches(
        Sequences.from_lengths(np.ones(lengths.sum(), np.uint8), lengths),
        lengths,
        np.ones(512, np.float32),
        texts=positions_of(512),
        batch_size=2,
        sizes_an_octave=16,
        random_state=np.random.RandomState(0),
    )
    epochs = []
    for _ in range(2):
        batches.shuffle()
        targets = [batches[i][1] for i in range(len(batches))]
        epochs.append({frozenset(pair.tolist()) for pair in targets})
    # Sorted in one pool, as no two are alike, all would be the same.
    assert len(epochs[0] & epochs[1]) < 64
