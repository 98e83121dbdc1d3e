"""`satiety doctor`: what would go wrong on this machine, and the fix."""

from __future__ import annotations

import typer

from pipelines.commands.options import JsonOption


def doctor(as_json: JsonOption = False) -> None:
    """Look for what would go wrong here, and say the fix.

    Exit code 1 where something will fail.
    """
    from pipelines.console import coloured, give, say, table
    from pipelines.doctor import examine

    findings = examine()
    styles = {"ok": "green", "warn": "yellow", "fail": "red"}
    failed = sum(finding.status == "fail" for finding in findings)
    warned = sum(finding.status == "warn" for finding in findings)
    if as_json:
        give({"ok": not failed, "checks": [vars(finding) for finding in findings]})
    else:
        rows = [(f.name, coloured(f.status, styles[f.status]), f.detail) for f in findings]
        table(("check", "", "found"), rows)
        for finding in findings:
            if finding.fix:
                say(f"fix {finding.name}: {finding.fix}")
        say("all is well" if not failed + warned else f"{failed} will fail, {warned} may hurt")
    if failed:
        raise typer.Exit(1)
