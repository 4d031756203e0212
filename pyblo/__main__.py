"""The command line: `pyblo list`, `pyblo reproduce NAME` and `pyblo verify`, also as `python -m pyblo`."""
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pyblo

from .experiments import EXPERIMENTS, need

RESULTS = Path("pyblo-results")


def main():
    """Run the command line."""
    try:
        app()()
    except ModuleNotFoundError as error:
        print(f"pyblo: {error}", file=sys.stderr)
        sys.exit(2 if sys.argv[1:2] == ["verify"] else 1)


def app():
    """Return the typer application."""
    typer = need("typer")
    need("rich")
    cli = typer.Typer(help=pyblo.__doc__.split("\n")[0], no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    def version(asked: bool):
        if asked:
            print(f"pyblo {pyblo.__version__}")
            raise typer.Exit

    @cli.callback()
    def common(asked: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")] = False):
        pass

    @cli.command("list")
    def list_experiments():
        """List the experiments."""
        _list()

    @cli.command()
    def reproduce(name: Annotated[str, typer.Argument(help="The experiment; `pyblo list` names them.")],
                  out: Annotated[Path, typer.Option(help="Where CSV files and pictures go.")] = RESULTS):
        """Run an experiment: a table here, CSV files and pictures in a folder."""
        if name not in EXPERIMENTS:
            print(f"pyblo: no experiment is called {name!r}; there are: {', '.join(EXPERIMENTS)}", file=sys.stderr)
            raise typer.Exit(2)
        with _errors_named(typer):
            _reproduce(EXPERIMENTS[name], out)

    @cli.command()
    def verify(problems: Annotated[int, typer.Option(min=1, help="How many random problems.")] = 1000,
               seed: Annotated[int, typer.Option(min=0, help="Of the random numbers.")] = 0,
               out: Annotated[Path | None, typer.Option(help="A folder for the tables as CSV, and the error of Eq. 5 as a curve.")] = None):
        """Check the claims of the papers on random problems.

        The exit status is 0 where all hold, 1 where one is violated, and 2 where nothing can be said: options that do not fit, files that
        cannot be written, packages that are not installed, any other error.
        """
        try:
            with _errors_named(typer, 2):
                success = _verify(problems, seed, out)
        except typer.Exit:
            raise
        except Exception:  # Python's own status, 1, is that of a violation
            traceback.print_exc()
            raise typer.Exit(2) from None
        if not success:
            raise typer.Exit(1)

    return cli


@contextmanager
def _errors_named(typer, status=1):
    """Print errors of the machine, in place of a traceback, and exit with the status."""
    try:
        yield
    except (OSError, ModuleNotFoundError) as error:
        print(f"pyblo: {error}", file=sys.stderr)
        raise typer.Exit(status) from None


def _list():
    from rich.table import Table

    listed = Table("name", "what it shows", box=None, pad_edge=False)
    for experiment in EXPERIMENTS.values():
        listed.add_row(experiment.name, experiment.description)
    _console().print(listed)


def _reproduce(experiment, out):
    need("matplotlib")
    out.mkdir(parents=True, exist_ok=True)
    module = experiment.load()
    start = time.perf_counter()
    result = _with_progress(module.run, experiment.name)
    seconds = time.perf_counter() - start
    _show(module.table(result))
    print(f"{experiment.name}: {seconds:.1f} s. Written:")
    for path in _write(module, result, out):
        print(f"  {path}")


def _verify(problems, seed, out):
    """Show the tables, write files where `out` is a folder, and return whether all claims hold."""
    if out is not None:
        need("matplotlib")
        out.mkdir(parents=True, exist_ok=True)
    from . import verification

    start = time.perf_counter()
    result = _with_progress(lambda progress: verification.verify(problems, seed=seed, progress=progress), "verify")
    seconds = time.perf_counter() - start
    for table in verification.tables(result):
        _show(table)
    print(f"verify: {seconds:.1f} s. " + ("All claims hold." if result.success else f"{result.violations} VIOLATIONS."))
    if out is not None:
        print("Written:")
        for path in (*_texts(verification.csv(result), out), *_curve(out)):
            print(f"  {path}")
    return result.success


def _curve(out):
    """Write how far both sides of Eq. 5 of paper 000 are apart, as the experiment has it."""
    experiment = EXPERIMENTS["spectral-filters"].load()
    return list(_write(experiment, experiment.run(), out))


def _with_progress(run, name):
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    what = TextColumn("{task.description}", markup=False)
    columns = TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), what
    with Progress(*columns, console=_console(stderr=True), transient=True) as bar:
        task = bar.add_task("")
        return run(lambda done, total, text: bar.update(task, completed=done, total=total, description=text))


def _show(table):
    from rich import box
    from rich.table import Table

    shown = Table(title=table.title, caption=table.caption, box=box.SIMPLE_HEAD, pad_edge=False)
    shown.title_justify = shown.caption_justify = "left"
    for k, column in enumerate(table.columns):
        shown.add_column(column, justify="left" if k < table.words else "right", no_wrap=k == 0)
    for row in table.rows:
        shown.add_row(*row)
    _console().print(shown)


def _write(module, result, out):
    from . import plotting

    yield from _texts(module.csv(result), out)
    for stem, chart in module.figures(result).items():
        path = out / f"{stem}.png"
        plotting.save(chart, path)
        yield path


def _texts(csv, out):
    for stem, text in csv.items():
        path = out / f"{stem}.csv"
        path.write_text(text, encoding="utf-8")
        yield path


def _console(stderr=False):
    """Return a console; one that is no terminal is wide enough for the tables."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=130)


if __name__ == "__main__":
    main()
