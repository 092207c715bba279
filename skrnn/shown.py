"""An estimator as it is printed, and as a notebook shows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from typing import Self

from sklearn.base import BaseEstimator
from sklearn.utils import estimator_html_repr
from sklearn.utils._pprint import _EstimatorPrettyPrinter

# Longer collections of tokens are not written out where an estimator is shown.
_MOST_TOKENS_SHOWN = 100


class _Shown:
    """What stands for a long collection of tokens."""

    def __init__(self, tokens: Collection):
        self._text = f"<{type(tokens).__name__} of {len(tokens)} tokens>"

    def __repr__(self) -> str:
        return self._text


class ShownBriefly:
    """Shows an estimator without writing out its vectors or its vocabulary."""

    def __repr__(self, N_CHAR_MAX=700) -> str:
        # Scikit-learn formats all of a parameter before it cuts that short, which takes
        # minutes for the vectors of a large vocabulary.
        return BaseEstimator.__repr__(self._shown(), N_CHAR_MAX)

    def _html_repr(self) -> str:
        return estimator_html_repr(self._shown())

    def _shown(self) -> Self:
        """The same with the number of tokens in place of long collections of these."""
        shown = object.__new__(type(self))
        vars(shown).update(vars(self))
        for name in ("embeddings", "vocabulary"):
            value = getattr(self, name, None)
            is_long = (
                isinstance(value, Mapping | Set | list | tuple)
                and len(value) > _MOST_TOKENS_SHOWN
            )
            if is_long:
                setattr(shown, name, _Shown(value))
        return shown


def _print_briefly(printer, estimator: ShownBriefly, *others) -> None:
    printer._pprint_estimator(estimator._shown(), *others)


# Scikit-learn breaks the lines of estimators whose `__repr__` it knows.
_EstimatorPrettyPrinter._dispatch[ShownBriefly.__repr__] = _print_briefly
