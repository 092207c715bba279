"""The ids of texts, as the C files read them: texts.h."""

from __future__ import annotations

import ctypes

import numpy as np

from skrnn.native.binding import point, structure

Texts = structure(
    "texts",
    integers="n_texts n_ids first_id bytes_an_id bytes_an_offset",
    arrays="ids:any offsets:any",
)


def as_read(ids: np.ndarray) -> np.ndarray:
    """Give ids as they can be read: the same, if they are narrow, and else a copy."""
    return ids if ids.dtype in (np.uint8, np.uint16, np.int32) else ids.astype(np.int32)


def check_ids(ids: np.ndarray, *, n_ids: int) -> None:
    """Check that ids are some of so many.

    Raises
    ------
    ValueError
        If one is not from 0 to ``n_ids - 1``.
    """
    if len(ids) and (ids.max() >= n_ids or (ids.dtype.kind != "u" and ids.min() < 0)):
        raise ValueError(
            f"Ids should be from 0 to {n_ids - 1}; they go from {ids.min()} to "
            f"{ids.max()}."
        )


def point_at(
    ids: np.ndarray, offsets: np.ndarray, *, n_ids: int, first_id: int = 0
) -> tuple[ctypes.Structure, list[np.ndarray]]:
    """Give a structure for texts, and what is to be held until it is used.

    Parameters
    ----------
    ids : ndarray of int, of shape (n_tokens,)
        The texts' ids.

    offsets : int32 or int64 ndarray of shape (n_texts + 1,)
        Text ``i`` owns ``ids[offsets[i]:offsets[i + 1]]``.

    n_ids : int
        The number of ids.

    first_id : int
        Those below it are in no n-gram.

    Raises
    ------
    TypeError
        If the offsets are of another type.

    ValueError
        If they fall, or go beyond the ids.
    """
    ids = as_read(ids)
    if offsets.dtype not in (np.int32, np.int64):
        raise TypeError(f"`offsets` is {offsets.dtype} and not int32 or int64.")
    if offsets[0] < 0 or offsets[-1] > len(ids) or (offsets[1:] < offsets[:-1]).any():
        raise ValueError(
            f"`offsets` fall, or are not all from 0 to {len(ids)}, the number of ids."
        )
    sizes = ids.itemsize, offsets.itemsize
    texts = Texts(len(offsets) - 1, n_ids, first_id, *sizes)
    return texts, point(texts, ids=ids, offsets=offsets)
