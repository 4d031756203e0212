"""The command line: `pyblo list` and `pyblo reproduce NAME`, also as `python -m pyblo`."""
import sys
import time
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
        sys.exit(f"pyblo: {error}")


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
        try:
            _reproduce(EXPERIMENTS[name], out)
        except (OSError, ModuleNotFoundError) as error:
            print(f"pyblo: {error}", file=sys.stderr)
            raise typer.Exit(1) from None

    return cli


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
        shown.add_column(column, justify="right" if k else "left", no_wrap=k == 0)
    for row in table.rows:
        shown.add_row(*row)
    _console().print(shown)


def _write(module, result, out):
    from . import plotting

    for stem, text in module.csv(result).items():
        path = out / f"{stem}.csv"
        path.write_text(text, encoding="utf-8")
        yield path
    for stem, chart in module.figures(result).items():
        path = out / f"{stem}.png"
        plotting.save(chart, path)
        yield path


def _console(stderr=False):
    """Return a console; one that is no terminal is wide enough for the tables."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=130)


if __name__ == "__main__":
    main()
