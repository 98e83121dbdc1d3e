"""What token comes next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from ops.errors import IntegrityError
from ops.nn.spec import Spec, TextSpec
from ops.tasks.base import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

OUTSIDE = -100
"""Target of a place behind the end of a window; it counts in no loss."""

NATS, HITS, COUNTS = 0, 1, 2
"""Places in a tally: sum of losses in nats, targets that were thought most likely, and from there how often each token
was a target."""


class LanguageModel(Task):
    """The next token of a text, at every place, from those before it.

    Texts are streams of tokens; an example is a window of `context` tokens of one, and of each token the next is to be
    told. Windows lie one behind the other, so that every token of a text is told exactly once, the first from [CLS]
    alone; the last of a text is shorter. With `across` texts of a partition and split are one stream, in which [CLS]
    stands between them and is told too.

    The loss is the cross-entropy -ln p(token) in nats, and what it is divided by is the number of tokens told in the
    global batch. The rival is the best guess without context: the entropy of the frequencies of the tokens told.
    Metrics: nats a token, perplexity exp(nats), and the share of tokens thought most likely.
    """

    modality: ClassVar[str] = "text"
    rival: ClassVar[str] = "unigram"
    rival_check: ClassVar[str] = (
        "On the validation split the model needs fewer nats a token than the tokens' frequencies alone."
    )
    judged: ClassVar[tuple[str, str]] = ("nats", "unigram_nats")
    label: ClassVar[str] = ""  # type: ignore[misc] # the text itself

    kind: Literal["language_model"] = "language_model"
    """The next token of a text."""
    context: Annotated[int, Field(ge=1, le=8191)] = 64
    """Tokens of a window: the most that the model looks back on."""
    across: bool = False
    """Whether windows reach over the ends of texts, which wastes nothing where texts are short."""

    @property
    def form(self) -> str:
        """A stream of tokens."""
        return "stream"

    @property
    def label_shape(self) -> None:
        """Examples have no label: what is to be told is in the text."""

    def outputs(self, classes: int, spec: Spec) -> int:
        """One for each token of the vocabulary.

        Raises:
            IntegrityError: the input is no text.
        """
        if not isinstance(spec, TextSpec):
            raise IntegrityError(f"{self.kind} reads text, not {spec.kind}", where="token_cache")
        return spec.vocabulary

    def units(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """(B,) tokens told in each window: all but its first."""
        return lengths - 1

    def width(self, longest: int) -> int:
        """Tokens that the model reads of windows of `longest`: all but the last."""
        return longest - 1

    def collate(self, values: NDArray[np.generic], lengths: NDArray[np.int64], spec: Spec) -> tuple[Tensor, ...]:
        """Tokens (B, T) int64 that the model reads, T = longest - 1; behind a shorter window anything."""
        import numpy as np
        import torch

        return (torch.from_numpy(values[:, :-1].astype(np.int64)),)

    def targets(
        self, values: NDArray[np.generic], lengths: NDArray[np.int64], labels: NDArray[np.generic]
    ) -> NDArray[np.generic]:
        """(B, T) int64, the token behind each one; `OUTSIDE` behind a shorter window."""
        import numpy as np

        told = values[:, 1:].astype(np.int64)
        told[np.arange(told.shape[1]) >= (lengths - 1)[:, None]] = OUTSIDE
        return told

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float = 0.0) -> Tensor:
        """Sum of the losses of all tokens told, each times its window's weight.

        Args:
            logits: (B, T, V).
            labels: (B, T) int64, `OUTSIDE` where nothing is told.
            weights: (B,).
            smoothing: share of the target that is spread over the vocabulary.
        """
        return (self._each(logits, labels, smoothing).sum(dim=1) * weights).sum()

    def nats(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(B, T) the loss of each token told; 0 where nothing is."""
        return self._each(logits, labels, 0.0)

    def tally(self, logits: Tensor, labels: Tensor, weights: Tensor, classes: int) -> Tensor:
        """(2 + V,) float64; see `NATS`. Windows of weight 0 are left out."""
        import torch

        told = (labels != OUTSIDE) & (weights > 0)[:, None]
        sums = [
            self._each(logits, labels, 0.0).double()[told].sum(),
            ((logits.argmax(dim=-1) == labels) & told).sum().double(),
        ]
        return torch.cat([torch.stack(sums), torch.bincount(labels[told], minlength=classes).double()])

    def nothing(self, classes: int) -> Tensor:
        """Sums over no tokens."""
        import torch

        return torch.zeros(COUNTS + classes, dtype=torch.float64)

    def metrics(self, tally: NDArray[Any]) -> dict[str, float]:
        """Nats a token, perplexity, and the share of tokens thought most likely."""
        told = max(float(tally[COUNTS:].sum()), 1.0)
        nats = float(tally[NATS]) / told
        # Beyond any number only where a model has gone astray; JSON knows no infinity.
        return {"nats": nats, "perplexity": math.exp(min(nats, 700.0)), "accuracy": float(tally[HITS]) / told}

    def naive(self, tally: NDArray[Any]) -> dict[str, float]:
        """The entropy in nats of the frequencies of the tokens told."""
        counts = tally[COUNTS:][tally[COUNTS:] > 0]
        shares = [float(count) / float(counts.sum()) for count in counts]
        return {"unigram_nats": -sum(share * math.log(share) for share in shares)}

    def lost(self, figures: Mapping[str, float]) -> str:
        """What speaks against a model that needs as much as one that looks at nothing."""
        own, unigram = figures["nats"], figures["unigram_nats"]
        if own < unigram:
            return ""
        return f"it needs {own:.3f} nats a token on the validation split, the tokens' frequencies alone {unigram:.3f}"

    def score(self, metrics: dict[str, float]) -> float:
        """Minus the nats a token."""
        return -metrics["nats"]

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B, T, V), softmax over the vocabulary."""
        return logits.softmax(dim=-1)

    def _each(self, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        from torch.nn import functional

        losses = functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), reduction="none", ignore_index=OUTSIDE, label_smoothing=smoothing
        )
        return losses.view(labels.shape)
