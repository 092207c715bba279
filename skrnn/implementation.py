"""What runs the recurrent layers, in which precision, and in batches of which sizes."""

from __future__ import annotations

from pathlib import Path

from skrnn._keras import ON_TENSORFLOW, keras
from skrnn.native import embedding, gru

if ON_TENSORFLOW:
    import tensorflow as tf
    from tensorflow.python.framework.config import is_op_determinism_enabled


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
        # The embedding's gradient needs the library, too.
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


def tokens_a_batch(hidden_size: int) -> int:
    """How many tokens a batch to predict has.

    On a CPU larger ones were measured no faster, and took more memory; a GPU they would
    leave idle.

    Parameters
    ----------
    hidden_size : int
        That of `SequenceEncoder`.
    """
    return 2**26 // hidden_size if sees_gpu() else min(2**23 // hidden_size, 2**16)


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
    # A container may keep AMX from the process, which is only seen where the compiled
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
