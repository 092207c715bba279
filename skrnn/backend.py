"""What else depends on the backend: feeding, draws, graphs, errors of memory."""

from __future__ import annotations

import contextlib
import weakref

import numpy as np

from skrnn._keras import ON_TENSORFLOW, keras

if ON_TENSORFLOW:
    import tensorflow as tf
    from tensorflow.python.framework.ops import gradient_registry

    # No public name forgets a gradient. Should this one go, memory is all that is lost.
    _REGISTERED = getattr(gradient_registry, "_registry", {})
else:
    _REGISTERED = {}


@contextlib.contextmanager
def memory_errors_explained(what_to_do: str, what: str = "A batch of texts"):
    """Say what to do where something did not fit.

    Parameters
    ----------
    what_to_do : str
        A sentence, on what its size depends on.

    what : str, default="A batch of texts"
        What it is.

    Raises
    ------
    MemoryError
        In place of what each backend raises.
    """
    try:
        yield
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        raise MemoryError(f"{what} did not fit in memory. {what_to_do}") from error


def _is_out_of_memory(error: Exception) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    return (
        not names.isdisjoint(
            {"ResourceExhaustedError", "OutOfMemoryError", "MemoryError"}
        )
        # JAX and PyTorch's CPU have no type of their own for it.
        or "RESOURCE_EXHAUSTED" in str(error)
        or "can't allocate memory" in str(error)
    )


def uniform(shape: tuple[int, ...], seed: np.ndarray) -> np.ndarray:
    """Draw what TensorFlow's dropout compares its rate with.

    Parameters
    ----------
    shape : tuple of int
        How many numbers to draw.

    seed : int64 ndarray of shape (2,)
        The state of a `keras.random.SeedGenerator`.

    Returns
    -------
    float32 ndarray
        From 0 to below 1.
    """
    # As Keras makes seeds narrower.
    narrow = (seed % (np.iinfo(np.int32).max - 1)).astype(np.int32)
    # The operation itself: the public function wraps it in several others.
    return tf.raw_ops.StatelessRandomUniform(shape=shape, seed=narrow).numpy()


@contextlib.contextmanager
def gradients_forgotten():
    """Let go of the custom gradients that are traced meanwhile.

    TensorFlow keeps each under a name of its own for as long as the process lives, and
    with it the whole graph: ten megabytes and more a fit, in a search of many. The
    name serves who differentiates a graph that is done. What is traced here takes its
    gradients while it is traced, or has none.
    """
    before = set(_REGISTERED)
    try:
        yield
    finally:
        for name in set(_REGISTERED) - before:
            if name.startswith("CustomGradient"):
                _REGISTERED.pop(name, None)


def feed(batches: keras.utils.PyDataset):
    """Wrap batches of padded ids into what `keras.Model.fit` reads them from.

    Parameters
    ----------
    batches : keras.utils.PyDataset
        Gives tuples of arrays, the first of shape (batch, steps). To be held by the
        caller for as long as it is read.

    Returns
    -------
    keras.utils.PyDataset or tf.data.Dataset
        The same batches in the same order.
    """
    if not ON_TENSORFLOW:
        return batches

    # TensorFlow keeps the generator, and all that it holds, for the process' life.
    held_by_caller, n_batches = weakref.ref(batches), len(batches)

    def epoch():
        for i in range(n_batches):
            yield held_by_caller()[i]

    # Keras would look at two batches and, were they of one length, take it for the
    # length of all.
    ids, *others = batches[0]
    signature = (
        tf.TensorSpec((None, None), ids.dtype),
        *(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in others),
    )
    dataset = tf.data.Dataset.from_generator(epoch, output_signature=signature)
    # Beside its tuning thread TensorFlow runs both halves of a batch one after the
    # other in every second or third epoch.
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = dataset.with_options(options)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
