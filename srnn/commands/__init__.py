"""The command line, one module per subcommand: parse, call, print.

Only typer is imported here and at the top of those modules; everything heavier waits until a command is really run,
so that ``srnn --help`` answers at once.
"""

from __future__ import annotations

import io
import sys

import typer

from srnn.commands import analyze, bench, figures, minimal, presets, run, schema, show
from srnn.errors import StoppedError, UserError, one_line

app = typer.Typer(
    name="srnn",
    help="The laboratory for organism networks: neural networks in which every weight is a self-replicating particle.",
    epilog="Start with: srnn run",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("run")(run.command)
app.command("show")(show.command)
app.command("analyze", cls=analyze.Command)(analyze.command)
app.command("minimal")(minimal.command)
app.command("figures")(figures.command)
app.command("presets")(presets.command)
app.command("schema")(schema.command)
app.command("bench")(bench.command)

#: The exit code of what ended with Ctrl-C.
_INTERRUPTED = 130


def main() -> None:
    """Run the command line; what the user can mend is one line on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        # What a terminal's encoding lacks, such as ± or α, is no reason to end.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = app(standalone_mode=False) or 0
        if code == _INTERRUPTED:
            raise KeyboardInterrupt  # typer has caught it and said nothing
        sys.exit(code)
    except UserError as error:
        message = str(error)
    except StoppedError as error:
        print(f"srnn: {error}", file=sys.stderr)
        sys.exit(error.code)
    except (KeyboardInterrupt, typer.Abort):
        print("srnn: interrupted", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # The reader has seen enough, as with `srnn show … | head`.
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        # A full disk, a folder that may not be written, a file where a folder should be.
        print(one_line(f"srnn: {error.filename or 'a file'}: {error.strerror or error}"), file=sys.stderr)
        sys.exit(3)
    except Exception as error:
        # A wrong option or argument, as typer tells it; anything else is a fault of ours and keeps its traceback.
        if not hasattr(error, "format_message"):
            raise
        if not error.format_message():
            sys.exit(2)  # plain srnn: the help is printed already
        message = f"{error.format_message()} (srnn --help and srnn COMMAND --help list what there is)"
    print(f"srnn: {one_line(message)}", file=sys.stderr)
    sys.exit(2)
