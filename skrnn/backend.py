"""What depends on the backend, the loop over steps aside."""

from __future__ import annotations

import contextlib
import os
import weakref
from pathlib import Path

import numpy as np

from skrnn._keras import ON_TENSORFLOW, keras
from skrnn.native import embedding, gru
from skrnn.native.arrays import empty

if ON_TENSORFLOW:
    import tensorflow as tf
    from tensorflow.python.eager.context import context, context_safe
    from tensorflow.python.framework.config import is_op_determinism_enabled
    from tensorflow.python.framework.ops import gradient_registry

    try:
        from tensorflow.python.eager.execute import execute
    except ImportError:
        execute = None

    # No public name forgets a gradient. Should this one go, memory is all that is lost.
    _REGISTERED = getattr(gradient_registry, "_registry", {})
else:
    _REGISTERED = {}


def sees_gpu() -> bool:
    """Whether the backend may use a GPU.

    Apple's count as none here: they have neither cuDNN nor XLA.
    """
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.is_available() and torch.backends.cudnn.is_available()
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    if not ON_TENSORFLOW or not tf.config.get_visible_devices("GPU"):
        return False
    build = tf.sysconfig.get_build_info()
    return bool(build.get("is_cuda_build") or build.get("is_rocm_build"))


def choose_implementation(
    *,
    cell: str,
    hidden_size: int,
    gate_activation: str,
    bidirectional: bool,
    learn_initial_state: bool,
    precision: str,
) -> str:
    """Choose what runs the recurrent layers; nothing else chooses that.

    Parameters
    ----------
    cell, hidden_size, gate_activation, bidirectional, learn_initial_state, precision
        Those of `SequenceEncoder`.

    Returns
    -------
    {"loop", "native", "xla", "cudnn"}
        "native" on a CPU with TensorFlow, for a GRU that `skrnn.native` has a kernel
        for, but where the loop is faster. "cudnn" on a GPU with TensorFlow or PyTorch,
        for what cuDNN's kernel computes: gates that are a sigmoid, no products in
        bfloat16, and states that padding leaves alone. "xla" for all others on a GPU
        with TensorFlow, unless that is to be deterministic, and always with JAX: the
        loop compiled, once for every shape. Else "loop": on a CPU, XLA was measured no
        faster.
    """
    if keras.backend.backend() == "jax":
        return "xla"
    if not sees_gpu():
        return "native" if _runs_natively(cell, hidden_size, precision) else "loop"
    # Padding comes before the first token, where an LSTM's state is zero.
    holds = cell == "gru" or (
        cell == "lstm" and not bidirectional and not learn_initial_state
    )
    is_sigmoid = gate_activation != "hard_sigmoid"
    if holds and is_sigmoid and precision == "float32":
        return "cudnn"
    # Where all is to be deterministic Keras trains nothing by XLA.
    if not ON_TENSORFLOW or is_op_determinism_enabled():
        return "loop"
    return "xla"


# A recurrent kernel in float32 that is wider than this leaves a core's cache at every
# step. On a Xeon TensorFlow's products were measured faster then, on one of AMD's
# processors with AVX-512 the kernel's at any width that was tried.
_WIDEST_FLOAT32 = 256


def is_native_in_float32(hidden_size: int) -> bool:
    """Whether a kernel of `skrnn.native` is what takes a GRU's steps in float32.

    Parameters
    ----------
    hidden_size : int
        That of `SequenceEncoder`.
    """
    kernel = gru.fastest_kernel("float32")
    if hidden_size <= _WIDEST_FLOAT32:
        return kernel is not None
    return kernel == "avx512" and "AuthenticAMD" in _words_of_cpuinfo()


def _runs_natively(cell: str, hidden_size: int, precision: str) -> bool:
    return (
        ON_TENSORFLOW
        # Whose gradient goes the same way.
        and embedding.LIBRARY is not None
        and cell == "gru"
        and keras.config.floatx() == "float32"
        and hidden_size % gru.MULTIPLE == 0
        # Outside of training all is in float32, and so is training in bfloat16 where
        # no kernel has that.
        and gru.fastest_kernel("float32") is not None
        and (is_native_in_float32(hidden_size) or _trains_natively_in(precision))
    )


def _trains_natively_in(precision: str) -> bool:
    return precision == "bfloat16" and gru.fastest_kernel(precision) is not None


def jit_compile(implementation: str) -> bool | str:
    """What `keras.Model.compile` is told; backends but TensorFlow choose themselves."""
    return implementation == "xla" if ON_TENSORFLOW else "auto"


