"""Clusters of points, and ranges that keep only some blocks of pairs, as KeOps' module of the same name has them.

``ranges`` of a call are six integer arrays. The first three say of each cluster of rows i over which columns j it is reduced: the rows
``ranges_i[k, 0]`` to ``ranges_i[k, 1] - 1`` over the ranges ``redranges_j[l]`` for l from ``slices_i[k - 1]`` (0 for the first) to
``slices_i[k] - 1``. The last three say the same of rows j. `from_matrix` makes them.

Examples
--------
Nearest neighbours, looked for in the same cell of a grid and the ones beside it:

>>> import numpy as np
>>> from genred.cluster import cluster_ranges_centroids, from_matrix, grid_cluster, sort_clusters
>>> from genred.numpy import generic_argmin
>>> x = np.random.default_rng(0).uniform(0, 10, (1000, 1))
>>> labels = grid_cluster(x, 1.0)
>>> cells, centroids, _ = cluster_ranges_centroids(x, labels)
>>> (x,), labels = sort_clusters((x,), labels)
>>> near = abs(centroids - centroids.T) < 2
>>> ranges = from_matrix(cells, cells, near)
>>> nearest = generic_argmin("SqDist(x, y)", "k = Vi(1)", "x = Vi(1)", "y = Vj(1)")
>>> bool((nearest(x, x, ranges=ranges) == nearest(x, x)).all())
True
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import ShapeError, UsageError

__all__ = [
    "cluster_centroids",
    "cluster_ranges",
    "cluster_ranges_centroids",
    "from_matrix",
    "grid_cluster",
    "sort_clusters",
    "swap_axes",
]

Integers = NDArray[np.int64]
Ranges = tuple[Integers, Integers, Integers, Integers, Integers, Integers]


def grid_cluster(x: NDArray[Any], size: float | ArrayLike) -> Integers:
    """The cell of each point in a grid of boxes with sides of `size`; cells with a point are numbered from 0.

    Parameters
    ----------
    x : array of shape (M, D)
    size : float, or array of shape (D,)

    Returns
    -------
    int64 array of shape (M,)

    Examples
    --------
    >>> import numpy as np
    >>> from genred.cluster import grid_cluster
    >>> grid_cluster(np.array([[0.1], [2.5], [0.2], [-1.0]]), 1.0)
    array([1, 2, 1, 0])
    """
    if x.ndim != 2:
        raise ShapeError(f"points have shape (M, D), not {x.shape}")
    if not (np.isfinite(size).all() and (np.asarray(size) > 0).all()):
        raise UsageError(f"the size of a cell is positive and finite, not {size!s}")
    if not np.isfinite(x).all():
        raise UsageError("points that are not finite are in no cell")
    _, labels = np.unique(np.floor(x / size), axis=0, return_inverse=True)
    return labels.reshape(-1).astype(np.int64)


def _labels(lab: ArrayLike, rows: int | None = None) -> Integers:
    labels = np.asarray(lab)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or (rows is not None and len(labels) != rows):
        raise ShapeError("labels are one integer for each point")
    if labels.size and labels.min() < 0:
        raise UsageError("labels are numbers from 0 on")
    return labels.astype(np.int64)


def cluster_ranges(lab: ArrayLike, Nlab: ArrayLike | None = None) -> Integers:  # noqa: N803 - KeOps' keyword
    """Where each cluster begins and ends once points are sorted by label: shape (clusters, 2).

    Examples
    --------
    >>> from genred.cluster import cluster_ranges
    >>> cluster_ranges([1, 0, 1])
    array([[0, 1],
           [1, 3]])
    """
    counts = np.bincount(_labels(lab)) if Nlab is None else np.asarray(Nlab, np.int64)
    ends = np.cumsum(counts)
    return np.stack([ends - counts, ends], axis=1)


def cluster_centroids(
    x: NDArray[Any], lab: ArrayLike, Nlab: ArrayLike | None = None, weights: NDArray[Any] | None = None, weights_c: Any = None
) -> NDArray[Any]:  # noqa: N803
    """The mean of the points of each cluster, weighted if there are weights: shape (clusters, D).

    Examples
    --------
    >>> import numpy as np
    >>> from genred.cluster import cluster_centroids
    >>> cluster_centroids(np.array([[1.0], [5.0], [3.0]]), [0, 1, 0])
    array([[2.],
           [5.]])
    """
    labels = _labels(lab, len(x))
    mass = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64).reshape(-1)
    total = np.bincount(labels, mass) if weights_c is None else np.asarray(weights_c, np.float64).reshape(-1)
    sums = np.stack([np.bincount(labels, mass * column) for column in x.T], axis=1)
    with np.errstate(invalid="ignore"):
        return (sums / total[:, None]).astype(x.dtype)


def cluster_ranges_centroids(
    x: NDArray[Any], lab: ArrayLike, weights: NDArray[Any] | None = None, min_weight: float = 1e-9
) -> tuple[Integers, NDArray[Any], NDArray[Any]]:
    """`cluster_ranges`, `cluster_centroids` and the weight of each cluster: the number of points, or the sum of their weights.

    `min_weight` is the weight that the centroid of a cluster is divided by at least.
    """
    labels = _labels(lab, len(x))
    ranges = cluster_ranges(labels)
    if weights is None:
        mass = np.diff(ranges).reshape(-1).astype(x.dtype)
    else:
        mass = np.bincount(labels, np.asarray(weights, np.float64).reshape(-1)).astype(x.dtype)
    centroids = cluster_centroids(x, labels, weights=weights, weights_c=np.maximum(mass, min_weight))
    return ranges, centroids, mass


def sort_clusters(x: Any, lab: ArrayLike) -> tuple[Any, Integers]:
    """Arrays of points (one, or a tuple of several) and labels, sorted by label; points of a label keep their order.

    Examples
    --------
    >>> import numpy as np
    >>> from genred.cluster import sort_clusters
    >>> sort_clusters(np.array([[1.0], [5.0], [3.0]]), [1, 0, 1])
    (array([[5.],
           [1.],
           [3.]]), array([0, 1, 1]))
    """
    labels = _labels(lab)
    order = np.argsort(labels, kind="stable")
    if isinstance(x, (tuple, list)):
        return tuple(array[order] for array in x), labels[order]
    return x[order], labels[order]


def from_matrix(ranges_i: ArrayLike, ranges_j: ArrayLike, keep: ArrayLike) -> Ranges:
    """The ranges that keep these blocks.

    Parameters
    ----------
    ranges_i, ranges_j : integer arrays of shape (clusters of i, 2) and (clusters of j, 2)
        Where each cluster begins and ends.
    keep : boolean array of shape (clusters of i, clusters of j)

    Returns
    -------
    tuple of six int64 arrays
        `ranges` of a call.

    Examples
    --------
    >>> import numpy as np
    >>> from genred.cluster import from_matrix
    >>> from genred.numpy import Genred
    >>> ranges = from_matrix([[0, 2], [2, 3]], [[0, 1], [1, 4]], [[True, False], [False, True]])
    >>> count = Genred("1", ["x = Vi(1)", "y = Vj(1)"], axis=1)
    >>> count(np.zeros((3, 1)), np.zeros((4, 1)), ranges=ranges)
    array([[1.],
           [1.],
           [3.]])
    """
    rows, columns = np.asarray(ranges_i, np.int64).reshape(-1, 2), np.asarray(ranges_j, np.int64).reshape(-1, 2)
    mask = np.asarray(keep, bool)
    if mask.shape != (len(rows), len(columns)):
        raise ShapeError(f"`keep` has shape {mask.shape}, but there are {len(rows)} x {len(columns)} blocks")

    def half(own: Integers, other: Integers, mask: NDArray[np.bool_]) -> tuple[Integers, Integers, Integers]:
        _, kept = np.nonzero(mask)
        return own, np.cumsum(mask.sum(1), dtype=np.int64), other[kept]

    return (*half(rows, columns, mask), *half(columns, rows, mask.T))


def swap_axes(ranges: Sequence[Any] | None) -> tuple[Any, ...] | None:
    """The same pairs with i and j exchanged."""
    if ranges is None:
        return None
    first = tuple(ranges)
    return (*first[3:], *first[:3])
