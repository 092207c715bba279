"""Warnings that point at the user's line."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import sklearn

# `warnings.warn` takes such folders itself from Python 3.12 on.
_PASSED_OVER = tuple(str(Path(file).parent) for file in (__file__, sklearn.__file__))


def warn_user(message: str) -> None:
    """Warn, pointing at the last line that is neither ours nor scikit-learn's.

    Parameters
    ----------
    message : str
        What a `UserWarning` says.
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(_PASSED_OVER):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
