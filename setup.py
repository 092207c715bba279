"""What `pyproject.toml` has no place for: kernels in C, where they can be compiled."""

import platform
import sys
from glob import glob

from setuptools import Extension, setup

# Its instructions are those of x86, its compilers GCC and Clang. Elsewhere, and where
# no compiler is at hand, TensorFlow and NumPy take its place: slower, with the same
# results but for rounding.
IS_COMPILED = platform.machine() == "x86_64" and sys.platform == "linux"

kernels = Extension(
    "skrnn.native._kernel",
    sources=sorted(glob("skrnn/native/*.c")),
    depends=glob("skrnn/native/*.h"),
    # Roots are taken several at a time only where none has to say of an error.
    extra_compile_args=["-std=gnu11", "-O3", "-fno-math-errno", "-pthread"],
    extra_link_args=["-pthread"],
    optional=True,
)

setup(ext_modules=[kernels] if IS_COMPILED else [])