def sizes_an_octave(implementation: str) -> int:
    """How many sizes batches have between one power of two and the next.

    XLA compiles for every shape, which takes seconds. oneDNN keeps what it made for
    each, some megabytes a shape.
    """
    return 2 if implementation == "xla" else 16


def values_a_batch() -> int:
    """How many values the hidden states of all steps of a batch to predict have.

    On a CPU larger ones were measured no faster; a GPU they would leave idle. Memory is
    several times this.
    """
    return 2**26 if sees_gpu() else 2**23


# What Linux says of the processor.
_CPUINFO = Path("/proc/cpuinfo")


def _words_of_cpuinfo() -> set[str]:
    if not _CPUINFO.exists():
        return set()
    return set(_CPUINFO.read_text(encoding="utf-8", errors="replace").split())


def fastest_precision(cell: str, hidden_size: int) -> str:
    """Tell what matrix products to take, as far as was measured.

    Parameters
    ----------
    cell, hidden_size
        Those of `SequenceEncoder`.

    Returns
    -------
    {"bfloat16", "float32"}
        "bfloat16" where TensorFlow runs on a processor that multiplies it faster than
        float32, which only Linux tells: one with AMX, unless that is kept from the
        process, or one of AMD's with instructions for it. There from a size of 128 on
        where a kernel of `skrnn.native` takes the steps in it, and from 256 on where
        none takes them. Elsewhere, and where Keras computes in more than float32,
        "float32".
    """
    if not ON_TENSORFLOW or keras.config.floatx() != "float32" or sees_gpu():
        return "float32"
    words = _words_of_cpuinfo()
    # A sandbox may keep AMX from the process, which is only seen where the compiled
    # library has asked for it.
    refused = "avx512_bf16" in gru.KERNELS and "amx" not in gru.KERNELS
    has_amx = "amx_bf16" in words and not refused
    # With Intel's instructions for it but no AMX a step took up to 1.5 times as long.
    if not has_amx and not {"AuthenticAMD", "avx512_bf16"} <= words:
        return "float32"
    # Of products smaller than these TensorFlow's loop gains a few hundredths.
    least = 256
    if _runs_natively(cell, hidden_size, "bfloat16"):
        if not _trains_natively_in("bfloat16"):
            return "float32"
        least = 128
    return "bfloat16" if hidden_size >= least else "float32"


@contextlib.contextmanager
def memory_errors_explained(what_to_do: str):
    """Say what to do where a batch did not fit.

    Parameters
    ----------
    what_to_do : str
        A sentence, on what a batch's size depends on.

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
        raise MemoryError(
            f"A batch of texts did not fit in memory. {what_to_do}"
        ) from error


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


_lacks_threads = False


def _look_for_threads() -> None:
    """Find out, in a forked process, whether TensorFlow's threads were left behind."""
    global _lacks_threads
    # No public name tells whether it was started: without this one all is as before.
    _lacks_threads |= getattr(context_safe(), "_initialized", False)


if ON_TENSORFLOW and hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_look_for_threads)


def is_forked_process() -> bool:
    """Whether TensorFlow, used before this process was forked, would wait for ever."""
    return _lacks_threads


def refuse_forked_process() -> None:
    """Refuse to compute where TensorFlow would wait for ever.

    Raises
    ------
    RuntimeError
        In a process forked from one that had used TensorFlow, whose threads stayed
        there.
    """
    if is_forked_process():
        raise RuntimeError(
            "This process was forked from one that had used TensorFlow, which would "
            "wait here for ever. Start processes by 'spawn' or 'forkserver', as "
            "`multiprocessing.get_context` offers, and load the estimator in each."
        )


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


def apply_adam(
    variable, momentum, velocity, gradient, *, step, learning_rate, betas, epsilon
) -> None:
    """Take a step of Adam in one pass over a variable, on TensorFlow.

    Parameters
    ----------
    variable, momentum, velocity : tf.Variable
        Are updated.

    gradient : tensor of the variable's shape
        Its gradient.

    step : int tensor
        The number of this step, from 1.

    learning_rate, epsilon : float or tensor
        The step size, and what is added to the root of the velocity.

    betas : tuple of two floats
        The rates that momentum and velocity decay by.
    """
    step = tf.cast(step, variable.dtype)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=momentum.handle,
        v=velocity.handle,
        beta1_power=tf.pow(tf.cast(betas[0], variable.dtype), step),
        beta2_power=tf.pow(tf.cast(betas[1], variable.dtype), step),
        lr=tf.cast(learning_rate, variable.dtype),
        beta1=betas[0],
        beta2=betas[1],
        epsilon=epsilon,
        grad=gradient,
    )


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
