"""Names beside points, as far as there is room."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

# Where a name may stand beside its point: offsets in points, and alignments.
_SIDES = [
    (5, 0, "left", "center"),
    (-5, 0, "right", "center"),
    (0, 5, "center", "bottom"),
    (0, -5, "center", "top"),
    (4, 4, "left", "bottom"),
    (-4, 4, "right", "bottom"),
    (4, -4, "left", "top"),
    (-4, -4, "right", "top"),
]


def drawable(name: str) -> str:
    """The name as it can be drawn and written: half a surrogate pair cannot.

    Two dollar signs make a formula of it, unless it is drawn with ``parse_math=False``.
    """
    return name.encode("utf-8", "replace").decode()


def place_labels(
    ax, names: list[str], points: np.ndarray, order: Iterable[int], most: int
) -> list:
    """Name points, where no other name and no point named is in the way.

    Parameters
    ----------
    ax : matplotlib Axes
        With all else drawn already, and its limits final.

    names : list of str
        One a point.

    points : ndarray of shape (n_points, 2)
        Where they are, in the axes' coordinates.

    order : iterable of int
        The points to name, the most important first.

    most : int
        The most names.

    Returns
    -------
    list of matplotlib Annotation
    """
    from matplotlib.patheffects import withStroke

    # The layout has to be settled before anything is measured: that of the whole
    # figure, of which these axes may have a part.
    ax.figure.canvas.figure.draw_without_rendering()
    inside = ax.get_window_extent()
    pixels = ax.transData.transform(points)
    taken = np.empty((0, 4))
    labels = []
    for i in order:
        if len(labels) == most:
            break
        label = ax.annotate(
            drawable(names[i]),
            points[i],
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=8,
            parse_math=False,
            # Readable over points, too.
            path_effects=[withStroke(linewidth=2, foreground=ax.get_facecolor())],
        )
        for dx, dy, ha, va in _SIDES:
            label.set(position=(dx, dy), ha=ha, va=va)
            box = label.get_window_extent()
            fits = (
                inside.x0 <= box.x0
                and box.x1 <= inside.x1
                and inside.y0 <= box.y0
                and box.y1 <= inside.y1
            )
            apart = (
                (taken[:, 0] > box.x1)
                | (taken[:, 2] < box.x0)
                | (taken[:, 1] > box.y1)
                | (taken[:, 3] < box.y0)
            )
            if fits and apart.all():
                point = [*(pixels[i] - 3), *(pixels[i] + 3)]
                taken = np.vstack([taken, [*box.min, *box.max], point])
                labels.append(label)
                break
        else:
            label.remove()
    return labels
