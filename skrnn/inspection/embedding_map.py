"""A map of the words, coloured by the targets of the texts they are in."""

from __future__ import annotations

import html
import json
import re
from importlib.resources import files
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    column_or_1d,
)

from skrnn._unique import once_a_text
from skrnn.inspection._checks import check_estimator, import_pyplot
from skrnn.inspection._labels import drawable, place_labels
from skrnn.inspection.words import word_vectors
from skrnn.sequences import N_RESERVED_IDS, Sequences
from skrnn.targets import check_present
from skrnn.texts import check_texts

_N_NEIGHBORS = 5

# Several numbers are held for each token of a part.
_TOKENS_A_PART = 2**20

# Differs in lightness all along, so it survives every colour vision and grey print.
_COLORS = "cividis"


class EmbeddingMapDisplay:
    """Words laid out by their vectors, coloured by the mean target of their texts.

    Make one with `from_estimator`, and draw it with `plot`.

    Parameters
    ----------
    words : list of str
        The words, the one in most texts first.

    positions : ndarray of shape (n_words, 2), float32
        Where they stand.

    counts : ndarray of shape (n_words,), int64
        The number of texts each of them is in.

    means : ndarray of shape (n_words,), float64
        The mean target of these texts.

    neighbors : ndarray of shape (n_words, n_neighbors), int64
        The words of the map nearest by the angle between the vectors, as numbers in
        `words`, the nearest first.

    overall_mean : float
        The mean target of all texts.

    target_name : str
        What the colours show.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.

    figure_ : matplotlib Figure
        The figure it belongs to.

    points_ : matplotlib PathCollection
        The points.

    labels_ : list of matplotlib Annotation
        The words named.

    Examples
    --------
    >>> from skrnn import RNNTextClassifier
    >>> from skrnn.inspection import EmbeddingMapDisplay
    >>> texts, labels = ["a fine film", "a dull film"] * 8, ["good", "bad"] * 8
    >>> classifier = RNNTextClassifier(epochs=2, random_state=0).fit(texts, labels)
    >>> display = EmbeddingMapDisplay.from_estimator(
    ...     classifier, texts, labels, method="pca"
    ... )
    >>> display.target_name
    "share of 'good'"
    >>> for word, count, mean in zip(display.words, display.counts, display.means):
    ...     print(word, count, mean)
    a 16 0.5
    film 16 0.5
    dull 8 0.0
    fine 8 1.0
    """

    def __init__(
        self,
        words: list[str],
        positions: np.ndarray,
        counts: np.ndarray,
        means: np.ndarray,
        neighbors: np.ndarray,
        *,
        overall_mean: float,
        target_name: str,
    ):
        self.words = words
        self.positions = positions
        self.counts = counts
        self.means = means
        self.neighbors = neighbors
        self.overall_mean = overall_mean
        self.target_name = target_name

    @classmethod
    @validate_params(
        {
            "n_words": [Interval(Integral, 2, None, closed="left")],
            "method": [StrOptions({"tsne", "pca"})],
            "random_state": ["random_state"],
            "verbose": ["verbose"],
        },
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        estimator,
        X: ArrayLike,
        y: ArrayLike,
        *,
        pos_label=None,
        n_words: int = 1000,
        method: str = "tsne",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> Self:
        """Lay out the words of an estimator's vocabulary; `plot` draws them.

        Parameters
        ----------
        estimator : RNNTextClassifier or RNNTextRegressor
            Fitted.

        X : array-like of str, shape (n_texts,)
            Texts, those it was fitted on or others.

        y : array-like of shape (n_texts,)
            What to colour by: numbers, such as values or one class's probability, or
            a classifier's labels.

        pos_label : label, default=None
            Colour by the share of this label in `y`. It has to be given where `y` holds
            labels of a classifier of more than two. None takes `y` as numbers, or,
            where it holds a classifier's two labels and these are not numbers,
            ``classes_[1]``. Numbers that are labels too are averaged as floats.

        n_words : int, default=1000
            How many words to show: those of the vocabulary in most texts of `X`. Words
            of which nothing was learned, whose vector is zero, are not shown.

        method : {"tsne", "pca"}, default="tsne"
            How directions become places: t-SNE of the cosines between the vectors
            keeps near words near, the first two principal components keep long
            distances too and take no time.

        random_state : int, RandomState or None, default=None
            Fixes the layout of t-SNE.

        verbose : int, default=0
            Above 0 t-SNE tells how far it is.

        Returns
        -------
        EmbeddingMapDisplay

        Raises
        ------
        ValueError
            If `y` is not what `pos_label` says or lacks a value, fewer than two words
            that were learned are in `X`, all their vectors are the same, or
            ``embedding_size=1``.

        TypeError
            If `estimator` is not one of skrnn's, or `X` is not a column of texts.

        NotFittedError
            If the estimator has not been fitted.
        """
        estimator = check_estimator(estimator)
        texts = check_texts(X)
        check_consistent_length(texts, y)
        y, target_name = _numbers(estimator, y, pos_label)
        tokenizer = estimator.tokenizer_
        n_ids = N_RESERVED_IDS + len(tokenizer.vocabulary_)
        counts, sums = _count(tokenizer.transform(texts), y, n_ids)
        counts, sums = counts[N_RESERVED_IDS:], sums[N_RESERVED_IDS:]
        vectors = word_vectors(estimator)
        order = np.argsort(-counts, kind="stable")
        chosen = order[(counts > 0)[order] & vectors.any(axis=1)[order]][:n_words]
        if len(chosen) < 2:
            raise ValueError(
                "A map needs two words at least of which something was learned; of the "
                f"vocabulary's {len(counts)}, {np.count_nonzero(counts)} are in X, and "
                f"{len(chosen)} of these have a vector that is not zero."
            )
        vectors = vectors[chosen]
        if vectors.shape[1] < 2:
            raise ValueError(
                "A map needs vectors of two numbers at least, and embedding_size is 1."
            )
        if (vectors == vectors[0]).all():
            raise ValueError(
                f"A map needs vectors that differ, and those of all {len(chosen)} "
                "words are the same: nothing has been learned of them."
            )
        vocabulary = list(tokenizer.vocabulary_)
        return cls(
            [vocabulary[i] for i in chosen],
            _lay_out(vectors, method, check_random_state(random_state), verbose),
            counts[chosen],
            sums[chosen] / counts[chosen],
            _nearest(vectors),
            overall_mean=float(y.mean()),
            target_name=target_name,
        )

    @validate_params(
        {"n_labels": [Interval(Integral, 0, None, closed="left")]},
        prefer_skip_nested_validation=True,
    )
    def plot(self, ax=None, *, n_labels: int = 60) -> Self:
        """Draw the map.

        The area of a point grows with the number of texts its word is in. The words
        whose mean is furthest from the overall one are named, as far as there is
        room.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        n_labels : int, default=60
            How many words to name at most.

        Returns
        -------
        EmbeddingMapDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        ValueError
            If `n_labels` is negative.
        """
        plt = import_pyplot()
        if ax is None:
            ax = plt.subplots(figsize=(9, 8), layout="constrained")[1]
        # What is far from neutral is drawn last, over the rest.
        order = self._by_distance()[::-1]
        x, y = self.positions[order].T
        self.points_ = ax.scatter(
            x,
            y,
            c=self.means[order],
            s=_areas(self.counts[order]),
            cmap=_COLORS,
            edgecolors="0.3",
            linewidths=0.3,
        )
        self.ax_, self.figure_ = ax, ax.figure
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"{len(self.words):,} words")
        bar = self.figure_.colorbar(self.points_, ax=ax, shrink=0.6, aspect=30)
        means = f"{self.target_name}, mean of their texts (line: of all texts)"
        bar.set_label(drawable(means), parse_math=False)
        bar.ax.axhline(self.overall_mean, color="white", linewidth=1.5)
        self.labels_ = place_labels(
            ax, self.words, self.positions, self._by_distance(), n_labels
        )
        return self

    def _by_distance(self) -> np.ndarray:
        return np.argsort(-np.abs(self.means - self.overall_mean), kind="stable")

    def to_html(self, path: str | PathLike) -> None:
        """Write the map as one page to look around in.

        The page needs no network and no other file. A pointer over a point, or a
        search, shows the word, in how many texts it is, their mean target and the
        nearest words; the wheel zooms, a drag moves; a table holds the same for
        screen readers.

        Parameters
        ----------
        path : str or path-like
            The file to write; one that is there is replaced.
        """
        low, high = self.positions.min(axis=0), self.positions.max(axis=0)
        # A square page: the larger of both spans is its width.
        span = max((high - low).max(), 1e-12)
        x, y = ((self.positions - (low + high) / 2) / span).T
        data = {
            "words": self.words,
            "x": np.round(x, 5).tolist(),
            "y": np.round(-y, 5).tolist(),
            "areas": np.round(_areas(self.counts), 1).tolist(),
            "counts": self.counts.tolist(),
            "means": [float(f"{mean:.4g}") for mean in self.means],
            "neighbors": self.neighbors.tolist(),
            "overall": float(f"{self.overall_mean:.4g}"),
            "order": self._by_distance().tolist(),
            "target": self.target_name,
        }
        # No word may end the script it stands in.
        embedded = json.dumps(data).replace("<", "\\u003c")
        template = files("skrnn.inspection").joinpath("embedding_map.html")
        parts = {"target": html.escape(self.target_name), "data": embedded}
        page = re.sub(
            # At once, for a name may look like another's place.
            r"\{\{(target|data)\}\}",
            lambda place: parts[place[1]],
            template.read_text(encoding="utf-8"),
        )
        Path(path).write_text(page, encoding="utf-8")


