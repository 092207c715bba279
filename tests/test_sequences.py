"""Sequences: many texts' ids in one flat array."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn import Sequences

id_lists = st.lists(st.lists(st.integers(1, 99), max_size=6), max_size=8)


@given(id_lists)
def test_what_goes_in_comes_out(lists):
    sequences = Sequences.from_lists(lists)
    assert len(sequences) == len(lists)
    assert [one.tolist() for one in sequences] == lists
    assert sequences.lengths.tolist() == [len(one) for one in lists]
    assert sequences.ids.dtype == np.uint8
    assert sequences.offsets.dtype == sequences.lengths.dtype == np.int32


@pytest.mark.parametrize(
    ("greatest", "dtype"),
    [
        (0, np.uint8),
        (255, np.uint8),
        (256, np.uint16),
        (65_535, np.uint16),
        (65_536, np.int32),
        (2**31 - 1, np.int32),
    ],
)
def test_ids_take_the_smallest_type_and_keep_it(greatest, dtype):
    sequences = Sequences.from_lists([[1, greatest], [], [2]])
    assert sequences[0].tolist() == [1, greatest]
    for part in (sequences, sequences[[2, 1]], sequences[1:2], sequences[[]]):
        assert part.ids.dtype == dtype
        assert part.padded().dtype == np.int32
    assert sequences.padded().tolist() == [[1, greatest], [0, 0], [0, 2]]


def test_no_id_is_negative():
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        Sequences.from_lists([[3, -1]])


@pytest.mark.parametrize("offsets", [[1, 3], [0, 2], [0, 4]])
def test_offsets_own_all_ids(offsets):
    with pytest.raises(ValueError, match="`offsets` should go from 0 to 3"):
        Sequences(np.array([5, 6, 7], np.uint8), np.array(offsets))


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint16])
def test_no_text_has_less_than_no_tokens(dtype):
    ids = np.array([5, 6, 7], np.uint8)
    with pytest.raises(ValueError, match="should not fall, as they do at text 1"):
        Sequences(ids, np.array([0, 30_000, 3], dtype))
    with pytest.raises(ValueError, match="should not fall, as they do at text 1"):
        Sequences.from_lengths(ids, [30_000, -29_997])
    with pytest.raises(ValueError, match="are empty"):
        Sequences(ids, np.array([], dtype))


@pytest.mark.parametrize("lengths", [[1, 0, 2], iter([1, 0, 2]), np.uint8([1, 0, 2])])
def test_flat_ids_keep_their_type(lengths):
    sequences = Sequences.from_lengths(np.array([5, 6, 7], np.uint16), lengths)
    assert [one.tolist() for one in sequences] == [[5], [], [6, 7]]
    assert sequences.ids.dtype == np.uint16
    assert sequences.offsets.dtype == sequences.lengths.dtype == np.int32


@given(id_lists, st.data())
def test_indexing_is_that_of_an_array_of_texts(lists, data):
    sequences = Sequences.from_lists(lists)
    texts = np.empty(len(lists), object)
    texts[:] = lists
    n_texts = len(lists)
    keys = [
        slice(None, None, -1),
        data.draw(st.slices(n_texts)),
        np.array(
            data.draw(st.lists(st.booleans(), min_size=n_texts, max_size=n_texts))
        ).astype(bool),
    ]
    if n_texts:
        keys.append(data.draw(st.lists(st.integers(-n_texts, n_texts - 1), min_size=1)))
        last = data.draw(st.integers(-n_texts, n_texts - 1))
        assert sequences[last].tolist() == texts[last]
    for key in keys:
        assert [one.tolist() for one in sequences[key]] == list(texts[key])


@pytest.mark.parametrize("key", [np.uint8(3), np.int16(-297)])
def test_an_index_may_be_of_a_narrow_type(key):
    sequences = Sequences.from_lists([[2 + i] for i in range(300)])
    assert sequences[key].tolist() == [5]


@pytest.mark.parametrize("key", [2, -3])
def test_no_text_lies_beyond_the_ends(key):
    with pytest.raises(IndexError, match=f"text {key} of 2 texts"):
        Sequences.from_lists([[1], [2]])[key]


@given(id_lists)
def test_padding_stands_on_the_left(lists):
    matrix = Sequences.from_lists(lists).padded()
    n_steps = max([len(one) for one in lists] + [1])
    assert matrix.shape == (len(lists), n_steps)
    assert matrix.dtype == np.int32
    for row, ids in zip(matrix.tolist(), lists, strict=True):
        assert row == [0] * (n_steps - len(ids)) + ids


def test_padding_a_part_pads_to_its_own_longest():
    sequences = Sequences.from_lists([[1, 2, 3], [4], [5, 6]])
    assert sequences[1:].padded().tolist() == [[0, 4], [5, 6]]


def test_repr_counts_texts_and_tokens():
    sequences = Sequences.from_lists([[1, 2], [3]])
    assert repr(sequences) == "<Sequences of 2 texts, 3 tokens>"


@given(id_lists, st.integers(1, 12))
def test_parts_hold_all_texts_and_few_tokens(lists, most_tokens):
    parts = list(Sequences.from_lists(lists).in_parts(most_tokens))
    assert [one.tolist() for part in parts for one in part] == lists
    for part in parts:
        counted = np.maximum(part.lengths, 1).sum()
        assert counted <= most_tokens or len(part) == 1


def test_many_texts_are_copied_some_at_a_time():
    lists = [[i % 7] * (i % 4) for i in range(10_000)]
    sequences = Sequences.from_lists(lists)
    backwards = np.arange(len(lists))[::-1]
    assert [one.tolist() for one in sequences[backwards]] == lists[::-1]


@pytest.mark.parametrize(
    ("max_length", "truncate"), [(0, "head"), (2.5, "head"), (-1, "tail"), (3, "mid")]
)
def test_cuts_that_make_no_sense(max_length, truncate):
    with pytest.raises(
        ValueError, match="whole number above 0 or None, and `truncate`"
    ):
        Sequences.from_lists([[1, 2]]).cut(max_length, truncate)
