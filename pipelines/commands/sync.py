"""`satiety sync`: send to MLflow what could not be sent while it was away."""

from __future__ import annotations

from pipelines.commands.options import JsonOption


def sync(as_json: JsonOption = False) -> None:
    """Send what is pending to MLflow, each record once.

    To the MLflow that is set now, also what was meant for another one."""
    from ops.errors import ServiceDown
    from pipelines.console import give, say
    from resources.journal import redact
    from resources.settings import load_settings
    from resources.tracking import Tracker

    settings = load_settings()
    done = Tracker(settings).sync_pending(all_addresses=True)
    if as_json:
        give(vars(done))
    elif done.trainings:
        say(f"{done.trainings} trainings sent to MLflow, {done.values:,} values")
    elif not done.pending:
        say("nothing is pending")
    if done.pending:
        why = f": {done.reason}" if done.reason else ""
        raise ServiceDown(f"{done.pending} trainings still wait for MLflow{why}", where=redact(settings.tracking_uri))
