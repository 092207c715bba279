"""What a report of a bug should say of the machine."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from skrnn import __version__

_PACKAGES = [
    "tensorflow",
    "keras",
    "scikit-learn",
    "scikeras",
    "numpy",
    "scipy",
    "jax",
    "torch",
    "matplotlib",
    "pandas",
]


def show_versions() -> None:
    """Print the versions of what is installed, and what computes here.

    The last lines tell whether the functions in C were compiled, and which of a GRU's
    kernels among them the processor runs.

    See Also
    --------
    sklearn.show_versions : The same for scikit-learn and what it needs.

    Examples
    --------
    >>> from skrnn import show_versions
    >>> show_versions()  # doctest: +SKIP
    """
    _show(
        "System",
        {
            "python": sys.version.replace("\n", " "),
            "executable": sys.executable,
            "machine": platform.platform(),
        },
    )
    _show(
        "Packages", {"skrnn": __version__, **{one: _version(one) for one in _PACKAGES}}
    )
    try:
        # Not before the rest is printed: that they cannot be imported may be the bug.
        from skrnn._keras import keras
        from skrnn.implementation import sees_gpu
        from skrnn.native import adam, binding, embedding, gru, marks, ngrams, words
    except Exception as error:
        _show("Computing", {"backend": f"cannot be imported: {error}"})
        return
    parts = (adam, embedding, marks, ngrams, words)
    # A library of an older state of the code has some of them only.
    missing = [one.__name__.split(".")[-1] for one in parts if one.LIBRARY is None]
    _show(
        "Computing",
        {
            "backend": keras.backend.backend(),
            "GPU": _yes_or_no(sees_gpu()),
            "compiled": "no" if len(missing) == len(parts) else _all_but(missing),
            "kernels": ", ".join(gru.KERNELS) or "none",
            "threads": binding.n_threads(),
        },
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _yes_or_no(true: bool) -> str:
    return "yes" if true else "no"


def _all_but(missing: list[str]) -> str:
    return f"in part, without {', '.join(missing)}" if missing else "yes"


def _show(title: str, rows: dict) -> None:
    width = max(map(len, rows))
    print(f"{title}:")
    for name, value in rows.items():
        print(f"  {name:>{width}}: {value}")
    print()
