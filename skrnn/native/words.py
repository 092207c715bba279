"""Words and signs of texts in Latin-1: words.c."""

from __future__ import annotations

import ctypes

import numpy as np

from skrnn.native.binding import library_with, point, structure

_WordBounds = structure(
    "word_bounds",
    integers="n_bytes",
    arrays="text:uint8 kinds:uint8 starts:int32 stops:int32",
)
_FindWords = structure(
    "find_words",
    integers="n_words slot_bits",
    arrays="text:uint8 starts:int32 stops:int32 multipliers:uint64 keys:uint64 "
    "ids_of_slots:int32 ids:int32",
)

LIBRARY = library_with(_WordBounds, _FindWords)

IS_COMPILED = LIBRARY is not None

if IS_COMPILED:
    LIBRARY.word_bounds.restype = ctypes.c_int64


def word_bounds(text: bytes, kinds) -> tuple[np.ndarray, np.ndarray]:
    """Find the words and signs of a text.

    Parameters
    ----------
    text : bytes
        Each a character, fewer than 2**31.

    kinds : uint8 ndarray of shape (256,)
        What each byte is: 0 for letters, runs of which are words, 1 for signs, and 2
        for what stands between.

    Returns
    -------
    starts, stops : int32 ndarrays of shape (n_words,)
        Where each begins and ends.
    """
    starts, stops = (np.empty(len(text), np.int32) for _ in range(2))
    arguments = _WordBounds(len(text))
    held = point(
        arguments,
        text=np.frombuffer(text, np.uint8),
        kinds=kinds,
        starts=starts,
        stops=stops,
    )
    n_words = LIBRARY.word_bounds(ctypes.byref(arguments))
    del held
    return starts[:n_words].copy(), stops[:n_words].copy()


def find_words(text: bytes, starts, stops, multipliers, keys, ids) -> np.ndarray:
    """Look words up in a table that has one word a slot.

    Parameters
    ----------
    text : bytes
        With 16 bytes or more from each start on.

    starts, stops : int32 ndarrays of shape (n_words,)
        Where each word begins and ends.

    multipliers : uint64 ndarray of shape (2,)
        The first bits of the sum without carry of their products with the halves of a
        key are its slot.

    keys : uint64 ndarray of shape (2**slot_bits, 2)
        The first 16 bytes of each slot's word; zeros behind a shorter one.

    ids : int32 ndarray of shape (2**slot_bits,)
        What to give for each.

    Returns
    -------
    int32 ndarray of shape (n_words,)
        The words' ids; -1 where a slot has another word.
    """
    found = np.empty(len(starts), np.int32)
    arguments = _FindWords(len(starts), len(keys).bit_length() - 1)
    held = point(
        arguments,
        text=np.frombuffer(text, np.uint8),
        starts=starts,
        stops=stops,
        multipliers=multipliers,
        keys=keys,
        ids_of_slots=ids,
        ids=found,
    )
    LIBRARY.find_words(ctypes.byref(arguments))
    del held
    return found
