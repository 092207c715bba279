"""The kernels for the processor, as operations of TensorFlow's graphs."""

from __future__ import annotations

from skrnn._keras import ON_TENSORFLOW
from skrnn.native import embedding, gru

if ON_TENSORFLOW:
    import tensorflow as tf


def _by_numpy(function, dtypes, tensors: dict, **options):
    """Call a function of arrays, given tensors by the arrays' names."""
    # TensorFlow keeps the callable for the process' life: no tensor may be in it.
    names = tuple(tensors)

    def call(*arrays):
        return function(**dict(zip(names, arrays, strict=True)), **options)

    return tf.numpy_function(call, list(tensors.values()), dtypes, stateful=False)


def _once_differentiated(function, dtypes, tensors: dict, **options):
    """Call a function of arrays that gives gradients, and whose own are not known."""

    @tf.custom_gradient
    def call(*tensors_in_order):
        named = dict(zip(tensors, tensors_in_order, strict=True))

        def gradient(*_):
            # TensorFlow would take it for zero.
            raise NotImplementedError(
                "The compiled kernel gives no second derivatives. A GRU whose size is "
                "no multiple of 32 is computed without it."
            )

        return _by_numpy(function, dtypes, named, **options), gradient

    return call(*tensors.values())


def native_forward(*, keeps=False, pools=False, options: dict, **tensors):
    """Take all steps of a GRU by the kernel for the processor.

    For TensorFlow, as `native_backward` and `native_sums` are.

    Parameters
    ----------
    keeps, pools, **tensors
        See `skrnn.native.gru.forward`.

    options : dict
        Its other parameters.

    Returns
    -------
    states, kept, pooled : tensors
        As it gives them.
    """
    kept_dtype = tf.as_dtype(gru.dtype_of_kept(options["kernel"]))
    states, kept, pooled = _by_numpy(
        gru.forward,
        [tf.float32, kept_dtype, tf.float32],
        tensors,
        keeps=keeps,
        pools=pools,
        **options,
    )
    steps_and_texts = tensors["padding"].shape
    size = tensors["recurrent"].shape[0]
    states.set_shape((None, steps_and_texts[1], size))
    pooled.set_shape((3 if pools else 0, *states.shape[1:]))
    return states, kept, pooled


def native_backward(*, options: dict, **tensors):
    """Go all steps of a GRU back; see `native_forward`.

    Parameters
    ----------
    **tensors
        See `skrnn.native.gru.backward`.

    options : dict
        Its other parameters.

    Returns
    -------
    of_inputs, of_input_kernel, of_recurrent, of_initial, of_biases : tensors
        As it gives them.
    """
    gradients = _once_differentiated(gru.backward, [tf.float32] * 5, tensors, **options)
    size = tensors["recurrent"].shape[0]
    n_features = tensors["input_kernel"].shape[0]
    shapes = [
        (*tensors["padding"].shape, n_features),
        *(tensors[name].shape for name in ("input_kernel", "recurrent")),
        (tensors["padding"].shape[1], size),
        (4, size),
    ]
    for one, shape in zip(gradients, shapes, strict=True):
        one.set_shape(shape)
    return gradients


def native_sums(vectors, ids, padding, n_sums: int):
    """Sum the vectors that have an id in common; see `skrnn.native.embedding.sum_rows`.

    Parameters
    ----------
    vectors : float32 tensor of shape (steps, batch, width)
        What to sum.

    ids : int32 tensor of shape (steps, batch)
        Of each vector.

    padding : uint8 tensor of shape (steps, batch)
        1 at steps that hold no token, whose vectors are left out.

    n_sums : int
        The number of sums.

    Returns
    -------
    float32 tensor of shape (n_sums, width)
    """
    width = vectors.shape[-1]
    tensors = {
        "vectors": tf.reshape(vectors, (-1, width)),
        "ids": tf.reshape(ids, (-1,)),
        "padding": tf.reshape(padding, (-1,)),
    }
    sums = _once_differentiated(embedding.sum_rows, tf.float32, tensors, n_sums=n_sums)
    sums.set_shape((n_sums, width))
    return sums
