"""The built-in word tokens of texts in Latin-1, in bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from skrnn.native import words
from skrnn.sequences import kept_by_cut

# What a byte of Latin-1 is to the pattern, as the compiled functions number it, too.
_LETTER, _SIGN, _SPACE = 0, 1, 2
_KINDS = bytes(
    _SPACE if character.isspace() else _LETTER if character.isalnum() else _SIGN
    for character in map(chr, range(256))
)

# In the place of an id, where the table has none for a token.
_MISSED = -1

# A shorter token is its own key: its bytes, and zeros behind them. An empty slot has
# what no token's first 16 bytes can be, zeros and a 1.
_KEY_BYTES = 16
_EMPTY = np.frombuffer(bytes(_KEY_BYTES - 1) + b"\1", np.uint64)
_KEY_MASKS = (np.tri(_KEY_BYTES + 1, _KEY_BYTES, -1, np.uint8) * np.uint8(255)).view(
    np.uint64
)

_SLOT_BITS = 17
# Odd numbers without a pattern, to hash by multiplication.
_MULTIPLIERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)


class LatinWords:
    """Ids of the built-in word tokens, for many texts in Latin-1 at once.

    Latin-1 has no marks, joiners or flags, so the tokens of `word_pattern` are runs
    of letters and single signs, which show in pairs of bytes. Their ids come from a
    table that holds one token for each hash, the last one seen there; only tokens
    that are not in it become `str`.

    Parameters
    ----------
    to_ids : callable
        Takes a list of tokens and returns their ids. A token's id never changes.

    max_length : int or None
        Cut longer texts to this many tokens.

    truncate : {"head", "tail", "middle"}
        The part to cut.

    encode_others : callable
        Encodes, as `encode` does, texts that are not in Latin-1.
    """

    def __init__(
        self,
        to_ids: Callable[[list[str]], Iterable[int]],
        max_length: int | None,
        truncate: str,
        encode_others: Callable[[list[str]], tuple[np.ndarray, np.ndarray]],
    ):
        self._to_ids = to_ids
        self._max_length = max_length
        self._truncate = truncate
        self._encode_others = encode_others
        self._keys = np.tile(_EMPTY, (2**_SLOT_BITS, 1))
        self._ids = np.empty(2**_SLOT_BITS, np.int32)

    def encode(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Give the ids of the texts, laid end to end, and the texts' lengths."""
        encoded = [_latin(text) for text in texts]
        ids, lengths = self._encode_latin([text or b"" for text in encoded])
        others = [i for i, text in enumerate(encoded) if text is None]
        if others:
            other_ids, other_lengths = self._encode_others([texts[i] for i in others])
            # They count as empty so far, so where they end is their place.
            places = np.cumsum(lengths)[others]
            ids = np.insert(ids, np.repeat(places, other_lengths), other_ids)
            lengths[others] = other_lengths
        return ids, lengths

    def _encode_latin(self, texts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
        # Behind the last text, blanks: a key can be read wherever a token starts.
        joined = b"\n".join([*texts, b" " * _KEY_BYTES])
        starts, stops = _token_bounds(joined)
        text_stops = np.cumsum([len(text) + 1 for text in texts])
        lengths = np.diff(np.searchsorted(starts, text_stops), prepend=0)
        if self._max_length is not None:
            left = kept_by_cut(lengths, self._max_length, self._truncate)
            starts, stops = starts[left], stops[left]
            lengths = np.minimum(lengths, self._max_length)
        return self._look_up(joined, starts, stops), lengths

    def _look_up(
        self, joined: bytes, starts: np.ndarray, stops: np.ndarray
    ) -> np.ndarray:
        ids = self._find(joined, starts, stops)
        missed = np.flatnonzero(ids == _MISSED)
        starts, stops = starts[missed], stops[missed]
        self._remember(joined, starts, stops)
        # Most of them are the tokens that have just been put there.
        ids_of_missed = self._find(joined, starts, stops)
        rest = np.flatnonzero(ids_of_missed == _MISSED)
        ids_of_missed[rest] = self._ids_of(joined, starts[rest], stops[rest])
        ids[missed] = ids_of_missed
        return ids

    def _find(self, joined: bytes, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """Give the ids that the table has."""
        if _is_compiled_for(joined):
            return words.find_words(
                joined, starts, stops, _MULTIPLIERS, self._keys, self._ids
            )
        keys, slots = _keys_and_slots(joined, starts, stops)
        # Of rows this short, `take` is ten times as fast as an index.
        same = self._keys.take(slots, axis=0) == keys
        return np.where(same[:, 0] & same[:, 1], self._ids.take(slots), _MISSED)

    def _remember(self, joined: bytes, starts: np.ndarray, stops: np.ndarray) -> None:
        """Put tokens into the table, in the place of those that are there."""
        short = np.flatnonzero(stops - starts < _KEY_BYTES)
        starts, stops = starts[short], stops[short]
        keys, slots = _keys_and_slots(joined, starts, stops)
        # One goes into each slot.
        numbers = np.arange(len(slots), dtype=np.int32)
        self._ids[slots] = numbers
        new = self._ids[slots] == numbers
        self._keys[slots[new]] = keys[new]
        self._ids[slots[new]] = self._ids_of(joined, starts[new], stops[new])

    def _ids_of(
        self, joined: bytes, starts: np.ndarray, stops: np.ndarray
    ) -> np.ndarray:
        bounds = zip(starts.tolist(), stops.tolist(), strict=True)
        tokens = [joined[start:stop].decode("latin-1") for start, stop in bounds]
        return np.fromiter(self._to_ids(tokens), np.int32, len(tokens))


def _latin(text: str) -> bytes | None:
    try:
        # Not text.encode: the TypeError is to be that of the pattern.
        return str.encode(text, "latin-1")
    except UnicodeEncodeError:
        return None


def _is_compiled_for(text: bytes) -> bool:
    # Compiled functions count in 32 bits.
    return words.IS_COMPILED and len(text) < 2**31


def _token_bounds(text: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Find where the tokens of a text in Latin-1 start and stop."""
    if _is_compiled_for(text):
        return words.word_bounds(text, np.frombuffer(_KINDS, np.uint8))
    kinds = np.frombuffer(text.translate(_KINDS), np.uint8)
    is_letter, is_sign = kinds == _LETTER, kinds == _SIGN
    starts, ends = is_letter.copy(), is_letter.copy()
    starts[1:] &= ~is_letter[:-1]
    ends[:-1] &= ~is_letter[1:]
    return np.flatnonzero(starts | is_sign), np.flatnonzero(ends | is_sign) + 1


def _keys_and_slots(
    text: bytes, starts: np.ndarray, stops: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give the first bytes of each token, and the slot that their hash names."""
    # Overlapping items, one from each byte on.
    items = np.ndarray(len(text) - _KEY_BYTES + 1, f"V{_KEY_BYTES}", text, strides=1)
    keys = items[starts].view(np.uint64).reshape(-1, 2)
    keys &= _KEY_MASKS.take(np.minimum(stops - starts, _KEY_BYTES), axis=0)
    mixed = (keys[:, 0] * _MULTIPLIERS[0]) ^ (keys[:, 1] * _MULTIPLIERS[1])
    return keys, (mixed >> np.uint64(64 - _SLOT_BITS)).astype(np.int64)