def _numbers(estimator, y, pos_label) -> tuple[np.ndarray, str]:
    """What to colour by, and what to call it."""
    if y is None:
        raise ValueError("y should be numbers or labels to colour by, got None.")
    check_present(y, "y")
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if y.ndim != 1:
        raise ValueError(
            f"y should be one column, got an array of shape {y.shape}. Pass one "
            "column of it."
        )
    # Truth values are numbers, but where they are what the classifier tells apart.
    numbers = "biuf"
    if is_classifier(estimator) and estimator.classes_.dtype.kind == "b":
        numbers = "iuf"
    is_labels = is_classifier(estimator) and (
        y.dtype.kind not in numbers or _are_class_numbers(estimator, y)
    )
    if pos_label is None and is_labels:
        if len(estimator.classes_) != 2:
            raise ValueError(
                "With labels of more than two classes, pos_label has to name the one "
                f"to colour by: one of {estimator.classes_.tolist()}. Numbers to be "
                "averaged are given as floats."
            )
        known = set(estimator.classes_.tolist())
        unknown = [one for one in dict.fromkeys(y.tolist()) if one not in known]
        if unknown:
            raise ValueError(
                f"y holds labels that are none of the classifier's: {unknown}. Pass "
                "its labels or numbers, or let pos_label name the label to colour by."
            )
        pos_label = estimator.classes_[1]
    if pos_label is not None:
        share = (y == pos_label).astype(np.float64)
        if not share.any():
            raise ValueError(f"pos_label={pos_label!r} is not in y: {np.unique(y)}.")
        return share, f"share of {_name(pos_label)}"
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    return y, "y"


