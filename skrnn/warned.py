"""Warnings that point at the user's line."""

from __future__ import annotations

import sys
import warnings

# Packages that stand between a user's line and what is warned of.
_PASSED_OVER = {"skrnn", "sklearn", "joblib"}


def warn_user(message: str) -> None:
    """Warn, pointing at the last line that is neither ours nor scikit-learn's.

    From Python 3.12 on `warnings.warn` can pass files over itself, by their paths.

    Parameters
    ----------
    message : str
        What a `UserWarning` says.
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back and _package(frame) in _PASSED_OVER:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def _package(frame) -> str:
    return frame.f_globals.get("__name__", "").partition(".")[0]
