"""From texts to sequences of ids, and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from itertools import count, repeat
from numbers import Integral
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
)
from sklearn.utils.validation import check_is_fitted

from skrnn.analysis import Analysis, cleaners, splitter
from skrnn.encoding import encode, join
from skrnn.sequences import N_RESERVED_IDS, UNKNOWN_ID, Sequences, smallest_dtype
from skrnn.shown import ShownBriefly
from skrnn.texts import check_texts
from skrnn.versions import Versioned
from skrnn.vocabulary import (
    check_vocabulary,
    chosen_tokens,
    numbered,
    numbers_of_texts,
)
from skrnn.warned import warn_user

_RESERVED_TOKENS = ["[PAD]", "[UNK]"]

_DOCUMENT_FREQUENCY = [
    Interval(RealNotInt, 0, 1, closed="both"),
    Interval(Integral, 1, None, closed="left"),
]


class Tokenizer(
    Versioned, ShownBriefly, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    r"""Turn texts into sequences of ids.

    A run of letters or digits is one token, and every other character that is
    not white space is a token of its own. Combining marks stay with what they
    follow, and an emoji of several characters or a flag is one token. Scripts
    that write no spaces between words, such as Chinese, Japanese and Thai, are
    served by ``analyzer="char"``.

    Id 0 pads and id 1 stands for every unknown token. Learned tokens get the
    ids from 2 on, the most frequent first; the tokens' own order settles ties,
    so the vocabulary depends neither on the order of the texts nor on Python's
    hash seed.

    Parameters
    ----------
    lowercase : bool, default=True
        Whether to convert texts to lower case first.

    strip_accents : {"ascii", "unicode"} or callable, default=None
        Remove accents: as in `~sklearn.feature_extraction.text.CountVectorizer`,
        or with a callable that takes a text and returns one.

    analyzer : {"word", "char"}, default="word"
        Whether tokens are words and signs or single code points. With
        ``"char"`` a run of white space counts as one space.

    tokenizer : callable, default=None
        Takes a text and returns its tokens, an iterable of `str`, in place of
        `token_pattern`. Only used with ``analyzer="word"``.

    token_pattern : str, default=None
        Regular expression of one token, in place of the built-in one. If it
        has a capturing group, the group is the token; it has at most one. Only
        used with ``analyzer="word"`` and no `tokenizer`.

    max_features : int, default=None
        Learn only this many tokens, the most frequent ones.

    min_df : int or float in [0, 1], default=1
        Learn only tokens found in at least this many texts (int) or this
        fraction of them (float).

    max_df : int or float in [0, 1], default=1.0
        Learn only tokens found in at most this many texts (int) or this
        fraction of them (float).

    vocabulary : mapping of str to int, or collection of str, default=None
        Learn nothing and use these: a mapping from n tokens to the ids 2 to
        n + 1, such as another tokenizer's `vocabulary_`, or the tokens in the
        order of their ids. A set is sorted first.

    max_length : int, default=None
        Cut longer texts to this many tokens. What is cut is not learned.

    truncate : {"head", "tail", "middle"}, default="head"
        The part to cut: ``"head"`` keeps a text's end, ``"tail"`` its
        beginning, ``"middle"`` half of the tokens at either end, the odd one
        at the beginning.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        The id of each known token, by rising id.

    See Also
    --------
    sklearn.feature_extraction.text.CountVectorizer : Counts tokens and drops
        their order.

    Examples
    --------
    >>> from skrnn import Tokenizer
    >>> tokenizer = Tokenizer()
    >>> sequences = tokenizer.fit_transform(["To be, or not to be?", "Not now."])
    >>> [ids.tolist() for ids in sequences]
    [[4, 2, 5, 9, 3, 4, 2, 7], [3, 8, 6]]
    >>> tokenizer.get_feature_names_out()
    array(['be', 'not', 'to', ',', '.', '?', 'now', 'or'], dtype=object)
    >>> tokenizer.inverse_transform(tokenizer.transform(["Now or never."]))
    [array(['now', 'or', '[UNK]', '.'], dtype=object)]
    """

    _parameter_constraints: dict = {
        "lowercase": ["boolean"],
        "strip_accents": [StrOptions({"ascii", "unicode"}), callable, None],
        "analyzer": [StrOptions({"word", "char"})],
        "tokenizer": [callable, None],
        "token_pattern": [str, None],
        "max_features": [Interval(Integral, 1, None, closed="left"), None],
        "min_df": _DOCUMENT_FREQUENCY,
        "max_df": _DOCUMENT_FREQUENCY,
        "vocabulary": [HasMethods(["__iter__", "__len__"]), None],
        "max_length": [Interval(Integral, 1, None, closed="left"), None],
        "truncate": [StrOptions({"head", "tail", "middle"})],
    }

    def __init__(
        self,
        *,
        lowercase: bool = True,
        strip_accents: str | Callable[[str], str] | None = None,
        analyzer: str = "word",
        tokenizer: Callable[[str], Iterable[str]] | None = None,
        token_pattern: str | None = None,
        max_features: int | None = None,
        min_df: int | float = 1,
        max_df: int | float = 1.0,
        vocabulary: Mapping[str, int] | Collection[str] | None = None,
        max_length: int | None = None,
        truncate: str = "head",
    ):
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.analyzer = analyzer
        self.tokenizer = tokenizer
        self.token_pattern = token_pattern
        self.max_features = max_features
        self.min_df = min_df
        self.max_df = max_df
        self.vocabulary = vocabulary
        self.max_length = max_length
        self.truncate = truncate

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn the vocabulary.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,) or (n_texts, 1)
            The texts.

        y : None
            Ignored.

        Returns
        -------
        self : Tokenizer
            The fitted tokenizer.

        Raises
        ------
        ValueError
            If a parameter is invalid, `X` is a bare string or has several columns, a
            text is missing, or no token is left to learn.

        TypeError
            If `X` is something else than texts, or `tokenizer` gives tokens that are
            not `str`.
        """
        self._fit(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: ArrayLike, y: object = None) -> Sequences:
        """Learn the vocabulary and encode the texts, in one pass over them.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,) or (n_texts, 1)
            The texts.

        y : None
            Ignored.

        Returns
        -------
        Sequences
            The ids of each text; the same as from `fit` and then `transform`.

        Raises
        ------
        ValueError, TypeError
            As `fit`.
        """
        return self._fit(X)

    def _fit(self, X) -> Sequences:
        texts = check_texts(X)
        self._warn_of_unused_parameters()
        if self.vocabulary is None:
            vocabulary, sequences = self._learn(texts)
        else:
            vocabulary = check_vocabulary(self.vocabulary)
            if self.lowercase and any(any(map(str.isupper, t)) for t in vocabulary):
                warn_user(
                    "Upper case characters found in vocabulary while 'lowercase' is "
                    "True. These entries will not be matched with any texts"
                )
            sequences = self._encode_known(texts, vocabulary)
        self.vocabulary_ = vocabulary
        return sequences

    def transform(self, X: ArrayLike) -> Sequences:
        """Encode texts with the vocabulary learned or given.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,) or (n_texts, 1)
            The texts.

        Returns
        -------
        Sequences
            The ids of each text, 1 for unknown tokens. Their type is uint8, uint16
            or int32, the smallest that holds every id of the vocabulary.

        Raises
        ------
        NotFittedError
            If no vocabulary was learned or given.

        ValueError, TypeError
            If `X` is not a column of texts, a parameter was set to something invalid
            since, or `tokenizer` gives tokens that are not `str`.
        """
        vocabulary = self._known_vocabulary()
        return self._encode_known(check_texts(X), vocabulary)

    def inverse_transform(self, sequences: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Turn ids back into tokens.

        Parameters
        ----------
        sequences : Sequences
            The ids of each text.

        Returns
        -------
        list of ndarray of shape (n_tokens,), object
            The tokens of each text; ``"[UNK]"`` for id 1, ``"[PAD]"`` for id 0.

        Raises
        ------
        NotFittedError
            If no vocabulary was learned or given.

        ValueError
            If an id is none of the vocabulary's, or a text's are no list of whole
            numbers.
        """
        tokens = np.array([*_RESERVED_TOKENS, *self._known_vocabulary()], dtype=object)

        def tokens_of(ids):
            ids = np.asarray(ids)
            if ids.ndim == 1 and not ids.size:
                return tokens[:0]
            if ids.ndim != 1 or ids.dtype.kind not in "iu":
                raise ValueError(
                    "`sequences` should hold a list of whole numbers for each text, "
                    f"got {ids!r} for one."
                )
            if not 0 <= ids.min() <= ids.max() < len(tokens):
                raise ValueError(
                    f"ids should be from 0 to {len(tokens) - 1}, got {ids.min()} to "
                    f"{ids.max()}."
                )
            return tokens[ids]

        return list(map(tokens_of, sequences))

    def build_analyzer(self) -> Callable[[str], list[str]]:
        """Give what splits a text into tokens.

        Returns
        -------
        callable
            Takes a text and returns its tokens, known and unknown, as they are
            looked up in the vocabulary: what `transform` encodes.

        Raises
        ------
        ValueError
            If a parameter is invalid, or `token_pattern` no regular expression.
        """
        return self._analysis()

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Give the known tokens.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_tokens,), object
            The tokens by rising id: the token of id ``i`` at ``i - 2``.

        Raises
        ------
        NotFittedError
            If no vocabulary was learned or given.
        """
        return np.array(list(self._known_vocabulary()), dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.requires_fit = self.vocabulary is None
        return tags

    def _known_vocabulary(self) -> dict[str, int]:
        check_is_fitted(self)
        if hasattr(self, "vocabulary_"):
            return self.vocabulary_
        self._validate_params()
        return check_vocabulary(self.vocabulary)

    def _warn_of_unused_parameters(self) -> None:
        if self.analyzer != "word":
            unused, reason = ("tokenizer", "token_pattern"), "'analyzer' != 'word'"
        elif self.tokenizer is not None:
            unused, reason = ("token_pattern",), "'tokenizer' is not None"
        else:
            return
        for name in unused:
            if getattr(self, name) is not None:
                warn_user(f"The parameter '{name}' will not be used since {reason}")

    def _learn(self, texts: list[str]) -> tuple[dict[str, int], Sequences]:
        within = numbers_of_texts(self.min_df, self.max_df, len(texts))
        provisional_ids = defaultdict(count().__next__)
        parts, lengths = self._encode(texts, partial(map, provisional_ids.__getitem__))
        tokens = list(provisional_ids)
        if not tokens:
            raise ValueError(
                "empty vocabulary; perhaps the texts hold only white space, or nothing "
                "that `token_pattern` or `tokenizer` takes for a token"
            )

        kept = chosen_tokens(
            tokens, parts, lengths, within=within, max_features=self.max_features
        )
        n_ids = N_RESERVED_IDS + len(kept)
        new_ids = np.full(len(tokens), UNKNOWN_ID, smallest_dtype(n_ids - 1))
        new_ids[kept] = np.arange(N_RESERVED_IDS, n_ids)
        # Part by part, lest all ids exist in both numberings.
        for i, ids in enumerate(parts):
            parts[i] = new_ids[ids]
        vocabulary = numbered([tokens[i] for i in kept])
        return vocabulary, join(parts, lengths, new_ids.dtype)

    def _encode_known(self, texts: list[str], vocabulary: dict[str, int]) -> Sequences:
        parts, lengths = self._encode(
            texts, lambda tokens: map(vocabulary.get, tokens, repeat(UNKNOWN_ID))
        )
        n_ids = N_RESERVED_IDS + len(vocabulary)
        return join(parts, lengths, smallest_dtype(n_ids - 1))

    def _encode(self, texts: list[str], to_ids: Callable) -> tuple[list, list]:
        """The ids and the lengths of the texts, both in parts."""
        return encode(
            texts,
            self._analysis(),
            to_ids,
            built_in_words=self.analyzer == "word"
            and self.tokenizer is None
            and self.token_pattern is None,
        )

    def _analysis(self) -> Analysis:
        max_length, strips = self.max_length, self.strip_accents
        if (
            not isinstance(self.lowercase, (bool, np.bool_))
            or self.analyzer not in ("word", "char")
            or self.truncate not in ("head", "tail", "middle")
            or not (callable(strips) or strips in (None, "ascii", "unicode"))
            or not (self.tokenizer is None or callable(self.tokenizer))
            or not (self.token_pattern is None or isinstance(self.token_pattern, str))
            or not (max_length is None or isinstance(max_length, Integral))
            or (max_length is not None and max_length < 1)
        ):
            # Set since a fit, or never fitted; the check of all names the fault, and
            # takes longer than a short text.
            self._validate_params()
        return Analysis(
            cleaners(self.lowercase, strips),
            splitter(self.analyzer, self.tokenizer, self.token_pattern),
            # NumPy's numbers may be narrow, or have no sign.
            None if max_length is None else int(max_length),
            self.truncate,
        )
