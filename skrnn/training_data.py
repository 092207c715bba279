"""What a fit learns from: texts as ids, with targets, weights, and some held out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from sklearn.model_selection import train_test_split

from skrnn.sequences import Sequences, positions_of


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Texts of which some are held out from the network.

    Parameters
    ----------
    read : Sequences of n_texts
        What the network reads of each text.

    targets : ndarray of shape (n_texts, ...)
        What the loss compares the scores with.

    weight : ndarray of shape (n_texts,)
        The weight of each text in the loss.

    train, held_out : int32 ndarray
        Which texts the network learns from, which puts them into another order, and
        which it does not.
    """

    read: Sequences
    targets: np.ndarray
    weight: np.ndarray
    train: np.ndarray
    held_out: np.ndarray

    def kept_aside(self) -> tuple[Sequences, np.ndarray, np.ndarray]:
        """Ids, targets and weights of the texts held out."""
        texts = self.held_out
        return self.read[texts], self.targets[texts], self.weight[texts]

    def with_nothing_held_out(self) -> TrainingData:
        """The same texts, all of them to learn from."""
        everything = positions_of(len(self.targets))
        return replace(self, train=everything, held_out=everything[:0])

    def fingerprint(self) -> bytes:
        """A digest of the ids, in their order, and of which are learned from."""
        digest = hashlib.blake2b(self.read.lengths, digest_size=16)
        digest.update(self.read.ids)
        digest.update(self.train)
        return digest.digest()


def hold_out(
    n_texts: int, strata: np.ndarray | None, fraction: float, *, seed: int, strict: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a part of the texts.

    Parameters
    ----------
    n_texts : int
        Number of texts.

    strata : ndarray of shape (n_texts,), or None
        Labels of which the part shall have the same share as the rest.

    fraction : float in (0, 1)
        Share of the texts to draw.

    seed : int
        Fixes what is drawn.

    strict : bool
        Whether a label too rare to be in both parts is an error, rather than a reason
        to disregard labels.

    Returns
    -------
    rest, drawn : ndarray of int
        Positions of the texts.

    Raises
    ------
    ValueError
        If so few texts, or a label so rare, cannot be shared out; it says why.
    """
    if not strict and strata is not None:
        n_of_label = np.unique(strata, return_counts=True)[1]
        n_drawn = int(np.ceil(n_texts * fraction))
        fewest = min(n_drawn, n_texts - n_drawn)
        if min(n_of_label) < 2 or fewest < len(n_of_label):
            strata = None
    return train_test_split(
        positions_of(n_texts), test_size=fraction, random_state=seed, stratify=strata
    )
