"""Which tokens a language model sees when it writes: the window, its edges, and the cache that must not change them."""

from __future__ import annotations

import pytest
import torch

from ops.errors import ConfigError
from ops.nn.language_model import LanguageModel
from ops.tokenization.base import SPECIAL
from ops.training.generate import tokens
from ops.training.sampling import Sampling
from tests.ops.nn.test_language_model import awake

LIKELIEST = Sampling(temperature=0.0, top_k=3)
DRAWN = Sampling(top_k=1_000_000, seed=4)  # more than there are


def written(network: LanguageModel, prompt: list[int], length: int, context: int, sampling: Sampling) -> list[int]:
    """Each token from the whole of what is seen: the later half of a window that was full, and what came since."""
    seen, found = prompt[-context:], list[int]()
    for place in range(length):
        if len(seen) == context + 1:
            seen = seen[-max(1, context // 2) :]
        with torch.no_grad():
            logits = network(torch.tensor([seen]))[0, -1].numpy()
        found.append(sampling.draw(logits, place, range(len(SPECIAL))))
        seen = [*seen, found[-1]]
    return found


@pytest.mark.parametrize("sampling", [LIKELIEST, DRAWN], ids=["likeliest", "drawn"])
@pytest.mark.parametrize("block", ["gpt2", "modern"])
@pytest.mark.parametrize("context", [1, 2, 5, 12])
def test_the_cache_changes_no_token_at_any_edge_of_the_window(block: str, context: int, sampling: Sampling) -> None:
    network, length = awake(block=block).eval(), 2 * context + 3
    vocabulary = len(network.embedding.weight)
    for given in {1, max(1, context - 1), context, context + 1, 3 * context + 2}:
        prompt = [len(SPECIAL) + (7 * place) % (vocabulary - len(SPECIAL)) for place in range(given)]
        expected = written(network, prompt, length, context, sampling)
        for cached in (True, False):
            assert list(tokens(network, prompt, length, context, sampling, cached=cached)) == expected


def test_without_a_prompt_there_is_nothing_to_go_on() -> None:
    with pytest.raises(ConfigError, match="the prompt has no token"):
        list(tokens(awake(), [], 3, 4, DRAWN))
