"""What every display asks for first: a fitted estimator of ours, and matplotlib."""

from __future__ import annotations

from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skrnn.base import TextEstimator


def check_estimator(estimator) -> TextEstimator:
    """Check that this is a fitted classifier or regressor of skrnn.

    Parameters
    ----------
    estimator : object
        What the caller wants to look into.

    Returns
    -------
    TextEstimator

    Raises
    ------
    TypeError
        If it is anything else; for a pipeline or a search the message says where
        the estimator is to be found in it.

    NotFittedError
        If it has not been fitted.
    """
    if not isinstance(estimator, TextEstimator):
        hint = ""
        if isinstance(estimator, Pipeline):
            hint = " Pass the pipeline's last step, `pipeline[-1]`"
            if len(estimator) > 1:
                hint += ", and texts as it gets them: `pipeline[:-1].transform(texts)`"
            hint += "."
        elif isinstance(estimator, BaseSearchCV):
            hint = " Pass the search's `best_estimator_`."
        raise TypeError(
            "Expected a fitted RNNTextClassifier or RNNTextRegressor, got "
            f"{type(estimator).__name__}.{hint}"
        )
    check_is_fitted(estimator)
    return estimator


def import_pyplot():
    """Import `matplotlib.pyplot`, or say what to install.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Drawing needs matplotlib, which is not installed: pip install matplotlib"
        ) from error
    return plt
