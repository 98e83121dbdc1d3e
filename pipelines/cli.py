"""The command `satiety`.

Exit codes: 0 done; 1 a stage failed; 2 the recipe, an option or a setting is wrong; 4 a check did not pass; 5 stored
bytes are not what they were; 65 an input cannot be used; 69 a service does not answer; 74 the store cannot be written
(disk full); 75 try again; 130 interrupted by Ctrl-C; 143 ended by TERM.
"""

from __future__ import annotations

import contextlib
import errno
import inspect
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Annotated, NoReturn, cast, get_type_hints

import click
import typer
import typer.core
from typer.models import ArgumentInfo

from pipelines.commands.dates import dates
from pipelines.commands.doctor import doctor
from pipelines.commands.dvc import dvc
from pipelines.commands.gc import gc
from pipelines.commands.generate import generate
from pipelines.commands.lineage import lineage
from pipelines.commands.mirror import pull, push
from pipelines.commands.peek import peek
from pipelines.commands.plan import plan
from pipelines.commands.report import report
from pipelines.commands.run import run
from pipelines.commands.schema import schema
from pipelines.commands.sync import sync
from pipelines.commands.ui import ui
from pipelines.commands.verify import verify
from pipelines.console import state

EXIT_FAILED, EXIT_USAGE, EXIT_OUTPUT, EXIT_INTERRUPTED, EXIT_TERMINATED = 1, 2, 74, 130, 143

EPILOG = (
    "Exit codes: 0 done, 1 a stage failed, 2 wrong recipe or option, 4 a check did not pass, 5 stored bytes are "
    "broken, 65 bad input, 69 service down, 74 disk full, 75 try again, 130 interrupted."
)

PANELS = ("Work", "Look", "Care", "Around")


class Commands(typer.core.TyperGroup):
    """The help in plain text, by panels: importing what draws boxes would take half of the time that help may take."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the subcommands under the headings of their panels."""
        panels: dict[str, list[tuple[str, str]]] = {panel: [] for panel in PANELS}
        width = formatter.width - 6 - max(map(len, self.commands))
        for name, command in self.commands.items():
            panels[str(getattr(command, "rich_help_panel", PANELS[0]))].append(
                (name, command.get_short_help_str(width))
            )
        for panel, lines in panels.items():
            with formatter.section(panel):
                formatter.write_dl(lines)


class Command(typer.core.TyperCommand):
    """A command whose help describes its arguments: click 8.5 forgets the texts that typer gives it."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write arguments and options."""
        hints = get_type_hints(inspect.unwrap(self.callback), include_extras=True) if self.callback else {}
        for parameter in self.params:
            for note in getattr(hints.get(parameter.name or ""), "__metadata__", ()):
                if isinstance(parameter, typer.core.TyperArgument) and isinstance(note, ArgumentInfo):
                    parameter.help = parameter.help or note.help
        super().format_options(ctx, formatter)


app = typer.Typer(
    name="satiety",
    cls=Commands,
    rich_markup_mode=None,
    suggest_commands=False,
    help="From a raw corpus to a trained model and its report.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"satiety {version('satiety')}")
        except PackageNotFoundError:
            typer.echo("satiety (not installed, run from its folder)")
        raise typer.Exit


@app.callback()
def _global(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show errors with their traceback; may stand anywhere.")
    ] = False,
) -> None:
    """From a raw corpus to a trained model and its report."""


for _group, _commands in zip(
    PANELS,
    ((run, plan, report), (peek, generate, lineage, dates, schema), (verify, gc, push, pull, doctor), (ui, dvc, sync)),
    strict=True,
):
    for _command in cast("tuple[Callable[..., None], ...]", _commands):
        app.command(rich_help_panel=_group, cls=Command)(_command)


class _TerminatedError(KeyboardInterrupt):
    """TERM was received; unwinds like Ctrl-C."""


def _on_term(number: int, frame: FrameType | None) -> NoReturn:
    state.terminated = True
    raise _TerminatedError


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    state.json, state.verbose = "--json" in words, bool({"-v", "--verbose"} & set(words))
    words = [word for word in words if word not in ("-v", "--verbose")]
    signal.signal(signal.SIGTERM, _on_term)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # `>&-`: whoever closed it wants to hear nothing.
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - it stays open to the end
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Data and names of files have characters that a terminal's encoding may not have.
        sys.stdout.reconfigure(errors="backslashreplace")
    code = invoke(words)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # All is done and said: what is left is Python's own leaving.
    if state.terminated and code == EXIT_INTERRUPTED:
        code = EXIT_TERMINATED  # Whoever caught the interruption below could not tell the one from the other.
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()  # The reader (`head`) has seen enough.
    except OSError as error:
        _drop_output()
        code = _fail(error, _unwritten(error), EXIT_OUTPUT)
    sys.exit(code)


def _drop_output() -> None:
    """Python would complain once more at exit about what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unwritten(error: OSError) -> str:
    return f"standard output cannot be written: {error.strerror}"


def invoke(words: list[str]) -> int:
    """Run one command; errors become messages and an exit code."""
    from ops.errors import SatietyError

    try:
        command = typer.main.get_command(app)
        with command.make_context("satiety", words) as context:
            command.invoke(context)
        return 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError:
        return EXIT_USAGE  # The help has been printed.
    except click.UsageError as error:
        return _usage(error)
    except click.ClickException as error:
        return _fail(error, error.format_message(), EXIT_USAGE)
    except SatietyError as error:
        return _fail(error, str(error), error.exit_code)
    except _TerminatedError as error:
        return _fail(error, "ended by TERM; what was committed is kept", EXIT_TERMINATED)
    except (KeyboardInterrupt, click.Abort) as error:
        return _fail(error, "interrupted; what was committed is kept", EXIT_INTERRUPTED)
    except BrokenPipeError:
        return 0
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return _fail(error, _unwritten(error), EXIT_OUTPUT)  # Stages have errors of their own for the store.
        return _unforeseen(error)
    except Exception as error:
        return _unforeseen(error)


def _unforeseen(error: Exception) -> int:
    text = f"{type(error).__name__}: {str(error).strip() or 'no message'}".split("\n")[0]
    return _fail(error, f"{text} (not foreseen; -v shows where)", EXIT_FAILED)


def _usage(error: click.UsageError) -> int:
    path = error.ctx.command_path if error.ctx else "satiety"
    return _fail(error, f"{error.format_message()} (see {path} --help)", EXIT_USAGE)


def _fail(error: BaseException, text: str, code: int) -> int:
    """Say what went wrong and how to go on."""
    from pipelines.console import give, say

    if state.verbose:
        import traceback

        traceback.print_exception(error)
    found = getattr(error, "problems", ())  # A line each; other errors of several lines are one error with a table.
    say(f"error: {len(found)} problems\n{text}" if len(found) > 1 else f"error: {text}")
    if state.resume and code != EXIT_USAGE:
        say(f"resume: {state.resume}")
    if state.json and not state.done:
        places = [vars(problem) for problem in found]
        resume = state.resume if code != EXIT_USAGE else None
        with contextlib.suppress(BrokenPipeError):  # Nobody reads any more; the exit code still says it.
            give({"error": {"exit_code": code, "message": text, "problems": places, "resume": resume}})
    return code


if __name__ == "__main__":
    main()
