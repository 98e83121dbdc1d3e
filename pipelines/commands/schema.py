"""`satiety schema`: the JSON Schema of recipes, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def schema(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file.", dir_okay=False, show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, which the schema always is.", hidden=True)] = False,
) -> None:
    """Print the JSON Schema of recipes.

    Editors with the YAML language server check and complete a file that begins with:
    # yaml-language-server: $schema=recipe.schema.json
    """
    import json

    from ops.errors import StorageError
    from pipelines.console import give, say
    from pipelines.schema import recipe_schema

    made = recipe_schema()
    if output is None:
        give(made)
        return
    try:
        output.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=str(output)) from error
    say(f"{output} written")
