"""`satiety sync`: send to MLflow what could not be sent while it was away."""

from __future__ import annotations

from pipelines.commands.options import JsonOption


def sync(as_json: JsonOption = False) -> None:
    """Send what is pending to MLflow, each record once."""
    from pipelines.console import give, say
    from resources.settings import load_settings
    from resources.tracking import sync_pending

    sent = sync_pending(load_settings())
    if as_json:
        give({"sent": sent})
    else:
        say(f"{len(sent)} trainings sent to MLflow" if sent else "nothing is pending")
