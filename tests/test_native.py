"""The compiled kernels of the GRU against NumPy, Keras and our own loop."""

import functools
import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import numpy as np
import pytest
from corpus import assert_same_model
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernels import needs_kernels
from test_encoder import N_IDS, an_encoder
from test_layers import N_FEATURES, a_layer, gradients, inputs, run, text_by_text, twin
from test_memory import resident_mib

from skrnn import RNNTextClassifier
from skrnn._keras import keras
from skrnn.cells import GRU
from skrnn.embedding import Embedding
from skrnn.gates import GATES
from skrnn.implementation import choose_implementation, fastest_precision
from skrnn.native import adam, arrays, embedding, gru, marks, ngrams, words
from skrnn.native.arrays import empty, let_go, zeros_given_back
from skrnn.native.binding import (
    library_with,
    structure,
)
from skrnn.native.texts import point_at
from skrnn.sequences import PADDING_ID

pytestmark = needs_kernels

STEEPNESS = {"hard_sigmoid": None, "steep_sigmoid": 3.75, "sigmoid": 1.0}

# Of the largest number. In bfloat16 a kernel rounds what it hands from step to step.
TOLERANCE = {"float32": 3e-6, "bfloat16": 3e-2}

IN_BFLOAT16 = [one for one in gru.KERNELS if gru.precision_of(one) == "bfloat16"] or [
    pytest.param(
        None,
        marks=pytest.mark.skip(reason="this processor runs no kernel in bfloat16"),
    )
]


def test_a_kernel_is_there_where_it_can_be_compiled():
    # Each alone can be missing, where the library is of another state of the code.
    others = (
        words.IS_COMPILED,
        ngrams.IS_COMPILED,
        marks.IS_COMPILED,
        embedding.LIBRARY,
        adam.LIBRARY,
    )
    assert gru.fastest_kernel("float32") and all(others), (
        "Reinstall skrnn, and look at what the compiler says: pip install -v -e ."
    )


def arguments(kernel, steps, size, lengths, n_features=24):
    """What `forward` takes, of reasonable sizes, and gradients from above."""
    draw = np.random.default_rng(0)
    batch = len(lengths)

    def normal(scale, *shape):
        return draw.normal(0.0, scale, shape).astype(np.float32)

    def multiplied(scale, *shape):
        # Rounded once, so that what a kernel rounds of it changes nothing.
        dtype = np.float32
        if gru.precision_of(kernel) == "bfloat16":
            dtype = ml_dtypes.bfloat16
        return normal(scale, *shape).astype(dtype).astype(np.float32)

    given = {
        "inputs": multiplied(0.7, steps, batch, n_features),
        "padding": (np.arange(steps)[:, None] < steps - np.array(lengths)).astype(
            np.uint8
        ),
        "recurrent": multiplied(0.7 / np.sqrt(size), size, 3 * size),
        "bias": normal(0.1, 3 * size),
        "recurrent_bias": normal(0.1, size),
        "initial": normal(0.5, batch, size),
        "input_kernel": multiplied(0.9 / np.sqrt(n_features), n_features, 3 * size),
    }
    return given, normal(1.0, steps, batch, size)


def go_back(given, upstream, made, **options):
    names = ("inputs", "padding", "recurrent", "input_kernel")
    return gru.backward(upstream, *(given[name] for name in names), *made, **options)


def there_and_back(kernel, given, upstream, *, reverse=False, gate="sigmoid"):
    """The states after each step, and all gradients."""
    options = {"kernel": kernel, "reverse": reverse, "steepness": STEEPNESS[gate]}
    made = gru.forward(**given, **options, keeps=True)
    found = go_back(given, upstream, made, **options)
    return made[0][:-1] if reverse else made[0][1:], *found


