"""Which of Keras' metrics say something of an estimator's targets."""

from __future__ import annotations

from collections.abc import Mapping

from sklearn.utils._param_validation import InvalidParameterError

from skrnn._keras import keras

_OF_KERAS = [one for one in vars(keras.metrics).values() if callable(one)]

# Beginnings of their names, in small letters and without underscores.
_OF_CLASS_NUMBERS = "sparse"
_OF_HIGHEST_COLUMN = ("categorical", "topkcategorical", "onehot")
_F_SCORES = ("f1score", "fbetascore")
_OF_CLASSES = (
    _OF_CLASS_NUMBERS,
    *_OF_HIGHEST_COLUMN,
    *_F_SCORES,
    *("acc", "auc", "bce", "binary", "ce", "crossentropy", "false", "hinge", "iou"),
    *("kld", "kldivergence", "kullbackleibler"),
    *("meaniou", "precision", "recall", "sensitivity", "specificity", "squaredhinge"),
    "true",
)

# Keras' arguments, and the parameters that they come from.
_PARAMETERS = {
    "metrics": "metrics",
    "weighted_metrics": "compile__weighted_metrics",
}


def check_metrics(arguments: Mapping, activation: str, estimator: str) -> None:
    """Check that Keras' own metrics can tell something.

    Parameters
    ----------
    arguments : mapping
        Those of `keras.Model.compile`. Metrics of other makers are not looked at.

    activation : {"sigmoid", "softmax", "one_against_all", "linear"}
        What the metrics see of the scores.

    estimator : str
        Whose metrics they are, for errors.

    Raises
    ------
    InvalidParameterError
        If a metric is scikit-learn's, is of classes where there are values, wants the
        numbers of classes, compares probabilities with 0 and 1, or takes one of several
        columns for the only right one where that is not so.
    """
    for argument, parameter in _PARAMETERS.items():
        for metric in keras.tree.flatten(arguments.get(argument)):
            if (getattr(metric, "__module__", None) or "").startswith("sklearn."):
                raise InvalidParameterError(
                    f"The '{parameter}' parameter of {estimator} takes Keras' metrics, "
                    "which see tensors. Got scikit-learn's "
                    f"{getattr(metric, '__name__', metric)!r}: call that with what "
                    "`predict` gives."
                )
            name = _name_in_keras(metric)
            is_iou = name in ("iou", "meaniou")
            # Intersections over unions take class numbers, too, unless told otherwise.
            of_numbers = name.startswith(_OF_CLASS_NUMBERS) or (
                is_iou
                and any(
                    getattr(metric, f"sparse_y_{of}", True) for of in ("true", "pred")
                )
            )
            of_highest = (
                is_iou
                or name.startswith(_OF_HIGHEST_COLUMN)
                or (name in _F_SCORES and getattr(metric, "threshold", None) is None)
            )
            if activation == "linear":
                if not name.startswith(_OF_CLASSES):
                    continue
                wants = "values"
                what, instead = "is of classes", "'mean_absolute_error', say, is not"
            elif of_numbers:
                wants = "a column of 0 and 1 for each class"
                what = "sees the numbers of classes"
                instead = "'accuracy' says the same"
            elif name == "accuracy" and not isinstance(metric, str):
                wants = "probabilities"
                what = "looks whether they are 0 or 1 exactly"
                instead = "'accuracy', in small letters, is the share of right labels"
            elif of_highest and activation == "sigmoid":
                wants = "columns of 0 and 1 that are right or wrong each by itself"
                what = "takes the highest of all columns for the only right one"
                instead = (
                    "use 'accuracy' or one of the binary metrics, or an F score with a "
                    "`threshold`"
                )
            else:
                continue
            raise InvalidParameterError(
                f"The '{parameter}' parameter of {estimator} takes metrics that see "
                f"{wants}. Got {metric!r}, which {what}; {instead}."
            )


def of_each_label(arguments: Mapping) -> dict:
    """The same arguments, where accuracy is the share of all labels that are right.

    By the name alone Keras takes the highest of several columns for the only right one.

    Parameters
    ----------
    arguments : mapping
        Those of `keras.Model.compile`.
    """

    def replaced(metric):
        if isinstance(metric, str) and metric.lower() in ("accuracy", "acc"):
            return keras.metrics.BinaryAccuracy(name=metric)
        return metric

    return {
        name: keras.tree.map_structure(replaced, value)
        if name in _PARAMETERS and not isinstance(value, str)
        else value
        for name, value in arguments.items()
    }


def _name_in_keras(metric) -> str:
    """That of one of Keras' own metrics, in small letters and without underscores."""
    if not isinstance(metric, str):
        kind = metric if metric in _OF_KERAS else type(metric)
        metric = kind.__name__ if kind in _OF_KERAS else ""
    return metric.lower().replace("_", "")
