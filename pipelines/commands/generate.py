"""`satiety generate`: text from a trained language model."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.options import JsonOption, RecipeArgument, SetOption

if TYPE_CHECKING:
    from ops.recipe import Recipe
    from ops.storage import Store, Version
    from ops.training.generate import Writer
    from ops.training.sampling import Sampling


def generate(
    recipe: RecipeArgument,
    prompt: Annotated[
        str, typer.Option("--prompt", "-p", help="How the text begins; nothing for a new text, - for standard input.")
    ] = "",
    length: Annotated[int, typer.Option("--length", "-n", min=1, max=1_000_000, help="Tokens to write at most.")] = 500,
    temperature: Annotated[
        float, typer.Option(min=0.0, max=100.0, help="Below 1 likely tokens are likelier; 0 takes the likeliest.")
    ] = 0.8,
    top_k: Annotated[int, typer.Option(min=0, help="Only so many of the likeliest tokens; 0: all.")] = 0,
    top_p: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Only the likeliest tokens that together have this probability.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="The same seed writes the same text.")] = 0,
    stop: Annotated[
        str, typer.Option("--stop", help="End in front of this; \\n stands for the end of a line.", show_default=False)
    ] = "",
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Compute all that is seen for every token: slower, and the same text.")
    ] = False,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write text with the recipe's language model, as it comes.

    The model in use is taken, and every byte of it verified first; where the recipe says something else by now, that is
    told. The prompt is normalised as the training texts were.
    """
    from ops.errors import ConfigError
    from ops.storage import Store
    from pipelines.console import give, say
    from pipelines.recipe import load
    from resources.settings import load_settings

    loaded = load(recipe, overrides or ()).recipe
    if loaded.task.form != "stream":
        hint = "a recipe with the task language_model does"
        raise ConfigError(f"{loaded.task.kind} writes no text", where=f"{recipe}: task.kind", hint=hint)
    sampling = _sampling(temperature, top_k, top_p, seed)
    writer = _writer(loaded, recipe, Store(load_settings().store))
    begin = _normalised(loaded, _given(prompt))
    unknown = _unknown(writer, begin)
    if unknown:
        tokens = "1 token" if unknown == 1 else f"{unknown} tokens"
        say(f"the vocabulary does not know {tokens} of the prompt; the model sees [UNK] there")
    pieces = writer.write(begin, length, sampling, stop.replace("\\n", "\n"), cached=not no_cache)
    if as_json:
        settings = {"length": length, "stop": stop, **sampling.model_dump(mode="json")}
        give({"recipe": loaded.name, "model": writer.digest, "prompt": begin, "text": "".join(pieces), **settings})
        return
    typer.echo(begin, nl=False)
    for piece in pieces:
        typer.echo(piece, nl=False)
    typer.echo()


def _sampling(temperature: float, top_k: int, top_p: float, seed: int) -> Sampling:
    """How tokens are drawn, from the options; what no token could be drawn by is named."""
    import math

    from ops.errors import ConfigError
    from ops.training.sampling import Sampling

    for option, value in (("--temperature", temperature), ("--top-p", top_p)):
        if math.isnan(value):
            raise ConfigError("is no number", where=option)
    if top_p == 0.0:
        raise ConfigError("0 leaves no token to choose from", where="--top-p", hint="give more than 0, up to 1")
    return Sampling(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)


def _writer(recipe: Recipe, reference: str, store: Store) -> Writer:
    """The model in use with its vocabulary; settings of the recipe that it was not trained with are told."""
    from ops.stages.chain import stage_named
    from ops.stages.run import settings
    from ops.training.generate import load_writer
    from pipelines.console import say

    model, tokenizer = (_verified(store, recipe, reference, stage) for stage in ("model", "tokenizer"))
    now, then = settings(stage_named(recipe, "model"), recipe), model.manifest.inputs
    others = [key.removeprefix("config.") for key, value in now.items() if then.get(key) != value]
    if others:
        say(f"the model in use was trained with another {', '.join(others)}; satiety plan says what a run would build")
    return load_writer(model, tokenizer)


def _verified(store: Store, recipe: Recipe, reference: str, stage: str) -> Version:
    from ops.errors import ConfigError

    version = store.slot(recipe.name, stage).current()
    if version is None:
        raise ConfigError(f"{reference} has no {stage} yet", hint=shlex.join(["satiety", "run", reference]))
    version.check()
    return version


def _given(prompt: str) -> str:
    import sys

    return sys.stdin.read() if prompt == "-" else prompt


def _normalised(recipe: Recipe, prompt: str) -> str:
    """The prompt as the steps of normalisation leave it.

    Raises:
        ConfigError: they drop it.
    """
    import polars as pl

    from ops.errors import ConfigError
    from ops.steps import Facts, apply_steps

    column = recipe.task.input
    steps: list[Any] = list(recipe.normalization)
    if not prompt or not steps:
        return prompt
    table = pl.DataFrame({"id": ["prompt"], column: [prompt], "split": ["test"]})
    kept = apply_steps(table, steps, Facts("prompt", recipe.seed)).kept
    if kept.is_empty():
        raise ConfigError("normalisation drops the prompt", where="--prompt")
    return str(kept[column][0])


def _unknown(writer: Writer, prompt: str) -> int:
    """Tokens of the prompt that stand for what is outside of the vocabulary."""
    from ops.training.generate import UNKNOWN

    return writer.encode(prompt).count(UNKNOWN)