def _are_class_numbers(estimator, y: np.ndarray) -> bool:
    """Whether integers are labels of more than two classes, whose means say nothing."""
    classes = estimator.classes_
    if (
        not {classes.dtype.kind, y.dtype.kind} <= set("iu")
        or len(classes) < 3
        or estimator._target_encoder.kind_ == "multilabel"
    ):
        return False
    found = np.unique(y)
    # What a column of 0 and 1 says of each text has a mean.
    return not np.isin(found, (0, 1)).all() and bool(np.isin(found, classes).all())


def _name(label) -> str:
    if isinstance(label, np.datetime64):
        # What NumPy makes of it for Python may be a bare count of nanoseconds.
        return str(label)
    return repr(label.item() if isinstance(label, np.generic) else label)


def _count(
    sequences: Sequences, y: np.ndarray, n_ids: int
) -> tuple[np.ndarray, np.ndarray]:
    """Texts that hold each id, and the sums of their targets."""
    n_texts, sums = np.zeros(n_ids, np.int64), np.zeros(n_ids)
    before = 0
    for part in sequences.in_parts(_TOKENS_A_PART):
        texts, ids = once_a_text(part.texts_of_ids, part.ids, n_ids)
        n_texts += np.bincount(ids, minlength=n_ids)
        sums += np.bincount(ids, weights=y[before + texts], minlength=n_ids)
        before += len(part)
    return n_texts, sums


def _lay_out(vectors: np.ndarray, method: str, random_state, verbose) -> np.ndarray:
    if method == "pca":
        layout = PCA(2, random_state=random_state)
    else:
        # The vectors have length 1, so Euclidean distances are in the cosines' order.
        layout = TSNE(
            perplexity=min(30.0, (len(vectors) - 1) / 3),
            init="pca",
            random_state=random_state,
            verbose=verbose,
        )
        vectors = vectors.astype(np.float64)
    # An array, whatever scikit-learn is set to.
    return layout.set_output(transform="default").fit_transform(vectors)


def _nearest(vectors: np.ndarray) -> np.ndarray:
    n_neighbors = min(_N_NEIGHBORS, len(vectors) - 1)
    search = NearestNeighbors(n_neighbors=n_neighbors, metric="cosine").fit(vectors)
    return search.kneighbors(return_distance=False)


def _areas(counts: np.ndarray) -> np.ndarray:
    """Areas of the points, in square points."""
    return 6 + 90 * np.sqrt(counts / counts.max())
