"""The regular expression of the built-in word tokens."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

_JOINER = "\u200d"


@cache
def word_pattern() -> re.Pattern[str]:
    """Pattern of the built-in tokens: runs of letters or digits, single signs.

    Combining marks, joiners and emoji modifiers belong to what they follow
    [1]_, a sign behind a zero-width joiner to the sign before it, and two
    regional indicators make one flag. Every quantifier is possessive, so no
    text takes more than linear time.

    Returns
    -------
    re.Pattern
        Its matches cover every character that is not white space.

    References
    ----------
    .. [1] Unicode Standard Annex #29, "Unicode Text Segmentation",
       https://www.unicode.org/reports/tr29/
    """
    letter = r"[^\W_]"
    sign = r"(?:[\U0001F1E6-\U0001F1FF]{2}|[^\w\s]|_)"
    # The first mark is U+0300: asking for that first spares plain text the
    # search through all marks, which would double the time.
    extend = rf"(?![\x00-\u02FF])[{_extending_characters()}]++"
    word = rf"{letter}++(?:{extend}{letter}*+)*+"
    sign_sequence = rf"{sign}(?:{extend}(?:(?<={_JOINER}){sign})?+)*+"
    return re.compile(f"{word}|{sign_sequence}")


def _extending_characters() -> str:
    """List what extends the character before it, for use inside ``[...]``."""
    marks = (
        code
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)).startswith("M")
    )
    # As ranges: a class of single characters is searched ten times slower.
    ranges: list[list[int]] = []
    for code in marks:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    non_joiner = "\u200c"
    skin_tones = "\U0001f3fb-\U0001f3ff"
    tags = "\U000e0020-\U000e007f"
    return (
        "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
        + non_joiner
        + _JOINER
        + skin_tones
        + tags
    )
