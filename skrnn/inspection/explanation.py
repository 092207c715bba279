"""An answer shared out among the tokens of a text, to read and to look at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Self

import numpy as np

from skrnn.inspection._checks import import_pyplot
from skrnn.inspection._labels import drawable, place_labels

_MOST_LISTED = 10

# Of so few tokens each is named under the axis, of more the strongest beside it.
_MOST_TICKS = 40
_MOST_LABELS = 20

# Orange and purple differ to every kind of colour vision; signs differ by the line
# under a token, too, so that a grey print can be read.
# A background, a line, and the line's kind.
_FOR = ("224, 130, 20", "127, 59, 8", "solid")
_AGAINST = ("128, 115, 172", "45, 0, 75", "dotted")

_CONTAINER = (
    "font-family: sans-serif; line-height: 1.9; max-width: 50em; padding: 0.8em; "
    "background: #fff; color: #222; border: 1px solid #ccc; overflow-wrap: anywhere;"
)


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What each token of a text did to an estimator's answer; made by `explain`.

    It prints as a list of the strongest tokens, and a notebook shows the text with
    its tokens coloured.

    Parameters
    ----------
    text : str
        The text.

    tokens : list of str
        Its tokens, as they are looked up in the vocabulary.

    scores : ndarray of shape (n_tokens,), float64
        What each of them adds to the decision score.

    base_value : float
        What is there before any token: with ``"reading"`` the decision score of the
        empty text, with ``"integrated_gradients"`` that of the zero text.

    decision_score : float
        The estimator's decision score, or for a regressor the predicted value:
        ``base_value + scores.sum()``, within the tolerance that `explain` states.

    target : label, int or None
        The class or the column explained; None where there is a single value.

    method : {"reading", "integrated_gradients"}
        How the answer was shared out.

    prediction : float
        What is predicted of the text.

    of_prediction : {"probability", "decision score", "predicted value"}
        What that number is.

    running : ndarray of shape (n_tokens + 1,), float64, or None
        With ``"reading"`` the prediction before any token and after each; else None.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where `plot` has drawn.

    figure_ : matplotlib Figure
        The figure it belongs to.
    """

    text: str
    tokens: list[str]
    scores: np.ndarray
    base_value: float
    decision_score: float
    target: object
    method: str
    prediction: float
    of_prediction: str
    running: np.ndarray | None

    def __repr__(self) -> str:
        return f"<Explanation of {len(self.tokens)} tokens: {self._summary()}>"

    def __str__(self) -> str:
        order = np.argsort(-np.abs(self.scores), kind="stable")
        listed, others = np.split(order, [_MOST_LISTED])
        rows = [(self.base_value, self._of_base())]
        rows += [(self.scores[i], self.tokens[i]) for i in listed]
        if len(others):
            rest = _count(len(others), "other token")
            rows.append((self.scores[others].sum(), rest))
        form = self._form()
        lines = [f"{number:+9{form}}  {what}" for number, what in rows]
        return "\n".join([self._summary(), *lines])

    def _summary(self) -> str:
        form = self._form()
        if self.of_prediction == "probability":
            summary = (
                f"decision score {self.decision_score:{form}}, "
                f"probability {self.prediction:.3f}"
            )
        else:
            summary = f"{self.of_prediction} {self.prediction:{form}}"
        return summary if self.target is None else f"{self.target}: {summary}"

    def _form(self) -> str:
        """How to write scores: values may be of any size."""
        numbers = [self.base_value, self.decision_score, *self.scores]
        largest = np.abs(numbers).max()
        return ".3f" if largest == 0 or 0.01 <= largest < 1e5 else ".2e"

    def _of_base(self) -> str:
        return "(the empty text)" if self.method == "reading" else "(the zero text)"

    def _repr_html_(self) -> str:
        strongest = np.abs(self.scores).max(initial=0.0) or 1.0
        form = self._form()
        parts = []
        stop = 0
        for token, score, (start, end) in zip(
            self.tokens, self.scores, self._spans(), strict=True
        ):
            shown = self.text[start:end] if end else token
            parts.append(escape(self.text[stop:start]) if end else " ")
            parts.append(_marked(shown, score / strongest, f"{score:+{form}}"))
            stop = end
        parts.append(escape(self.text[stop:]) if stop else "")
        return drawable(
            f'<div style="{_CONTAINER}"><div style="font-size: 0.9em">'
            f"<strong>{escape(self._summary())}</strong><br>"
            f"{_marked('raises it', 0.6, '+')} {_marked('lowers it', -0.6, '-')} "
            f"strongest token {strongest:{form}}; {escape(self._of_base())} "
            f"{self.base_value:+{form}}</div>"
            f'<div style="white-space: pre-wrap">{"".join(parts)}</div></div>'
        )

    def _spans(self) -> list[tuple[int, int]]:
        """Where the tokens stand in the text; (0, 0) for all where that is unclear."""
        spans = _places(self.tokens, self.text)
        if spans is not None:
            return spans
        spans = _places(self.tokens, self.text.lower())
        if spans is None:
            # A tokenizer of the user's own, or one that strips accents.
            return [(0, 0)] * len(self.tokens)
        # One character may be several in lower case.
        edges = np.cumsum([0, *(len(one.lower()) for one in self.text)])
        return [tuple(np.searchsorted(edges, span).tolist()) for span in spans]

    def plot(self, ax=None) -> Self:
        """Draw what the tokens did along the text.

        With ``"reading"`` the running prediction after each token, with
        ``"integrated_gradients"`` a bar for each token's score. Of long texts the
        strongest tokens are named.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        Explanation

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot()
        if ax is None:
            ax = plt.subplots(figsize=(9, 4), layout="constrained")[1]
        places = np.arange(1, len(self.tokens) + 1)
        strongest = np.argsort(-np.abs(self.scores), kind="stable")
        is_short = len(self.tokens) <= _MOST_TICKS
        marked = strongest if is_short else strongest[:_MOST_LABELS]
        colors = np.where(self.scores > 0, "#e08214", "#8073ac")
        if self.running is None:
            ax.bar(places, self.scores, color=colors, edgecolor="0.2", linewidth=0.4)
            ax.axhline(0, color="0.4", linewidth=0.8)
            heights, what = self.scores, "score"
        else:
            heights, what = self.running[1:], self.of_prediction
            ax.plot([0, *places], self.running, color="0.4", linewidth=0.8, zorder=1)
            ax.scatter(places[marked], heights[marked], c=colors[marked], s=16)
            ax.plot(0, self.running[0], "o", color="0.4", markersize=4)
        if what == "probability":
            ax.set_ylim(-0.05, 1.05)
        else:
            ax.margins(y=0.1)
        ax.set(
            xlabel="token" if self.running is None else "tokens read",
            xlim=(-0.5, len(self.tokens) + 0.5),
        )
        of_what = what if self.target is None else f"{what} of {self.target}"
        ax.set_ylabel(drawable(of_what), parse_math=False)
        if is_short:
            tokens = list(map(drawable, self.tokens))
            ax.set_xticks(places, tokens, rotation=60, ha="right", fontsize=9)
            for label in ax.get_xticklabels():
                label.set(rotation_mode="anchor", parse_math=False)
        else:
            ax.xaxis.get_major_locator().set_params(integer=True)
            points = np.column_stack([places, heights])
            place_labels(ax, self.tokens, points, marked, _MOST_LABELS)
        object.__setattr__(self, "ax_", ax)
        object.__setattr__(self, "figure_", ax.figure)
        return self


def _places(tokens: list[str], text: str) -> list[tuple[int, int]] | None:
    """Where the tokens stand one after another, with blanks and signs between them."""
    spans, stop = [], 0
    for token in tokens:
        # One blank stands for all that follow one another.
        pattern = r"\s+" if token.isspace() else re.escape(token)
        found = re.compile(pattern).search(text, stop)
        # A `token_pattern` may leave signs out.
        if found is None or any(map(str.isalnum, text[stop : found.start()])):
            return None
        stop = found.end()
        spans.append(found.span())
    return spans


def _marked(shown: str, strength: float, score: str) -> str:
    """A token as HTML, the stronger its colour the more it adds, from -1 to 1."""
    background, line, kind = _FOR if strength > 0 else _AGAINST
    share = min(abs(strength), 1.0)
    style = (
        f"background: rgba({background}, {share:.2f}); "
        f"border-bottom: 2px {kind} rgba({line}, {share:.2f})"
    )
    title = f"{shown}: {score}"
    return f'<span style="{style}" title="{escape(title)}">{escape(shown)}</span>'


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''} together"
