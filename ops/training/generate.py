"""Writing text with a trained language model, token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ops.errors import CheckFailed, ConfigError
from ops.storage import Version
from ops.tokenization.base import SPECIAL
from ops.training.sampling import Sampling

if TYPE_CHECKING:
    import tokenizers
    from torch import nn

END = SPECIAL.index("[CLS]")
"""The token that begins a text, and so ends the one before it."""
UNKNOWN = SPECIAL.index("[UNK]")
_BROKEN = "\N{REPLACEMENT CHARACTER}"


def tokens(
    network: nn.Module,
    prompt: Sequence[int],
    length: int,
    context: int,
    sampling: Sampling,
    *,
    cached: bool = True,
    ends: bool = False,
) -> Iterator[int]:
    """The tokens that follow a prompt, as they are drawn; fewer than `length` where the text ends.

    The model sees at most `context` tokens. When they are full, the later half of them stays and is read anew, so that
    positions begin at 0 as in training: each token is told from half a window to a whole one. Without the cache all
    that is seen is computed for every token, with equal logits but for rounding.

    Args:
        network: a language model: tokens (B, T) and a cache to logits (B, T, V).
        prompt: at least one token.
        length: tokens to write.
        context: tokens that the model sees, as in training.
        sampling: how each is drawn.
        cached: whether keys and values are kept.
        ends: whether the model has learned where texts end; else [CLS] is not drawn, as other tokens that are no text.

    Raises:
        ConfigError: the prompt is empty.
    """
    import torch

    from ops.nn.language_model import LanguageModel
    from ops.nn.stepping import Stepper

    if not prompt:
        raise ConfigError("the prompt has no token", where="prompt")
    if not isinstance(network, LanguageModel):
        raise TypeError(f"{type(network).__name__} tells no tokens")
    stepper = Stepper(network, 1, context) if cached else None
    seen, begins = list(prompt)[-context:], True
    banned = [number for number in range(len(SPECIAL)) if number != END or not ends]
    for place in range(length):
        if len(seen) > context:
            seen, begins = seen[-max(1, context // 2) :], True
        with torch.inference_mode():
            if stepper is None:
                logits = network(torch.tensor([seen]))
            elif begins:
                logits = stepper.begin(torch.tensor([seen]))
            else:
                logits = stepper.read(torch.tensor([seen[-1:]]))
        begins = False
        token = sampling.draw(logits[0, -1].numpy(), place, banned)
        if token == END:
            return
        yield token
        seen.append(token)


@dataclass(frozen=True, eq=False)
class Writer:
    """A trained language model with its vocabulary.

    Attributes:
        network: the network, set to evaluation.
        context: tokens that it sees.
        ends: whether it has learned where texts end.
        vocabulary: turns text into tokens and back.
        digest: of the model's version.
    """

    network: nn.Module
    context: int
    ends: bool
    vocabulary: tokenizers.Tokenizer
    digest: str

    def encode(self, text: str) -> list[int]:
        """The tokens of the beginning of a text."""
        found: list[int] = self.vocabulary.encode(text).ids
        return found

    def write(self, prompt: str, length: int, sampling: Sampling, stop: str = "", cached: bool = True) -> Iterator[str]:
        """Pieces of the text that follows the prompt, as soon as they are sure.

        Args:
            prompt: how the text begins; nothing for a new text.
            length: tokens to write at most.
            sampling: how each is drawn.
            stop: the text ends in front of this, where it comes up.
            cached: whether keys and values are kept.
        """
        begin = self.encode(prompt)
        # Tokens may be parts of words and of characters: what is new is told from the text of all.
        known, drawn, said = self.vocabulary.decode(begin), [], 0
        for token in tokens(self.network, begin, length, self.context, sampling, cached=cached, ends=self.ends):
            drawn.append(token)
            text = self.vocabulary.decode([*begin, *drawn])[len(known) :]
            if stop and stop in text:
                yield text[said : text.index(stop)]
                return
            sure = len(text) - _doubtful(text, stop)
            if sure > said:
                yield text[said:sure]
                said = sure
        rest = self.vocabulary.decode([*begin, *drawn])[len(known) :][said:]
        if rest:
            yield rest


def _doubtful(text: str, stop: str) -> int:
    """Characters at the end that may still become others, or turn out to begin what stops the text."""
    whole = len(text.rstrip(_BROKEN))
    begun = max((size for size in range(1, len(stop)) if text.endswith(stop[:size])), default=0)
    return max(len(text) - whole, begun)


def load_writer(model: Version, tokenizer: Version) -> Writer:
    """The stored model and vocabulary, ready to write; all bytes are verified before they are parsed.

    Raises:
        ConfigError: the model is no language model.
        CheckFailed: the vocabulary is not the one that it was trained with.
    """
    import tokenizers

    from ops.tasks.language_model import LanguageModel
    from ops.training.result import load_model

    description: dict[str, Any] = model.json("model.json")
    task = description["task"].get("kind")
    if task != LanguageModel.model_fields["kind"].default:
        raise ConfigError(f"the model is for {task}; only a language model writes text", where="model.json")
    if model.manifest.inputs.get("input.tokenizer[all]") != tokenizer.digest:
        hint = "satiety run builds the model anew"
        raise CheckFailed("the vocabulary is not the one that the model was trained with", where="tokenizer", hint=hint)
    trained = load_model(description, model.file("model.safetensors").read_bytes())
    vocabulary = tokenizers.Tokenizer.from_str(tokenizer.file("tokenizer.json").read_text(encoding="utf-8"))
    vocabulary.encode_special_tokens = True
    vocabulary.no_truncation()
    if not isinstance(trained.task, LanguageModel):
        raise TypeError(f"{trained.task.kind} tells no tokens")
    return Writer(trained.network, trained.task.context, trained.task.across, vocabulary, model.digest)
