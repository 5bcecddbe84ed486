"""``dothi …``: the city from the command line. Wrong input ends in one clear line and exit code 2, never in a traceback."""

import sys
from typing import Annotated

import typer

from dothi import __version__
from dothi.cli import (
    account,
    audit,
    city,
    demo,
    devices,
    doctor,
    exchange,
    keep,
    keys,
    personal,
    replay,
    replay_city,
    run,
    runs,
    sql,
    status,
)
from dothi.cli.drill import command as drill
from dothi.cli.shared import FAILED, err, fail
from dothi.model.problem import Problem

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Đô Thị: a smart city platform."
)
app.command(help="Run the city until Ctrl-C.")(run.run)
app.command(help="Send a recorded file to the running city.")(replay.replay)
app.command("replay-city", help="Live through recorded data again, as a city of its own.")(replay_city.replay_city)
app.command(help="Play a drill in a city of its own, and score it.")(drill.drill)
app.command(help="Say how the running city is doing.")(status.status)
app.command(help="List what the running city computes, and how it went.")(runs.runs)
app.command(help="Check this machine and say what is missing.")(doctor.doctor)
app.command(help="Copy the whole city into one file, also while it runs.")(keep.backup)
app.command(help="Bring a city back from a backup.")(keep.restore)
app.command(help="Copy a city that is at rest into PostgreSQL, or back.")(keep.move)
app.command(help="Write the whole city into a folder of open formats, also while it runs.")(exchange.export)
app.command("import", help="Bring an exported city into an empty home.")(exchange.import_)
app.command(help="Ask the city's record in SQL.")(sql.sql)
app.add_typer(account.app, name="account")
app.add_typer(keys.app, name="keys")
app.add_typer(devices.app, name="devices")
app.add_typer(city.app, name="city")
app.add_typer(audit.app, name="audit")
app.add_typer(demo.app, name="demo")
app.add_typer(personal.app, name="personal")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dothi {__version__}")
        raise typer.Exit


@app.callback()
def _all(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")] = False,
) -> None:
    """Options of every command."""


def main() -> None:
    """Run one command; a Problem becomes one line on stderr and exit code 2."""
    try:
        app()
    except Problem as problem:
        sys.exit(fail(problem).exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(FAILED)
    except OSError as error:
        err.print(f"[bold red]✗[/] {error.strerror or error}: {error.filename or ''}")
        sys.exit(FAILED)
