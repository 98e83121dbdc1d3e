"""Encoding texts of which some leave out merges, as `bpe_dropout` has marked them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ops.tokenization.word_table import gathered

if TYPE_CHECKING:
    from ops.tokenization.base import DropoutEncoder, Encoder, Tokens


def encoded(
    encoder: Encoder,
    dropping: DropoutEncoder,
    texts: Sequence[str | None],
    seeds: NDArray[np.uint64],
    rates: NDArray[np.float64],
) -> tuple[Tokens, NDArray[np.int32]]:
    """The token numbers of all texts one behind the other, and each text's number of them.

    Args:
        encoder: makes all merges; for texts whose rate is 0.
        dropping: leaves some out.
        texts: (N,) the texts.
        seeds: (N,) what is left out, for those with a rate.
        rates: (N,) probability with which a merge is left out.
    """
    chosen = rates > 0
    rows = np.flatnonzero(chosen)
    plain, lengths = encoder.encode([texts[row] for row in np.flatnonzero(~chosen).tolist()])
    dropped, longer = dropping.encode([texts[row] for row in rows.tolist()], seeds[rows].tolist(), rates[rows].tolist())
    places = np.argsort(np.argsort(chosen, kind="stable"), kind="stable")
    both = np.concatenate([lengths, longer])
    starts = np.cumsum(both, dtype=np.int64) - both
    return gathered(np.concatenate([plain, dropped]), starts[places], both[places].astype(np.int64)), both[places]
