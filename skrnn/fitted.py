"""What a fit leaves in an estimator."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from skrnn.network import SequenceModel
from skrnn.target_encoders import ClassEncoder, ValueEncoder
from skrnn.tokenizer import Tokenizer
from skrnn.wide import Blend, WidePart


@dataclass(kw_only=True)
class Fitted:
    """What is replaced all at once, when a fit has gone well.

    Parameters
    ----------
    loss : str, `keras.losses.Loss`, class or callable
        What was minimised.

    cut_to : tuple of int or None, and str
        `max_length` and `truncate`.

    target_encoder : ClassEncoder or ValueEncoder
        Targets as the network sees them, and scores as answers.

    random_state : numpy.random.RandomState
        What later calls shuffle by.

    split_seed : int
        Fixes which texts are held out.

    tokenizer : Tokenizer
        Texts to ids.

    model : SequenceModel
        The network.

    trained_on : bytes or None
        The fingerprint of the texts that the network has learned from.

    wide : WidePart or None
        The linear model beside the network.

    blend : Blend or None
        How much both count.
    """

    loss: object
    cut_to: tuple[int | None, str]
    target_encoder: ClassEncoder | ValueEncoder
    random_state: np.random.RandomState
    split_seed: int
    tokenizer: Tokenizer | None = None
    model: SequenceModel | None = None
    trained_on: bytes | None = None
    wide: WidePart | None = None
    blend: Blend | None = None

    @classmethod
    def of(cls, estimator) -> Fitted:
        """What an estimator has; its random state is copied."""
        attributes = vars(estimator)
        found = {name: attributes[there] for name, there in _ATTRIBUTES.items()}
        return cls(**found | {"random_state": copy.deepcopy(found["random_state"])})

    def attributes(self) -> dict:
        """The estimator's attributes that hold it."""
        return {there: getattr(self, name) for name, there in _ATTRIBUTES.items()}


# Where an estimator has each field of `Fitted`.
_ATTRIBUTES = {
    "loss": "_fitted_loss",
    "cut_to": "_cut_to",
    "target_encoder": "_target_encoder",
    "random_state": "_random_state",
    "split_seed": "_split_seed",
    "tokenizer": "tokenizer_",
    "model": "model_",
    "trained_on": "_trained_on",
    "wide": "wide_",
    "blend": "blend_",
}
