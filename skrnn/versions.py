"""The version that an estimator was pickled by."""

from __future__ import annotations

import warnings

from sklearn.exceptions import InconsistentVersionWarning

from skrnn import __version__


class Versioned:
    """Warns where a pickle is of another series of versions than this one."""

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "_skrnn_version": __version__}

    def __setstate__(self, state: dict) -> None:
        state = dict(state)
        version = state.pop("_skrnn_version", "unknown")
        if _series(version) != _series(__version__):
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=__version__,
                    original_sklearn_version=version,
                ),
                stacklevel=2,
            )
        super().__setstate__(state)


def _series(version: str) -> list[str]:
    """The releases that a file may go between: those of a major, or of a minor of 0."""
    numbers = version.split(".")
    return numbers[:2] if numbers[0] == "0" else numbers[:1]
