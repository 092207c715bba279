"""Where what is compiled for the processor is tested."""

import platform
import shutil
import sys

import pytest

from skrnn._keras import ON_TENSORFLOW
from skrnn.native import gru

# Such processors without AVX2 are rare enough to be told of.
IS_COMPILED = (
    platform.machine() == "x86_64"
    and sys.platform == "linux"
    and (shutil.which("cc") or shutil.which("gcc") or shutil.which("clang"))
)

needs_kernels = pytest.mark.skipif(
    not ON_TENSORFLOW or not (gru.KERNELS or IS_COMPILED),
    reason="TensorFlow alone calls kernels, and here none was compiled",
)
