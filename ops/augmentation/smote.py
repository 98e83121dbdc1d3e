"""Rows made between rows of one class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ops.augmentation.tables import LABEL, TableChange, uniform
from ops.errors import BadData

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray


class Smote(TableChange):
    """Move a copy of a row towards a row of its class: SMOTE (Chawla, Bowyer, Hall and Kegelmeyer, 2002).

    Of the nearest training rows of the same class, by the Euclidean distance over `columns` as they are, one is drawn,
    and a point of the line between. With `balance` only smaller classes get such rows, as in the paper. Bring the
    columns to one scale first. Neighbours are looked for in the row's own partition, so that they are farther away
    where there are many partitions: a recipe with few rows of some class should have one (`single: true`). A row
    that is alone in its class there is copied as it is.
    """

    kind: Literal["smote"] = "smote"
    """Rows made between neighbours of one class."""
    neighbours: Annotated[int, Field(ge=1, le=100)] = 5
    """Nearest rows of which one is drawn."""

    @property
    def kin_count(self) -> int:
        """The neighbours."""
        return self.neighbours

    def kin(self, values: NDArray[np.float64], labels: pl.Series, pool: pl.DataFrame) -> NDArray[np.float64]:
        """The nearest rows of the same class, from the nearest on."""
        import numpy as np
        import polars as pl

        from ops.augmentation.table_copies import numbers
        from ops.columns import require

        require(pool, [LABEL], step=self.kind)
        if labels.null_count() or pool[LABEL].null_count():
            raise BadData(f"{self.kind}: a training row has no {LABEL}", hint="drop it before: kind consistency")
        result = np.full((len(values), self.neighbours, values.shape[1]), np.nan)
        for label in labels.unique().sort():
            rows = (labels == label).to_numpy()
            known = numbers(pool.filter(pl.col(LABEL) == label), self.columns, self.kind)
            if len(known) > 1:
                near = self._near(values[rows], known)
                result[rows, : near.shape[1]] = near
        return result

    def moved(
        self, values: NDArray[np.float64], kin: NDArray[np.float64], seeds: NDArray[np.uint64]
    ) -> NDArray[np.float64]:
        """A point between each row and one of its neighbours."""
        import numpy as np

        count = np.isfinite(kin[:, :, 0]).sum(axis=1)
        drawn = (uniform(seeds, 1) * count).astype(np.int64)
        other = np.where((count > 0)[:, None], kin[np.arange(len(values)), drawn], values)
        return np.asarray(values + uniform(seeds, 2)[:, None] * (other - values))

    def _near(self, values: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, K, C) the neighbours of rows among the known rows, which have each row too."""
        import numpy as np
        from sklearn.neighbors import NearestNeighbors

        # In an order of their own, so that ties do not depend on that of the rows.
        known = known[np.lexsort(known.T[::-1])]
        count = min(self.neighbours, len(known) - 1)
        near = NearestNeighbors(n_neighbors=count + 1).fit(known).kneighbors(values, return_distance=False)
        # The row itself is the nearest, unless there are more that are equal, of which it does not matter which it is.
        return np.asarray(known[near[:, 1:]])
