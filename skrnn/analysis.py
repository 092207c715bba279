"""What is done with one text to get its tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from sklearn.feature_extraction.text import strip_accents_ascii, strip_accents_unicode

from skrnn._patterns import word_pattern
from skrnn.sequences import n_before_cut

_STRIP_ACCENTS = {"ascii": strip_accents_ascii, "unicode": strip_accents_unicode}

_WHITE_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, eq=False)
class Analysis:
    """The steps from a text to its tokens; called with a text, it gives a list of them.

    Parameters
    ----------
    cleaners : list of callable
        Each takes a text and returns one; in this order.

    split : callable
        Takes a clean text and returns its tokens, a sequence of `str`.

    max_length : int or None
        Tokens that are left of a longer text.

    truncate : {"head", "tail", "middle"}
        The part to cut.
    """

    cleaners: list[Callable[[str], str]]
    split: Callable[[str], Sequence[str]]
    max_length: int | None
    truncate: str

    def __call__(self, text: str) -> list[str]:
        """The tokens of a text."""
        for clean in self.cleaners:
            text = clean(text)
        return list(self.cut(self.split(text)))

    def cut(self, tokens: Sequence[str]) -> Sequence[str]:
        """The tokens that are left."""
        if self.max_length is None or len(tokens) <= self.max_length:
            return tokens
        n_before = n_before_cut(self.max_length, self.truncate)
        n_behind = self.max_length - n_before
        return tokens[:n_before] + tokens[len(tokens) - n_behind :]


def cleaners(
    lowercase: bool, strip_accents: str | Callable[[str], str] | None
) -> list[Callable[[str], str]]:
    """What the tokenizer's parameters of these names do with a text, in order."""
    chosen = [str.lower] if lowercase else []
    if callable(strip_accents):
        chosen.append(partial(_strip_accents, strip_accents))
    elif strip_accents is not None:
        chosen.append(_STRIP_ACCENTS[strip_accents])
    return chosen


def splitter(
    analyzer: str,
    tokenizer: Callable[[str], Iterable[str]] | None,
    token_pattern: str | None,
) -> Callable[[str], Sequence[str]]:
    """What gives a text's tokens, by the tokenizer's parameters of these names."""
    if analyzer == "char":
        # The text is its own sequence of tokens.
        return partial(_WHITE_SPACE.sub, " ")
    if tokenizer is not None:
        return partial(_tokenize, tokenizer)
    if token_pattern is not None:
        return _compile_token_pattern(token_pattern).findall
    return word_pattern().findall


def _strip_accents(strip_accents: Callable[[str], str], text: str) -> str:
    stripped = strip_accents(text)
    if not isinstance(stripped, str):
        raise TypeError(
            f"The strip_accents callable must return a str, got "
            f"{type(stripped).__name__}."
        )
    return stripped


def _tokenize(tokenizer: Callable[[str], Iterable[str]], text: str) -> list[str]:
    given = tokenizer(text)
    tokens = list(given) if isinstance(given, Iterable) else [given]
    for token in tokens:
        if not isinstance(token, str):
            raise TypeError(
                f"The tokenizer must return tokens of type str, got "
                f"{type(token).__name__}."
            )
    return tokens


def _compile_token_pattern(token_pattern: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(token_pattern)
    except re.error as error:
        raise ValueError(
            f"The token_pattern parameter {token_pattern!r} is not a regular "
            f"expression: {error}."
        ) from error
    if pattern.groups > 1:
        raise ValueError(
            "More than 1 capturing group in token pattern. Only a single group "
            "should be captured."
        )
    return pattern
