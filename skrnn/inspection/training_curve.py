"""How loss and metrics went from epoch to epoch."""

from __future__ import annotations

from typing import Self

import numpy as np

from skrnn.inspection._checks import check_estimator, import_pyplot
from skrnn.inspection._labels import drawable

_HELD_OUT = "val_"


class TrainingCurveDisplay:
    """Loss and metrics after every epoch, on texts learned from and held out.

    Make one with `from_estimator`, and draw it with `plot`.

    Parameters
    ----------
    history : dict of str to array-like of shape (n_epochs,) or (n_epochs, n_classes)
        Loss and metrics by name; those of texts held out begin with ``"val_"``. Some
        metrics have one value per class.

    best_epoch : int or None
        The epoch whose weights were kept, counted from 1, where early stopping
        chose one.

    Attributes
    ----------
    figure_ : matplotlib Figure
        What was drawn on.

    axes_ : ndarray of matplotlib Axes
        One for the loss, and one per metric.

    lines_ : dict of str to matplotlib Line2D, or a list of them
        The curves, by the names of `history`; a list for a metric with one
        value per class.

    Examples
    --------
    >>> from skrnn import RNNTextClassifier
    >>> from skrnn.inspection import TrainingCurveDisplay
    >>> classifier = RNNTextClassifier(epochs=2, hidden_size=4, random_state=0)
    >>> classifier = classifier.fit(["fine", "dull"] * 8, [1, 0] * 8)
    >>> display = TrainingCurveDisplay.from_estimator(classifier)
    >>> list(display.history), display.best_epoch
    (['loss'], None)
    """

    def __init__(self, history: dict[str, np.ndarray], best_epoch: int | None = None):
        self.history = history
        self.best_epoch = best_epoch

    @classmethod
    def from_estimator(cls, estimator) -> Self:
        """Take the record of a fit; `plot` draws it.

        Parameters
        ----------
        estimator : RNNTextClassifier or RNNTextRegressor
            Fitted. With ``early_stopping=True`` there are curves of texts held out,
            and with `metrics` curves of those.

        Returns
        -------
        TrainingCurveDisplay
            Curves have gaps at epochs of calls that did not follow them; what a
            callback adds after some epochs alone is left out.

        Raises
        ------
        ValueError
            If it was initialized and never trained.

        TypeError
            If `estimator` is not one of skrnn's.

        NotFittedError
            If the estimator has not been fitted.
        """
        estimator = check_estimator(estimator)
        if not estimator.n_iter_:
            raise ValueError(
                f"This {type(estimator).__name__} was initialized and not trained: "
                "call fit."
            )
        curves = {
            name: _curve(values)
            for name, values in estimator.history_.items()
            if len(values) == estimator.n_iter_
        }
        numbers = {name: one for name, one in curves.items() if one is not None}
        return cls(numbers, estimator.best_epoch_)

    def plot(self, ax=None) -> Self:
        """Draw the curves, the loss and each metric in axes of their own.

        Parameters
        ----------
        ax : matplotlib Axes, or sequence of them, default=None
            Where to draw: one for the loss, and one for each metric. None makes a
            figure.

        Returns
        -------
        TrainingCurveDisplay

        Raises
        ------
        ValueError
            If there are not as many axes as there is to draw.

        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot()
        # A callback may add what there is of texts held out alone.
        names = [name.removeprefix(_HELD_OUT) for name in self.history]
        names = list(dict.fromkeys(names))
        if ax is None:
            ax = plt.subplots(
                ncols=len(names),
                squeeze=False,
                figsize=(1.5 + 4.5 * len(names), 4),
                layout="constrained",
            )[1]
        ax = np.ravel(np.array(ax, dtype=object))
        if len(ax) != len(names):
            raise ValueError(
                f"There are {len(names)} curves to draw, {names}, but {len(ax)} axes."
            )
        self.axes_, self.figure_, self.lines_ = ax, ax[0].figure, {}
        dark, light = plt.colormaps["cividis"]([0.0, 0.75])
        for axes, name in zip(self.axes_, names, strict=True):
            self._draw(axes, name, label="learned from", color=dark, marker="o")
            self._draw(
                axes,
                _HELD_OUT + name,
                label="held out",
                color=light,
                marker="s",
                linestyle="--",
            )
            if self.best_epoch is not None:
                axes.axvline(
                    self.best_epoch,
                    color="0.4",
                    linestyle=":",
                    label=f"kept: epoch {self.best_epoch}",
                )
            axes.set_xlabel("epoch")
            axes.set_ylabel(drawable(name.replace("_", " ")), parse_math=False)
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            if len(axes.get_legend_handles_labels()[0]) > 1:
                axes.legend()
        return self

    def _draw(self, axes, name: str, **style) -> None:
        if name in self.history:
            values = np.asarray(self.history[name])
            epochs = np.arange(1, len(values) + 1)
            lines = axes.plot(epochs, values, markersize=4, **style)
            # A line a class has one name in the legend.
            for line in lines[1:]:
                line.set_label("_" + line.get_label())
            self.lines_[name] = lines[0] if values.ndim == 1 else lines


def _curve(values: list) -> np.ndarray | None:
    """A number or several after each epoch; None for what callbacks added otherwise."""
    try:
        curve = np.array(values)
    except ValueError:
        # Lists of several lengths.
        return None
    is_drawable = np.issubdtype(curve.dtype, np.number) and curve.ndim <= 2
    return curve if is_drawable else None
