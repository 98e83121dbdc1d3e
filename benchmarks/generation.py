"""Writing 256 characters with the key-value cache against computing all that is seen for every one of them.

One thread, CPU-seconds, fresh weights, which are as fast as trained ones; both sides draw the same characters.

* The bar is for two models that see the whole text for every character: nanoGPT's larger configuration for these
  characters (6 layers of width 384, context 256, 10.7 million parameters), and the recipe `shakespeare`'s (0.8 million)
  with a context of 512, which is so small that calls of torch, and not arithmetic, are what a character costs with a
  cache.
* With the recipe's own context, 64, the text outgrows it: both sides keep the later half of the window and go on
  (`ops/training/generate.py`), so that 32 to 64 are seen. There is little left to save, and no bar.
* The least of all turns counts: other work on the machine only adds, and more to the side that waits for memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.measure import Figure, in_turns

if TYPE_CHECKING:
    from ops.nn.models.base import Model

CHARACTERS, VOCABULARY = 256, 70


def generation(repeats: int) -> list[Figure]:
    """Times of the two, and how often the one is the other."""
    import torch

    from ops.nn.models.transformer_decoder import TransformerDecoder
    from pipelines.recipe import load_recipe

    torch.set_num_threads(1)
    larger, small = TransformerDecoder(dim=384, depth=6, heads=6, convolution=4), load_recipe("shakespeare").model
    found = []
    for title, kind, context, barred in (
        ("10.7 M, all seen", larger, CHARACTERS, True),
        ("0.8 M, all seen", small, 2 * CHARACTERS, True),
        ("0.8 M, 32 to 64 seen", small, 64, False),
    ):
        plain, cached = (min(times) for times in in_turns(repeats, *_sides(kind, context)))
        ratio = plain / cached
        goal, met = (">= 5", ratio >= 5.0) if barred else ("", None)
        found += [
            Figure(f"generation, {title}: {CHARACTERS} characters, cached", 1000 * cached, "ms"),
            Figure(f"generation, {title}: times as long without", ratio, "x", goal, met),
        ]
    return found


def _sides(kind: Model, context: int) -> tuple[Callable[[], float], Callable[[], float]]:
    """What writes without a cache, and with one."""
    import torch

    from ops.nn.spec import TextSpec
    from ops.training.generate import tokens
    from ops.training.sampling import Sampling

    torch.manual_seed(0)
    network = kind.build(TextSpec(vocabulary=VOCABULARY, max_length=context), VOCABULARY).eval()
    written: list[list[int]] = []

    def write(cached: bool) -> float:
        started = time.process_time()
        written.append(list(tokens(network, [2], CHARACTERS, context, Sampling(seed=1), cached=cached)))
        if len(written[-1]) != CHARACTERS or written[-1] != written[0]:
            raise SystemExit("the two sides did not write the same")
        return time.process_time() - started

    return (lambda: write(False)), (lambda: write(True))
