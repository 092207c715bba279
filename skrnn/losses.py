"""Which losses suit a classifier, and give probabilities, and which a regressor."""

from __future__ import annotations

import inspect
from numbers import Real

from sklearn.utils._param_validation import InvalidParameterError

from skrnn._keras import keras

HINGES = {"hinge": keras.losses.Hinge, "squared_hinge": keras.losses.SquaredHinge}

_HINGE_CLASSES = (*HINGES.values(), keras.losses.CategoricalHinge)
_HINGE_FUNCTIONS = (
    keras.losses.hinge,
    keras.losses.squared_hinge,
    keras.losses.categorical_hinge,
)

# Of all columns of a text at once.
_SOFTMAX_CLASSES = (
    keras.losses.CategoricalCrossentropy,
    keras.losses.CategoricalFocalCrossentropy,
)
_BINARY_CLASSES = (
    keras.losses.BinaryCrossentropy,
    keras.losses.BinaryFocalCrossentropy,
)
_LOG_ODDS_CLASSES = (*_BINARY_CLASSES, *_SOFTMAX_CLASSES)

# Keras' functions take probabilities where they are not told otherwise.
_SUITED = (*_LOG_ODDS_CLASSES, *_HINGE_CLASSES, *_HINGE_FUNCTIONS)
_OF_KERAS = [one for one in vars(keras.losses).values() if callable(one)]


# Not all versions of Keras have all of them.
_MORE_OF_CLASSES = (
    "SparseCategoricalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "KLDivergence",
    "CTC",
    "Dice",
    "Tversky",
    "Circle",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "sparse_categorical_crossentropy",
    "kl_divergence",
    "ctc",
    "dice",
    "tversky",
    "circle",
)
_OF_CLASSES = [
    *_SUITED,
    *(one for name, one in vars(keras.losses).items() if name in _MORE_OF_CLASSES),
]


def is_hinge(loss) -> bool:
    """Whether scores are margins, from which no probabilities follow.

    Parameters
    ----------
    loss : str, `keras.losses.Loss`, class or callable
        As `RNNTextClassifier` takes it.
    """
    if isinstance(loss, str):
        return loss in HINGES
    if inspect.isclass(loss):
        return issubclass(loss, _HINGE_CLASSES)
    return isinstance(loss, _HINGE_CLASSES) or loss in _HINGE_FUNCTIONS


def is_one_against_all(loss) -> bool:
    """Whether each of several classes' scores is log odds against all others.

    Parameters
    ----------
    loss : str, `keras.losses.Loss`, class or callable
        As `RNNTextClassifier` takes it.
    """
    kind = loss if inspect.isclass(loss) else type(loss)
    return issubclass(kind, _BINARY_CLASSES)


def arguments_of(loss) -> dict:
    """What one of Keras' classes is told: that scores are log odds.

    Parameters
    ----------
    loss : str, `keras.losses.Loss`, class or callable
        As `RNNTextClassifier` takes it.
    """
    return {"from_logits": True} if loss in _LOG_ODDS_CLASSES else {}


def check_routed(loss, routed: dict) -> None:
    """Check the arguments of a loss of log odds that Keras takes whatever they are.

    Parameters
    ----------
    loss : str, `keras.losses.Loss`, class or callable
        As `RNNTextClassifier` takes it.

    routed : dict
        Parameters by their names, such as ``loss__label_smoothing``.

    Raises
    ------
    InvalidParameterError
        If scores are said to be no log odds, or labels are smoothed by less than
        nothing or to nothing.
    """
    if loss != "log_loss" and loss not in _LOG_ODDS_CLASSES:
        return
    if not (told := routed.get("loss__from_logits", True)):
        raise InvalidParameterError(
            f"The scores are log odds: leave out loss__from_logits, got {told!r}."
        )
    share = routed.get("loss__label_smoothing", 0.0)
    if not isinstance(share, Real) or not 0 <= share < 1:
        raise InvalidParameterError(
            "The 'loss__label_smoothing' parameter must be a float in the range "
            f"[0.0, 1.0). Got {share!r} instead."
        )


def check_loss(loss, *, is_multiclass: bool) -> None:
    """Check that a loss of Keras' own takes scores for log odds or margins.

    Parameters
    ----------
    loss : `keras.losses.Loss`, class or callable
        Others than Keras' own are not looked at.

    is_multiclass : bool
        Whether each text has one of several classes, with a column each.

    Raises
    ------
    InvalidParameterError
        If it wants other targets than columns of 0 and 1, or other scores than log
        odds and margins.
    """
    kind = _kind(loss)
    if kind in _OF_KERAS and kind not in _SUITED:
        suited = _LOG_ODDS_CLASSES if is_multiclass else _BINARY_CLASSES
        raise InvalidParameterError(
            f"loss={loss!r} does not fit a classifier, which gives it a column of 0 "
            "and 1 for each class and scores that are log odds or margins. Use "
            "'log_loss', 'hinge', 'squared_hinge' or a class of keras.losses: "
            f"{', '.join(one.__name__ for one in suited)}."
        )
    if kind in _SOFTMAX_CLASSES and not is_multiclass:
        raise InvalidParameterError(
            f"loss={loss!r} needs more than two classes, one a text. Use "
            f"keras.losses.{kind.__name__.replace('Categorical', 'Binary')}."
        )
    if type(loss) in _LOG_ODDS_CLASSES and not loss.from_logits:
        raise InvalidParameterError(
            f"The scores are log odds: make the loss with from_logits=True, or give "
            f"its class. Got loss={loss!r}."
        )


def check_loss_of_values(loss) -> None:
    """Check that a loss of Keras' own compares values.

    Parameters
    ----------
    loss : `keras.losses.Loss`, class or callable
        Others than Keras' own are not looked at.

    Raises
    ------
    InvalidParameterError
        If it compares classes.
    """
    if _kind(loss) in _OF_CLASSES:
        raise InvalidParameterError(
            f"loss={loss!r} does not fit a regressor: it compares classes. Use "
            "'squared_error', 'absolute_error', 'huber' or another loss of values."
        )


def _kind(loss):
    """What tells whether a loss is one of Keras' own."""
    return loss if inspect.isroutine(loss) or inspect.isclass(loss) else type(loss)
