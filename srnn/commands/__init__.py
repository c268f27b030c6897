"""The command line, one module per subcommand: parse, call, print.

Only typer is imported here and at the top of those modules; everything heavier waits until a command is really run,
so that ``srnn --help`` answers at once.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from srnn.commands import (
    analyze,
    bench,
    ensemble,
    export,
    figures,
    minimal,
    overview,
    presets,
    prune,
    report,
    run,
    schema,
    show,
    sweep,
    watch,
)
from srnn.commands.output import Lasting, clean_environment, make_lasting, unread
from srnn.commands.signals import Signals
from srnn.errors import StoppedError, UserError, command_line, nearest, one_line
from srnn.garbage import collect_rarely, spare_all

app = typer.Typer(
    name="srnn",
    epilog="Start with: srnn run",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Exit codes: of what the user can mend, of a file that cannot be written, and of a reader that has gone.
_WRONG, _NOT_WRITTEN, _UNREAD = 2, 3, 128 + 13
#: That of what ended with Ctrl-C, as typer tells it.
_INTERRUPTED = 130


class _InsideError(Exception):
    """What a command raised and typer would take for Ctrl-C, or for a reader that has gone."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _told(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with all of its own errors told by :func:`main`."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except (EOFError, OSError) as error:
            raise _InsideError(error) from error

    return wrapped


def _help(command: Callable[..., None]) -> str:
    """What a command is about: each paragraph of its docstring a line, but for the examples."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(one if one.startswith("\b") else one.replace("\n", " ") for one in paragraphs)


for _name, _module in (
    ("run", run),
    ("show", show),
    ("sweep", sweep),
    ("list", overview),
    ("watch", watch),
    ("prune", prune),
    ("analyze", analyze),
    ("report", report),
    ("ensemble", ensemble),
    ("export", export),
    ("minimal", minimal),
    ("figures", figures),
    ("presets", presets),
    ("schema", schema),
    ("bench", bench),
):
    _kind = getattr(_module, "Command", None)
    app.command(_name, cls=_kind, help=_help(_module.command))(_told(_module.command))


def _version(asked: bool) -> None:
    if asked:
        import srnn

        print(f"srnn {srnn.__version__}")
        raise typer.Exit


@app.callback()
def _srnn(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """The laboratory for organism networks: neural networks in which every weight is a self-replicating particle."""


def main() -> None:
    """Run the command line; what the user can mend is one line on stderr and exit code 2."""
    collect_rarely()
    clean_environment()
    before, streams = (sys.stdout, sys.stderr), make_lasting()
    try:
        code = _run()
        for stream in streams:
            stream.flush()
        code = code or _unprinted(*streams)
    finally:
        sys.stdout, sys.stderr = before
    spare_all()  # to look through all libraries once more takes half a second
    sys.exit(code)


def _run() -> int:
    """Run the command line, and tell how it ended; the exit code."""
    signals = Signals()
    try:
        # Whatever it is doing, nothing is left half-written.
        with command_line(), signals:
            signals.listen(at_once=True)
            code = _command()(prog_name="srnn", standalone_mode=False) or 0
            if code == _INTERRUPTED:
                raise KeyboardInterrupt  # typer has caught it and said nothing
            return int(code)
    except _InsideError as inside:
        if not isinstance(inside.error, OSError):
            raise inside.error from None  # a fault of ours keeps its traceback
        return _os_error(inside.error)
    except UserError as error:
        return _tell(str(error), _WRONG)
    except StoppedError as error:
        return _tell(str(error), error.code)
    except (KeyboardInterrupt, typer.Abort):
        return _tell("interrupted", 128 + signals.last)
    except OSError as error:
        return _os_error(error)
    except Exception as error:
        # A wrong option or argument, as typer tells it; anything else is a fault of ours and keeps its traceback.
        if not hasattr(error, "format_message"):
            raise
        return _tell(message, _WRONG) if (message := _misused(error)) else _WRONG


def _tell(message: str, code: int) -> int:
    print(f"srnn: {one_line(message)}", file=sys.stderr)
    return code


def _os_error(error: OSError) -> int:
    """A full disk, a folder that may not be written, a file where a folder should be."""
    why = error.strerror or str(error) or type(error).__name__
    return _tell(f"{error.filename}: {why}" if error.filename else why, _NOT_WRITTEN)


def _misused(error: Any) -> str:
    """What is wrong with how a command was called, in our words; empty if its help is printed already."""
    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", "srnn") or "srnn"
    kind, seen = type(error).__name__, f"{command} --help lists what there is"
    parameters = [] if context is None else context.command.get_params(context)
    options = [name for parameter in parameters for name in parameter.opts if name.startswith("-")]
    given = getattr(error, "option_name", "") or ""
    match kind:
        case "NoSuchOption":
            return f"there is no option {given}{nearest(given, options)} ({seen})"
        case "BadOptionUsage":
            return f"{given} {'needs a value' if 'requires' in error.message else 'takes no value'} ({seen})"
        case "MissingParameter":
            what = getattr(error.param, "metavar", None) or getattr(error.param, "name", None) or "an argument"
            return f"{what} is missing ({seen})"
    if not (message := error.format_message()):
        return ""
    if message.startswith("Got unexpected extra argument"):
        extra = message.partition("(s)")[2] or message.partition("argument")[2]
        return f"{extra.strip(' ()')} is more than {command} takes ({seen})"
    if message.startswith("No such command"):
        commands = list(getattr(context.command, "commands", ())) if context is not None else []
        given = message.removeprefix("No such command").partition(".")[0].strip(" '\"")
        return f"there is no command {given!r}{nearest(given, commands)} ({seen})"
    return f"{message.rstrip('.')} ({seen})"


def _unprinted(out: Lasting, err: Lasting) -> int:
    """The exit code of what is done, by whether all of it could be printed."""
    for name, stream in (("standard output", out), ("standard error", err)):
        if stream.error is not None and not unread(stream):
            return _tell(f"{name}: {stream.error.strerror or stream.error}", _NOT_WRITTEN)
    return _UNREAD if unread(out) or unread(err) else 0


@functools.cache
def _command() -> Any:
    """The command line, without the names of Python's types in its help; a process that calls it again has it made."""
    group = typer.main.get_command(app)
    for one in (group, *getattr(group, "commands", {}).values()):
        context = one.context_class(one, info_name=one.name, parent=None, **app_settings)
        for parameter in one.get_params(context):
            if parameter.param_type_name == "argument" or getattr(parameter, "is_flag", False):
                parameter.display_type_rich = lambda ctx: ""
    return group


app_settings: Any = {"help_option_names": ["-h", "--help"]}
