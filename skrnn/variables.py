"""Variables' values as arrays, with a copy and without."""

from __future__ import annotations

import contextlib

import numpy as np

from skrnn._keras import ON_TENSORFLOW, keras
from skrnn.native.arrays import empty

if ON_TENSORFLOW:
    import tensorflow as tf
    from tensorflow.python.eager.context import context

    try:
        from tensorflow.python.eager.execute import execute
    except ImportError:
        execute = None


class Views:
    """Variables' values as they are when it is called, all at once, without a copy.

    For TensorFlow on a CPU.

    Parameters
    ----------
    variables : list of keras.Variable
        Built, and left as they are.
    """

    def __init__(self, variables: list[keras.Variable]):
        held = [one.value for one in variables]
        self._handles = [one.handle for one in held]
        self._dtypes = [one.dtype.as_datatype_enum for one in held]

    def __call__(self) -> list[np.ndarray]:
        """Give an array for each, which cannot be written to.

        What is assigned to a variable later is not seen.
        """
        return [np.asarray(memoryview(tensor)) for tensor in self._read()]

    def _read(self) -> list:
        # To read one with a public name takes as long as to read all.
        if execute is not None:
            attributes = ("N", len(self._handles), "dtypes", self._dtypes)
            with contextlib.suppress(tf.errors.NotFoundError):
                return execute(
                    b"_ReadVariablesOp",
                    len(self._handles),
                    self._handles,
                    attributes,
                    context(),
                )
        return [
            tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)
            for handle, dtype in zip(self._handles, self._dtypes, strict=True)
        ]


def copy_of(variable: keras.Variable) -> np.ndarray:
    """Copy a variable's values into an array.

    Parameters
    ----------
    variable : keras.Variable
        Is left as it is.

    Returns
    -------
    ndarray of the variable's shape and dtype
    """
    if ON_TENSORFLOW:
        # `numpy` copies. Keras' own way makes NumPy warn that arrays of TensorFlow know
        # no `copy`.
        return variable.value.numpy()
    return keras.ops.convert_to_numpy(variable).copy()


def memory_of(variable: keras.Variable) -> np.ndarray:
    """Give a variable memory of NumPy's, with its values; on TensorFlow.

    What it held before stays as it is for whoever holds that, too.

    Parameters
    ----------
    variable : keras.Variable
        Built, of float32.

    Returns
    -------
    ndarray of the variable's shape
        What is written there is the variable's value.
    """
    array = empty(tuple(variable.shape))
    np.copyto(array, _memory(variable))
    variable.assign(tf.experimental.dlpack.from_dlpack(array.__dlpack__()))
    return array


def put_back(variable: keras.Variable, array: np.ndarray) -> None:
    """Give a variable an array's values, where it does not share the memory.

    TensorFlow copies what is assigned to a variable that was once written in parts.

    Parameters
    ----------
    variable : keras.Variable
        Which `memory_of` was called with.

    array : ndarray
        What that gave.
    """
    if not np.shares_memory(_memory(variable), array):
        variable.assign(array)


def _memory(variable: keras.Variable) -> np.ndarray:
    return np.asarray(memoryview(variable.value.read_value()))
