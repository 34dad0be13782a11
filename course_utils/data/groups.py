"""Which cases belong together: they share something, directly or through others, and are not independent."""

from collections.abc import Iterable

import numpy as np
import pandas as pd


def joined_groups(*groupings: Iterable) -> np.ndarray:
    """Make one grouping of several: rows that share a value in any of them are of one group, and so is who shares on.

    Parameters
    ----------
    *groupings : sequences of length n
        Any values that can be hashed; one that is missing is shared with no other row.

    Returns
    -------
    ndarray of int32, shape (n,)
        Numbers from 0 in the order in which the groups come.

    Examples
    --------
    >>> from course_utils.data import joined_groups
    >>> joined_groups(["a", "b", "a", "c", None], [1, 2, 3, 2, None])
    array([0, 1, 0, 1, 2], dtype=int32)
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbers = np.array([pd.factorize(pd.Series(list(each), dtype=object))[0] for each in groupings])
    k, n = numbers.shape
    numbers = np.where(numbers < 0, n + np.arange(n), numbers)
    # each value is a node of a graph, as is each row
    ends = np.tile(np.arange(n), k), (numbers + n + 2 * n * np.arange(k)[:, None]).ravel()
    graph = coo_array((np.ones(k * n), ends), shape=(n + 2 * n * k,) * 2)
    return connected_components(graph, directed=False)[1][:n]


def shared_groups(lists: Iterable[Iterable]) -> np.ndarray:
    """Number the groups of rows whose lists share a value, directly or through others; see :func:`joined_groups`."""
    values = pd.Series(list(map(list, lists))).explode()
    return joined_groups(values.index, values)[~values.index.duplicated()]