def by_numpy(given, upstream, *, reverse, gate):
    """The same in float64, one step and one text after the other."""
    inputs, padding, recurrent, bias, recurrent_bias, initial, kernel = (
        np.asarray(one, np.float64) for one in given.values()
    )
    steepness = STEEPNESS[gate]
    if steepness is None:

        def function(x):
            return np.clip(x + 0.5, 0.0, 1.0)

        def slope(y):
            return ((y > 0) & (y < 1)).astype(float)
    else:

        def function(x):
            return 1 / (1 + np.exp(-steepness * x))

        def slope(y):
            return steepness * y * (1 - y)

    size = len(recurrent)
    hidden = np.zeros(upstream.shape)
    of_inputs, of_kernel = np.zeros(inputs.shape), np.zeros(kernel.shape)
    of_recurrent = np.zeros(recurrent.shape)
    of_biases, of_initial = np.zeros((4, size)), np.zeros(initial.shape)
    order = [*range(len(inputs))][:: -1 if reverse else 1]
    for i in range(inputs.shape[1]):
        present = [t for t in order if not padding[t, i]]
        h, seen = initial[i], {}
        for t in order:
            if t in present:
                u_z, u_r, u_c = np.split(h @ recurrent, 3)
                x_z, x_r, x_c = np.split(inputs[t, i] @ kernel + bias, 3)
                z, r, u = function(x_z + u_z), function(x_r + u_r), u_c + recurrent_bias
                c = np.tanh(x_c + r * u)
                seen[t] = h, z, r, c, u
                h = z * h + (1 - z) * c
            hidden[t, i] = h
        of_h = np.zeros(size)
        for t in reversed(order):
            of_h = of_h + upstream[t, i]
            if t not in present:
                continue
            before, z, r, c, u = seen[t]
            of_c = of_h * (1 - z) * (1 - c * c)
            of_z = of_h * (before - c) * slope(z)
            of_r = of_c * u * slope(r)
            of_x = np.concatenate([of_z, of_r, of_c])
            of_u = np.concatenate([of_z, of_r, of_c * r])
            of_inputs[t, i] = kernel @ of_x
            of_kernel += np.outer(inputs[t, i], of_x)
            of_recurrent += np.outer(before, of_u)
            of_biases += np.stack([of_z, of_r, of_c, of_c * r])
            of_h = of_h * z + recurrent @ of_u
        of_initial[i] = of_h
    return hidden, of_inputs, of_kernel, of_recurrent, of_initial, of_biases


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kernel", gru.KERNELS)
@settings(max_examples=8)
@given(
    size=st.sampled_from([32, 64, 96]),
    n_features=st.integers(1, 70),
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=70),
)
@example(size=32, n_features=1, lengths=[1])
@example(size=32, n_features=32, lengths=[0, 0])
# One text more than are taken together, and more than fit in a half of those.
@example(size=64, n_features=33, lengths=[9] * 33)
@example(size=96, n_features=20, lengths=[5, 0, 9] * 7)
# More steps than are held back for the kernels' gradients.
@example(size=32, n_features=17, lengths=[40, 11, 39] * 7)
# Wider weights than a core's cache.
@example(size=1024, n_features=40, lengths=[2, 0, 3])
@example(size=512, n_features=40, lengths=[1, 2] * 20)
def test_kernels_compute_what_numpy_does(
    kernel, reverse, gate, size, n_features, lengths
):
    precision = gru.precision_of(kernel)
    if precision == "bfloat16" and gate == "hard_sigmoid":
        pytest.skip(
            "rounding may move a gate past its bound, where its slope jumps: "
            "test_hard_gates_in_bfloat16_are_near_those_of_float32 holds their norm"
        )
    steps = max(9, *lengths)
    given, upstream = arguments(kernel, steps, size, lengths, n_features)
    found = there_and_back(kernel, given, upstream, reverse=reverse, gate=gate)
    expected = by_numpy(given, upstream, reverse=reverse, gate=gate)
    for one, other in zip(found, expected, strict=True):
        scale = np.abs(other).max(initial=1e-30)
        np.testing.assert_allclose(
            one.astype(np.float64), other, rtol=0, atol=TOLERANCE[precision] * scale
        )


