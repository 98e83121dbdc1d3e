"""Gradient-boosted trees on rows of a table: the classifier that deep models of tables are held against."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from ops.evaluation.baselines.base import Baseline, Guess, Table
from ops.evaluation.metrics import Labels

_CATEGORIES = 255
"""Categories that scikit-learn takes in one column; those of a larger one are read as numbers in their order."""


class BoostedTrees(Baseline):
    """Histogram-based gradient boosting of scikit-learn (Friedman, 2001; Ke et al., 2017).

    Categories are split into sets (Fisher, 1958); a column of more than 255 of them is read as numbers.
    """

    applies_to: ClassVar[frozenset[str]] = frozenset({"row"})
    title: ClassVar[str] = "Boosted trees"
    needs: ClassVar[tuple[str, ...]] = ("sklearn.ensemble",)

    kind: Literal["boosted_trees"] = "boosted_trees"
    """Gradient-boosted trees for rows of tables."""
    trees: int = Field(default=100, ge=1, le=10_000)
    """Number of trees for each class."""
    leaves: int = Field(default=31, ge=2, le=1024)
    """Most leaves of a tree."""
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    """Share of each tree that counts."""

    def guess(self, train_inputs: Table, train_labels: Labels, test_inputs: Table) -> Guess:
        """Fit on rows and predict rows."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        train, test = (np.hstack([table.numbers, table.categories]) for table in (train_inputs, test_inputs))
        mask = [False] * train_inputs.numbers.shape[1] + [size <= _CATEGORIES for size in train_inputs.sizes]
        machine = HistGradientBoostingClassifier(
            max_iter=self.trees,
            max_leaf_nodes=self.leaves,
            learning_rate=self.learning_rate,
            categorical_features=mask if any(mask) else None,
            early_stopping=False,
            random_state=0,
        ).fit(train, train_labels)
        grown = [tree for stage in machine._predictors for tree in stage]
        return Guess(
            machine.predict(test).astype(np.int64),
            parameters=int(sum(len(tree.nodes) for tree in grown)),
            flops=2.0 * train.size * len(grown) * float(np.log2(self.leaves)),
            flops_how="about 2 x rows x columns x trees x levels",
        )