# The second are mostly padding, where not all states are written.
LENGTHS = [[9, 3, 0, 7] * 10, [1] * 20 + [2, 0] * 20 + [9]]
# Which are multiplied otherwise.
FEW = [[9], [2, 0, 9]]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("gate", ["sigmoid", "hard_sigmoid"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kernel", gru.KERNELS)
def test_pooling_in_the_kernel_is_that_of_all_states(kernel, reverse, gate, lengths):
    given, _ = arguments(kernel, 9, 64, lengths)
    options = {"kernel": kernel, "reverse": reverse, "steepness": STEEPNESS[gate]}
    made = gru.forward(**given, **options, keeps=True, pools=True)
    pooled = made[-1]
    states, kept, _ = gru.forward(**given, **options, keeps=True)
    hidden = states[:-1] if reverse else states[1:]
    present = given["padding"][:, :, None] == 0
    expected = [
        hidden[0 if reverse else -1],
        np.where(present, hidden, 0).sum(axis=0),
        np.where(present, hidden, -np.inf).max(axis=0),
    ]
    np.testing.assert_allclose(pooled, expected, rtol=1e-5, atol=1e-5)
    # Without states of all steps.
    *_, alone = gru.forward(**given, **options, pools=True)
    np.testing.assert_array_equal(alone, pooled)

    upstream = np.random.default_rng(1).normal(size=pooled.shape).astype(np.float32)
    of_pooled = go_back(given, upstream, made, **options)
    is_largest = (hidden == pooled[2]) & present
    of_hidden = present * upstream[1] + is_largest * upstream[2]
    of_hidden[0 if reverse else -1] += upstream[0]
    of_states = go_back(
        given, of_hidden.astype(np.float32), (states, kept, pooled[:0]), **options
    )
    # Where one state alone is the largest.
    alone = is_largest.sum(axis=0).max(axis=-1) <= 1
    assert gate == "hard_sigmoid" or alone.all()
    for one, other in zip(of_pooled, of_states, strict=True):
        if one.shape[:2] == hidden.shape[:2]:
            one, other = one[:, alone], other[:, alone]
        elif one.shape[0] == len(lengths):
            one, other = one[alone], other[alone]
        elif not alone.all():  # the weights', of all texts
            continue
        assert one.size
        scale = np.abs(other.astype(float)).max()
        tolerance = TOLERANCE[gru.precision_of(kernel)] * scale
        np.testing.assert_allclose(
            one.astype(float), other.astype(float), rtol=0, atol=tolerance
        )


@pytest.mark.parametrize("lengths", LENGTHS + FEW)
@pytest.mark.parametrize("n_features", [24, 32, 5])
@pytest.mark.parametrize("pools", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kernel", gru.KERNELS)
def test_what_is_looked_up_and_scaled_is_what_stands_there(
    kernel, reverse, pools, n_features, lengths
):
    given, upstream = arguments(kernel, 9, 32, lengths, n_features)
    draw = np.random.default_rng(1)
    table = draw.normal(size=(6, n_features)).astype(np.float32)
    factors = draw.normal(size=(len(lengths), n_features)).astype(np.float32)
    rows = draw.integers(6, size=(9, len(lengths))).astype(np.int32)
    options = {"kernel": kernel, "reverse": reverse, "steepness": None}
    if pools:
        upstream = upstream[:3]

    def taken(inputs, **others):
        read = {**given, "inputs": inputs}
        made = gru.forward(**read, **others, **options, keeps=True, pools=pools)
        if pools:
            # As predictions are made.
            *_, alone = gru.forward(**read, **others, **options, pools=True)
            np.testing.assert_array_equal(alone, made[2])
        found = go_back(read, upstream, made, **others, **options)
        return made[2 if pools else 0], *found

    present = given["padding"] == 0
    for scaled in (False, True):
        times = factors if scaled else np.ones_like(factors)
        made, of_inputs, *others = taken(table[rows] * times)
        of_inputs = of_inputs * times
        others_given = {"factors": factors} if scaled else {}
        found = taken(table[rows], **others_given)
        for one, other in zip(found, (made, of_inputs, *others), strict=True):
            np.testing.assert_array_equal(one, other)
        found = list(taken(table, rows=rows, **others_given))
        # Where no token stands it may be anything.
        found[1], of_inputs = found[1][present], of_inputs[present]
        for one, other in zip(found, (made, of_inputs, *others), strict=True):
            np.testing.assert_array_equal(one, other)


def test_memory_of_arrays_that_are_gone_serves_others_and_no_two_at_once():
    let_go()
    shape = (1000, 100)
    one, other = empty(shape), empty(shape)
    one[:], other[:] = 1.0, 2.0
    assert not np.shares_memory(one, other)
    assert one.ctypes.data % 64 == other.ctypes.data % 64 == 0
    where = one.ctypes.data
    part = one[500:]
    del one
    # A part holds all of it.
    third = empty(shape)
    assert not np.shares_memory(third, part)
    assert (part == 1.0).all()
    there = {where, third.ctypes.data}
    del part, third
    found = empty((1000, 50))
    assert found.ctypes.data in there
    # A much smaller array takes none of it.
    small = empty((300, 64), np.uint8)
    assert not any(start <= small.ctypes.data < start + 400_000 for start in there)
    let_go()
    assert (other == 2.0).all()


def test_what_is_kept_has_a_limit():
    let_go()
    held = [empty((2**20,), np.uint8) for _ in range(300)]
    del held
    kept = sum(one.nbytes for one in arrays._kept.values())
    assert 2**26 < kept <= arrays._MOST_BYTES_KEPT
    # In the place of what is kept.
    large = empty((2**26,), np.uint8)
    kept = sum(one.nbytes for one in arrays._kept.values())
    assert kept + large.nbytes <= arrays._MOST_BYTES_KEPT
    let_go()
    assert not arrays._kept


def kept_memory():
    """What is kept, in whole numbers of four bytes."""
    return [one[: len(one) // 4 * 4] for one in arrays._kept.values()]


@pytest.mark.parametrize("lengths", [[9, 3, 0, 7] * 10, [5] * 3])
@pytest.mark.parametrize("kernel", gru.KERNELS)
def test_what_a_call_leaves_in_memory_touches_no_other(kernel, lengths):
    given, upstream = arguments(kernel, 9, 64, lengths, n_features=20)
    let_go()
    expected = there_and_back(kernel, given, upstream)
    larger, others = arguments(kernel, 12, 96, [12] * 45, n_features=50)
    no_numbers = np.full_like(larger["inputs"], np.nan)
    there_and_back(kernel, {**larger, "inputs": no_numbers}, others)
    assert any(np.isnan(one.view(np.float32)[16:]).any() for one in kept_memory())
    found = there_and_back(kernel, given, upstream)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_threads_share_no_memory():
    def differ(number):
        for _ in range(200):
            array = empty((64, 1024))
            array[:] = number
            if not (array == number).all():
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(differ, range(8)))
    let_go()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells how much is resident")
def test_a_long_text_among_short_ones_takes_little_memory():
    kernel = gru.fastest_kernel("float32")
    given, upstream = arguments(kernel, 2000, 32, [1] * 255 + [2000], 32)
    table = given["inputs"][0, :5].copy()
    given["inputs"] = table
    looked_up = {"rows": np.zeros((2000, 256), np.int32)}
    options = {"kernel": kernel, "reverse": False, "steepness": None}
    # Arrays that others left would take no more.
    let_go()
    before = resident_mib()
    made = gru.forward(**given, **looked_up, **options, keeps=True, pools=True)
    after_forward = resident_mib()
    found = go_back(given, upstream[:3], made, **looked_up, **options)
    after_backward = resident_mib()
    # States take 64 MiB, the inputs' gradients as much, and what is kept four times.
    assert found[0].nbytes == 2**20 * 62.5
    assert after_forward - before < 60
    assert after_backward - after_forward < 20


def test_of_equal_states_the_last_has_the_gradient_of_the_largest():
    kernel = gru.fastest_kernel("float32")
    # An update gate that is open all the time: all states are the first one.
    given, _ = arguments(kernel, 4, 32, [4, 2])
    given["bias"][:32] = 100.0
    options = {"kernel": kernel, "reverse": False, "steepness": None}
    made = gru.forward(**given, **options, keeps=True, pools=True)
    upstream = np.zeros((3, 2, 32), np.float32)
    upstream[2] = 1.0
    *_, of_initial, _ = go_back(given, upstream, made, **options)
    np.testing.assert_array_equal(of_initial, 1.0)


@pytest.mark.parametrize("kernel", IN_BFLOAT16)
def test_hard_gates_in_bfloat16_are_near_those_of_float32(kernel):
    given, upstream = arguments(kernel, 9, 64, [9, 3, 0, 7] * 10)
    found = there_and_back(kernel, given, upstream, gate="hard_sigmoid")
    expected = by_numpy(given, upstream, reverse=False, gate="hard_sigmoid")
    for one, other in zip(found, expected, strict=True):
        error = np.linalg.norm(one.astype(np.float64) - other)
        assert error < 0.1 * np.linalg.norm(other)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kernel", gru.KERNELS)
def test_no_text_depends_on_another(kernel, reverse):
    # A few texts are multiplied otherwise than many, and inputs of some steps at once.
    lengths = [21, 0, 3, 1, 12] * 10
    given, upstream = arguments(kernel, 21, 64, lengths)
    hidden, of_inputs, *_ = there_and_back(kernel, given, upstream, reverse=reverse)
    for n_texts in (1, 2, 3, 5, 7, 11):
        for start in range(0, len(lengths) - n_texts, n_texts):
            those = slice(start, start + n_texts)
            few = {
                name: array[:, those] if name in ("inputs", "padding") else array
                for name, array in given.items()
            }
            few["initial"] = given["initial"][those]
            own, of_own, *_ = there_and_back(
                kernel, few, upstream[:, those], reverse=reverse
            )
            np.testing.assert_array_equal(own, hidden[:, those])
            np.testing.assert_array_equal(of_own, of_inputs[:, those])


@pytest.mark.parametrize("kernel", gru.KERNELS)
def test_the_number_of_threads_changes_no_text(kernel, monkeypatch):
    given, upstream = arguments(kernel, 5, 32, [5, 4, 2] * 30)
    found = []
    for n_threads in ("1", "3", "100"):
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", n_threads)
        found.append(there_and_back(kernel, given, upstream))
    for other in found[1:]:
        for name, one, own in zip(
            ("hidden", "inputs", "kernel", "recurrent", "initial", "biases"),
            other,
            found[0],
            strict=True,
        ):
            if name in ("kernel", "recurrent", "biases"):  # sums over all texts
                scale = np.abs(own).max()
                np.testing.assert_allclose(one, own, rtol=0, atol=1e-5 * scale)
            else:
                np.testing.assert_array_equal(one, own)


@pytest.mark.parametrize("kernel", gru.KERNELS)
def test_the_number_of_threads_may_change_on_the_way(kernel, monkeypatch):
    def never_written(shape, dtype=np.float32):
        n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return np.full(n_bytes, 255, np.uint8).view(dtype).reshape(shape)

    # Half of the texts begin later, so that some threads have nothing to write there.
    given, _ = arguments(kernel, 5, 32, [2] * 16 + [5] * 16)
    options = {"kernel": kernel, "reverse": False, "steepness": None}
    upstream = np.ones((3, 32, 32), np.float32)
    found = []
    for n_threads in ("2", "1"):
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "2")
        monkeypatch.setattr("skrnn.native.gru.empty", never_written)
        made = gru.forward(**given, **options, keeps=True, pools=True)
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", n_threads)
        found.append(go_back(given, upstream, made, **options))
    for one, other in zip(*found, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kernel", gru.KERNELS)
@pytest.mark.parametrize("gate", GATES)
def test_what_is_no_number_is_kept(kernel, gate):
    given, upstream = arguments(kernel, 3, 32, [3, 3])
    given["inputs"][0, 0] = np.nan
    hidden, *_ = there_and_back(kernel, given, upstream, gate=gate)
    assert np.isnan(hidden[:, 0]).all()
    assert np.isfinite(hidden[:, 1]).all()


@pytest.mark.parametrize("kernel", gru.KERNELS)
def test_no_texts_and_no_steps(kernel):
    options = {"kernel": kernel, "reverse": False, "steepness": None}
    for steps, lengths in ((0, [0, 0]), (3, [])):
        given, upstream = arguments(kernel, steps, 32, lengths)
        hidden, *of_all = there_and_back(kernel, given, upstream)
        assert hidden.shape == (steps, len(lengths), 32)
        for one in of_all:
            np.testing.assert_array_equal(one, 0)
        looked_up = {
            "rows": np.zeros((steps, len(lengths)), np.int32),
            "factors": np.ones((len(lengths), 24), np.float32),
        }
        given["inputs"] = np.ones((5, 24), np.float32)
        made = gru.forward(**given, **looked_up, **options, keeps=True, pools=True)
        np.testing.assert_array_equal(made[2][0], given["initial"])
        nothing = np.zeros(made[2].shape, np.float32)
        for one in go_back(given, nothing, made, **looked_up, **options):
            np.testing.assert_array_equal(one, 0)


def with_padding(ids):
    """Ids from 0, and where they are less, which stands for padding."""
    ids = np.array(ids, np.int32)
    return np.maximum(ids, 0), (ids < 0).astype(np.uint8)


@settings(max_examples=20)
@given(
    ids=st.lists(st.integers(-1, 4), max_size=40),
    width=st.integers(1, 70),
    n_threads=st.integers(1, 5),
)
def test_rows_are_summed_as_numpy_does(ids, width, n_threads):
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(len(ids), width)).astype(np.float32)
    expected = np.zeros((5, width), np.float32)
    kept = [i for i, one in enumerate(ids) if one >= 0]
    np.add.at(expected, np.array(ids, int)[kept], vectors[kept])
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TF_NUM_INTRAOP_THREADS", str(n_threads))
        found = embedding.sum_rows(vectors, *with_padding(ids), 5)
    np.testing.assert_array_equal(found, expected)


def test_arrays_of_another_dtype_are_refused():
    vectors = np.ones((2, 3), np.float32)
    with pytest.raises(TypeError, match="`ids` is int64 and not int32"):
        embedding.sum_rows(vectors, np.array([0, 1]), np.zeros(2, np.uint8), 2)
    kernel = gru.fastest_kernel("float32")
    given, upstream = arguments(kernel, 2, 32, [2])
    options = {"kernel": kernel, "reverse": False, "steepness": None}
    states, kept, pooled = gru.forward(**given, **options, keeps=True)
    with pytest.raises(TypeError, match="Another kernel kept uint16"):
        go_back(given, upstream, (states, kept.astype(np.uint16), pooled), **options)


def test_memory_that_there_is_none_of_is_told_of():
    with pytest.raises(MemoryError, match="No memory is left for 4503599627370496 b"):
        zeros_given_back(2**50)


def test_arrays_that_do_not_fit_are_refused():
    kernel = gru.fastest_kernel("float32")
    given, _ = arguments(kernel, 4, 32, [4, 2])
    options = {"kernel": kernel, "reverse": False, "steepness": None}
    for padding in (given["padding"][:3], given["padding"].T, given["padding"][:, :1]):
        with pytest.raises(
            ValueError, match=r"not fit what is read, of shape \(4, 2, 24\)"
        ):
            gru.forward(**{**given, "padding": padding}, **options)
    # Products of a table of five rows.
    table = np.zeros((5, 96), np.float32)
    others = {**given, "inputs": table, "input_kernel": None}
    for row in (-1, 5):
        rows = np.full((4, 2), row, np.int32)
        with pytest.raises(ValueError, match="not all within a table of 5"):
            gru.forward(**others, rows=rows, **options)
    with pytest.raises(ValueError, match=r"not fit what is read, of shape \(3, 2\)"):
        gru.forward(**others, rows=np.zeros((3, 2), np.int32), **options)
    with pytest.raises(ValueError, match=r"not fit what is read, of shape \(5, 96\)"):
        gru.forward(**others, **options)
    with pytest.raises(ValueError, match=r"shape \(5, 95\) should have 96 columns"):
        gru.forward(
            **{**others, "inputs": table[:, :-1]},
            rows=np.zeros((4, 2), np.int32),
            **options,
        )
    with pytest.raises(ValueError, match=r"shape \(4, 2, 23\) should have 24 columns"):
        gru.forward(**{**given, "inputs": given["inputs"][..., :-1]}, **options)
    for shape in ((2, 23), (1, 24), (4, 2, 24)):
        with pytest.raises(ValueError, match="do not fit 2 texts of 24 features"):
            gru.forward(**given, factors=np.ones(shape, np.float32), **options)
    with pytest.raises(ValueError, match="2 rows have 3 ids"):
        embedding.sum_rows(table[:2], *with_padding([0, 0, 0]), 5)
    with pytest.raises(ValueError, match="2 rows have 1 marks of padding"):
        embedding.sum_rows(table[:2], np.zeros(2, np.int32), np.zeros(1, np.uint8), 5)


@pytest.mark.parametrize(
    "change",
    [
        {"momentum": np.zeros((5, 3), np.float32)},
        {"seen": np.zeros(4, np.int32)},
        {"n_steps": 3},
        {"slopes": np.zeros((3, 4), np.float32)},
        {"ids": np.array([-1, 2], np.int32)},
        {"ids": np.array([1, 5], np.int32)},
    ],
)
def test_rows_that_do_not_fit_a_table_are_not_moved(change):
    fits = {
        name: np.ones((5, 4), np.float32) for name in ("table", "momentum", "velocity")
    }
    fits |= {"seen": np.zeros(5, np.int32), "ids": np.array([1, 2], np.int32)}
    fits |= {"sizes": np.ones(2, np.float32), "n_steps": 2, "epsilon": 0.1}
    fits |= {"betas": (0.9, 0.999), "slopes": np.ones((2, 4), np.float32)}
    adam.move_rows(**fits)
    with pytest.raises(ValueError, match=r"do not fit a table of shape \(5, 4\)"):
        adam.move_rows(**{**fits, **change})


def test_a_library_of_another_state_of_the_code_is_not_called():
    fields = {"integers": "n_rows width n_sums", "arrays": "vectors ids padding sums"}
    assert library_with(structure("sum_rows", **fields)) is embedding.LIBRARY
    assert library_with(structure("sum_rows", integers="n_rows width")) is None
    assert library_with(structure("sum_columns", **fields)) is None


def test_without_a_library_there_are_no_kernels():
    code = (
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: (\n"
        "    None if name == 'skrnn.native._kernel' else find(name, *rest)\n"
        ")\n"
        "from skrnn import RNNTextClassifier, Tokenizer\n"
        "from skrnn.native import gru, words\n"
        "assert not gru.KERNELS and not words.IS_COMPILED\n"
        "assert len(Tokenizer().fit_transform(['To be or not to be. '] * 999)) == 999\n"
        "import pickle, skrnn\n"
        "from skrnn.inspection import explain\n"
        "params = {'hidden_size': 32, 'embedding_size': 8, 'random_state': 0}\n"
        "model = RNNTextClassifier(**params, epochs=1)\n"
        "texts = ['a b', 'b c', 'a', 'b'] * 60\n"
        "model.fit(texts, [0, 1, 0, 1] * 60)\n"
        "assert model.model_.encoder.implementation == 'loop'\n"
        "assert model.score(texts, [0, 1, 0, 1] * 60) == 1\n"
        "print(model.decision_function(texts[:4]).tolist())\n"
        "for method in ('reading', 'integrated_gradients'):\n"
        "    assert len(explain(model, 'a b', method=method).tokens) == 2\n"
        "moved = pickle.loads(pickle.dumps(model))\n"
        "assert (moved.predict(texts) == model.predict(texts)).all()\n"
        "skrnn.show_versions()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    texts = ["a b", "b c", "a", "b"] * 60
    params = {"hidden_size": 32, "embedding_size": 8, "random_state": 0}
    by_kernel = RNNTextClassifier(**params, epochs=1).fit(texts, [0, 1, 0, 1] * 60)
    np.testing.assert_allclose(
        json.loads(done.stdout.splitlines()[0]),
        by_kernel.decision_function(texts[:4]),
        rtol=1e-4,
    )


def layers(**parameters):
    """The same layer run by the loop and by a kernel."""
    pair = [
        a_layer(GRU, size=32, implementation=one, **parameters)
        for one in ("loop", "native")
    ]
    draw = np.random.default_rng(0)
    for weights in zip(*(one.trainable_variables for one in pair), strict=True):
        drawn = draw.normal(0.0, 0.2, weights[0].shape)
        for weight in weights:
            weight.assign(drawn)
    return pair


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("learn_initial_state", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("gate_activation", GATES)
def test_a_layer_is_the_same_by_loop_and_kernel(
    gate_activation, reverse, learn_initial_state, training
):
    loop, kernel = layers(
        gate_activation=gate_activation,
        reverse=reverse,
        learn_initial_state=learn_initial_state,
    )
    x, padding = inputs([6, 0, 3, 1])
    np.testing.assert_allclose(
        run(kernel, x, padding, training),
        run(loop, x, padding, training),
        rtol=1e-5,
        atol=1e-6,
    )
    of_kernel, of_loop = (
        gradients(
            functools.partial(one, padding=padding, training=training),
            one.trainable_variables,
            x,
            size=one.size,
        )
        for one in (kernel, loop)
    )
    for one, other in zip(of_kernel, of_loop, strict=True):
        scale = np.abs(other).max()
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize("reverse", [False, True])
@settings(max_examples=4)
@given(lengths=st.lists(st.integers(0, 7), min_size=1, max_size=6))
def test_a_layer_by_the_kernel_is_that_of_keras(reverse, lengths):
    _, layer = layers(reverse=reverse)
    x, padding = inputs(lengths)
    expected = text_by_text(twin(layer), x, padding, reverse=reverse)
    np.testing.assert_allclose(
        run(layer, x, padding, training=True)[~padding],
        keras.ops.convert_to_numpy(expected)[~padding],
        rtol=1e-5,
        atol=1e-6,
    )


def test_what_is_chosen_to_run_natively(tmp_path, monkeypatch):
    def chosen(**others):
        usual = {
            "cell": "gru",
            "hidden_size": 64,
            "gate_activation": "hard_sigmoid",
            "bidirectional": True,
            "learn_initial_state": True,
            "precision": "float32",
        }
        return choose_implementation(**{**usual, **others})

    monkeypatch.setattr("skrnn.implementation.sees_gpu", lambda: False)
    told = tmp_path / "cpuinfo"
    monkeypatch.setattr("skrnn.implementation._CPUINFO", told)
    told.write_text("vendor_id\t: AuthenticAMD\nflags\t\t: avx512f vme\n")
    monkeypatch.setattr("skrnn.native.gru.KERNELS", ("avx512",))
    assert chosen(hidden_size=1024) == "native"
    monkeypatch.setattr("skrnn.native.gru.KERNELS", ("avx2",))
    assert chosen(hidden_size=512) == "loop"
    told.write_text("vendor_id\t: GenuineIntel\nflags\t\t: avx512f vme\n")
    monkeypatch.setattr("skrnn.native.gru.KERNELS", ("avx512",))
    assert chosen() == "native"
    assert chosen(gate_activation="sigmoid", bidirectional=False) == "native"
    assert chosen(cell="lstm") == "loop"
    assert chosen(hidden_size=50) == "loop"
    assert chosen(hidden_size=512) == "loop"
    # In float32, then.
    assert chosen(precision="bfloat16") == "native"
    assert chosen(precision="bfloat16", hidden_size=512) == "loop"
    monkeypatch.setattr("skrnn.native.gru.KERNELS", ("avx512", "amx"))
    assert chosen(precision="bfloat16", hidden_size=512) == "native"
    monkeypatch.setattr("skrnn.native.gru.KERNELS", ())
    assert chosen() == "loop"
    monkeypatch.undo()
    monkeypatch.setattr("skrnn.implementation.sees_gpu", lambda: True)
    assert chosen(gate_activation="sigmoid", bidirectional=False) == "cudnn"


def test_precision_follows_what_runs(tmp_path, monkeypatch):
    told = tmp_path / "cpuinfo"
    told.write_text("flags\t\t: fpu avx512f avx512_bf16 amx_bf16 vme\n")
    monkeypatch.setattr("skrnn.implementation._CPUINFO", told)
    monkeypatch.setattr("skrnn.implementation.sees_gpu", lambda: False)
    monkeypatch.setattr("skrnn.native.gru.KERNELS", ("avx512", "amx"))
    assert fastest_precision("gru", 128) == "bfloat16"
    assert fastest_precision("gru", 96) == "float32"
    # Where the loop takes the steps.
    assert fastest_precision("lstm", 128) == "float32"
    assert fastest_precision("gru", 130) == "float32"
    assert fastest_precision("lstm", 256) == "bfloat16"
    # Where nothing was compiled, or Linux keeps AMX to itself: from TensorFlow, too.
    for kernels, of_256 in (((), "bfloat16"), (("avx512", "avx512_bf16"), "float32")):
        monkeypatch.setattr("skrnn.native.gru.KERNELS", kernels)
        assert fastest_precision("gru", 128) == "float32"
        assert fastest_precision("gru", 256) == of_256
        assert fastest_precision("lstm", 256) == of_256


def test_precision_is_float32_on_a_gpu_and_where_linux_tells_nothing(
    tmp_path, monkeypatch
):
    told = tmp_path / "cpuinfo"
    told.write_text("flags\t\t: fpu avx512f avx512_bf16 amx_bf16 vme\n")
    monkeypatch.setattr("skrnn.native.gru.KERNELS", ("avx512", "amx"))
    for path, gpu in ((told, False), (told, True), (tmp_path / "none", False)):
        monkeypatch.setattr("skrnn.implementation._CPUINFO", path)
        monkeypatch.setattr("skrnn.implementation.sees_gpu", lambda gpu=gpu: gpu)
        expected = "bfloat16" if path == told and not gpu else "float32"
        assert fastest_precision("gru", 256) == expected


# AMD's instructions for bfloat16 are as fast as they should be, Intel's without AMX
# are not; and not every compiler knows them.
@pytest.mark.parametrize(
    ("vendor", "kernels", "of_128", "of_256", "of_loop"),
    [
        ("AuthenticAMD", ("avx512", "avx512_bf16"), "bfloat16", "bfloat16", "bfloat16"),
        ("AuthenticAMD", ("avx512",), "float32", "float32", "bfloat16"),
        ("AuthenticAMD", (), "float32", "bfloat16", "bfloat16"),
        ("GenuineIntel", ("avx512", "avx512_bf16"), "float32", "float32", "float32"),
    ],
)
def test_precision_without_amx_follows_the_vendor(
    vendor, kernels, of_128, of_256, of_loop, tmp_path, monkeypatch
):
    told = tmp_path / "cpuinfo"
    told.write_text(f"vendor_id\t: {vendor}\nflags\t\t: avx512f avx512_bf16 vme\n")
    monkeypatch.setattr("skrnn.implementation._CPUINFO", told)
    monkeypatch.setattr("skrnn.implementation.sees_gpu", lambda: False)
    monkeypatch.setattr("skrnn.native.gru.KERNELS", kernels)
    assert fastest_precision("gru", 96) == "float32"
    assert fastest_precision("gru", 128) == of_128
    assert fastest_precision("gru", 256) == of_256
    assert fastest_precision("lstm", 128) == "float32"
    assert fastest_precision("lstm", 256) == of_loop


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"bidirectional": True, "pooling": "mean"},
        {"n_layers": 2, "learn_initial_state": True},
        {"n_layers": 2, "bidirectional": True, "pooling": "last"},
    ],
)
def test_an_encoder_is_the_same_by_loop_and_kernel(parameters, training, monkeypatch):
    import tensorflow as tf

    parameters = {
        "hidden_size": 32,
        "pooling": "concat",
        "embedding_dropout": 0.5,
        "dropout": 0.3,
        **parameters,
    }
    # NumPy's usual integers, and a text that is all padding.
    ids = np.random.default_rng(0).integers(1, N_IDS, size=(6, 9))
    for i in range(len(ids)):
        ids[i, : 9 - 2 * i] = PADDING_ID
    found = {}
    for implementation, kernels in (("native", gru.KERNELS), ("loop", ())):
        monkeypatch.setattr("skrnn.native.gru.KERNELS", kernels)
        encoder = an_encoder(**parameters)
        assert encoder.implementation == implementation
        with tf.GradientTape() as tape:
            representations = encoder(ids, training=training)
            loss = tf.reduce_sum(representations**2)
        weights = [one.value for one in encoder.trainable_variables]
        found[implementation] = representations, *tape.gradient(loss, weights)
    for one, other in zip(*found.values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_fit_is_the_same_by_loop_and_kernel(precision, monkeypatch, docstrings):
    if gru.fastest_kernel(precision) is None:
        pytest.skip("this processor runs no kernel in bfloat16")
    texts, labels = docstrings
    fitted, probabilities = {}, {}
    for implementation, kernels in (("native", gru.KERNELS), ("loop", ())):
        monkeypatch.setattr("skrnn.native.gru.KERNELS", kernels)
        classifier = RNNTextClassifier(
            embedding_size=32,
            hidden_size=32,
            wide=False,
            epochs=1,
            precision=precision,
            random_state=0,
        ).fit(texts, labels)
        assert classifier.model_.encoder.implementation == implementation
        fitted[implementation] = pickle.dumps(classifier)
        # Of many texts and of one, which are read in ways of their own.
        probabilities[implementation] = np.concatenate(
            [classifier.predict_proba(texts[:40]), classifier.predict_proba(texts[:1])]
        )
    tolerance = 1e-4 if precision == "float32" else 2e-2
    np.testing.assert_allclose(*probabilities.values(), atol=tolerance)
    # A pickle runs by what it meets: no kernel here.
    moved = pickle.loads(fitted["native"])
    assert moved.model_.encoder.implementation == "loop"
    np.testing.assert_allclose(
        moved.predict_proba(texts[:40]), probabilities["native"][:40], atol=1e-5
    )


def test_without_a_kernel_for_bfloat16_that_of_float32_trains(monkeypatch, docstrings):
    kernels = [one for one in gru.KERNELS if gru.precision_of(one) == "float32"]
    monkeypatch.setattr("skrnn.native.gru.KERNELS", tuple(kernels))
    weights = {}
    for precision in ("float32", "bfloat16"):
        classifier = RNNTextClassifier(
            embedding_size=16,
            hidden_size=32,
            wide=False,
            epochs=1,
            precision=precision,
            random_state=0,
        ).fit(*docstrings)
        assert classifier.model_.encoder.implementation == "native"
        assert classifier.model_.encoder.precision == precision
        weights[precision] = classifier.model_.get_weights()
    for one, other in zip(*weights.values(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("looks_up", [False, True])
@pytest.mark.parametrize("in_graph", [False, True])
def test_second_derivatives_are_refused(in_graph, looks_up):
    import tensorflow as tf

    _, layer = layers()
    table = Embedding(5, N_FEATURES, seed=0)
    ids = np.array([[1, 2], [3, 4]], np.int32)
    padding = np.zeros((2, 2), bool)

    def penalty(of):
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                if looks_up:
                    read = {"inputs": ids, "table": table.embeddings.value}
                else:
                    read = {"inputs": table(ids)}
                states = layer(**read, padding=padding, training=True)
                loss = tf.reduce_sum(states**2)
            first = inner.gradient(loss, of())
            squares = tf.reduce_sum(first**2)
        return outer.gradient(squares, of())

    table(ids)
    for of in (lambda: layer.recurrent_kernel.value, lambda: table.embeddings.value):
        call = tf.function(penalty) if in_graph else penalty
        with pytest.raises(NotImplementedError, match="no second derivatives"):
            call(of)


def test_a_model_of_ones_own_trains_with_the_embedding():
    inputs = keras.Input((None,), dtype="int32")
    table = Embedding(5, 8, seed=0)
    x = keras.layers.GlobalAveragePooling1D()(table(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile("adam", "mse")
    ids = np.array([[1, 2], [3, 4], [1, 4]])
    before = table.vectors
    model.fit(ids, np.ones(3), verbose=0)
    assert (table.vectors != before)[1:].all()
    np.testing.assert_array_equal(table.vectors[0], before[0])


def test_a_model_of_ones_own_trains_with_an_encoder():
    # As `TextVectorization` has them.
    inputs = keras.Input((None,), dtype="int64")
    encoder = an_encoder(hidden_size=32)
    model = keras.Model(inputs, keras.layers.Dense(1)(encoder(inputs)))
    model.compile("adam", "mse")
    assert encoder.implementation == "native"
    before = encoder.embedding.vectors
    model.fit(np.array([[0, 2], [3, 4], [0, 4]]), np.ones(3), verbose=0)
    changed = (encoder.embedding.vectors != before).any(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(changed), [2, 3, 4])


def test_pooled_answers_are_those_of_all_steps(docstrings):
    texts, labels = docstrings
    for parameters in (
        {},
        {"bidirectional": True, "n_layers": 2, "learn_initial_state": True},
        {"pooling": "mean", "gate_activation": "steep_sigmoid"},
        {"pooling": "last", "hidden_size": 64},
    ):
        classifier = RNNTextClassifier(
            **{
                "embedding_size": 16,
                "hidden_size": 32,
                "wide": False,
                "embeddings": None,
                "epochs": 1,
                "random_state": 0,
                **parameters,
            }
        ).fit(texts, labels)
        assert classifier.model_.encoder.implementation == "native"
        # A few texts are read step by step, many from tables.
        few = np.concatenate(
            [classifier.predict_proba(texts[i : i + 5]) for i in range(0, 60, 5)]
        )
        np.testing.assert_allclose(classifier.predict_proba(texts[:60]), few, atol=1e-6)


@pytest.mark.parametrize("n_threads", ["1", "3"])
@pytest.mark.parametrize(
    "precision", sorted({gru.precision_of(kernel) for kernel in gru.KERNELS})
)
def test_fits_repeat_and_go_on_bit_for_bit(
    precision, n_threads, monkeypatch, docstrings
):
    texts, labels = docstrings
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", n_threads)

    def fitted():
        return RNNTextClassifier(
            embedding_size=32,
            hidden_size=32,
            epochs=2,
            precision=precision,
            random_state=0,
        ).fit(texts, labels)

    one, other = fitted(), fitted()
    assert one.model_.encoder.implementation == "native"
    assert_same_model(one, other, texts)
    moved = pickle.loads(pickle.dumps(one)).partial_fit(texts, labels)
    assert_same_model(moved, one.partial_fit(texts, labels), texts)


def test_threads_may_ask_at_once(docstrings):
    texts, labels = docstrings
    classifier = RNNTextClassifier(
        embedding_size=32, hidden_size=32, epochs=1, random_state=0
    ).fit(texts, labels)
    expected = [classifier.predict_proba(texts[i : i + 1]) for i in range(20)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            answers = pool.map(
                classifier.predict_proba, [texts[i : i + 1] for i in range(20)]
            )
            np.testing.assert_array_equal(list(answers), expected)


def test_lack_of_memory_is_explained(monkeypatch, docstrings):
    texts, labels = docstrings

    def lacking(shape, dtype=None):
        raise MemoryError("Unable to allocate")

    monkeypatch.setattr("skrnn.native.gru.empty", lacking)
    with pytest.raises(MemoryError, match="Lower `batch_size` or `max_length`"):
        RNNTextClassifier(hidden_size=32, wide=False).fit(texts, labels)


@pytest.mark.parametrize("slot_bits", [0, 1, 8])
def test_a_table_of_words_may_have_a_single_slot(slot_bits):
    keys = np.zeros((2**slot_bits, 2), np.uint64)
    keys[:, 0] = int.from_bytes(b"ab", "little")
    found = words.find_words(
        b"ab ac" + b" " * 16,
        np.array([0, 3], np.int32),
        np.array([2, 5], np.int32),
        np.array([3**40, 5**27], np.uint64),
        keys,
        np.full(2**slot_bits, 7, np.int32),
    )
    np.testing.assert_array_equal(found, [7, -1])


@pytest.mark.parametrize("offsets", [[0, 4], [-1, 3], [0, 2, 1]])
def test_texts_beyond_their_ids_are_not_read(offsets):
    offsets = np.array(offsets, np.int32)
    with pytest.raises(ValueError, match="not all from 0 to 3, the number of ids"):
        point_at(np.zeros(3, np.int32), offsets, n_ids=5)
