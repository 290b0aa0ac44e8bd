"""The command line: ``workbench report`` and the rest; each command's help teaches what it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .errors import WorkbenchError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="After I compress a model, does it still respond to the same parts of its input, and what is the evidence?\n\n"
    "Begin with 'workbench report': it trains, compresses, explains and compares on shipped data, and writes one page.",
)


@app.command()
def report(
    data: Annotated[
        str | None, typer.Option(help="A shipped data set: see 'workbench datasets' (mnist).")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="A table of your own; needs --label.")] = None,
    folder: Annotated[Path | None, typer.Option(help="A folder of pictures, a folder a class.")] = None,
    texts: Annotated[Path | None, typer.Option(help="A table of texts; needs --label.")] = None,
    label: Annotated[str | None, typer.Option(help="The column that holds the class.")] = None,
    text: Annotated[
        str | None, typer.Option(help="The column that holds the texts; found when left out.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A network to train: see wb.models(); one that fits the data.")
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Under three minutes: one reference, weak evidence.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; by default runs/<data>-<model>.")
    ] = None,
    references: Annotated[
        int | None, typer.Option(help="Other training runs to compare with (5; 1 with --fast).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of training, draws and resampling.")] = None,
    feedback: Annotated[
        Path | None, typer.Option(help="A database of wb.annotate: what people marked and rated.")
    ] = None,
) -> None:
    """Run the five notebooks of the walk and write one self-contained page with the verdict.

    The page says whether the compressed model still responds to the same parts of its input, with intervals,
    controls and doubt. It needs no network and no JavaScript. Interrupted or killed, the same command goes
    on where it stopped.

    Examples: 'workbench report', 'workbench report --data german_credit --fast', 'workbench report --csv my.csv --label y',
    'workbench report --folder pictures/', 'workbench report --texts reviews.csv --label y'.
    """
    from .reporting.sources import opened
    from .reporting.walk import report as write

    source = opened(data=data, csv=csv, folder=folder, texts=texts, label=label, text=text, fast=fast)
    told = {"references": references, "seed": seed, "feedback": str(feedback) if feedback else None}
    given: dict[str, Any] = {k: v for k, v in told.items() if v is not None}
    done = write(source.data, model, fast=fast, out=out, command=source.command(model, fast, given), **given)
    typer.echo(done.html)


@app.command()
def run(
    notebook: Annotated[str, typer.Argument(help="A path, or a notebook of the walk such as 01_train.")],
    out: Annotated[Path | None, typer.Option(help="Folder; by default runs/<notebook>-<time>.")] = None,
    p: Annotated[
        list[str] | None, typer.Option("-p", help="A parameter, name=value; checked before the run.")
    ] = None,
) -> None:
    """Run one notebook end to end with other parameters.

    Leaves the executed notebook, the same as a page without code, and run.json with numbers, findings, versions
    and true statuses.

    Example: 'workbench run 01_train -p epochs=5'.
    """
    from .errors import BadInput
    from .reporting import parameters
    from .reporting.execution import notebook_path, read_notebook
    from .reporting.execution import run as execute

    pairs = dict(text.partition("=")[::2] for text in p or [])
    if bad := [text for text in p or [] if "=" not in text]:
        raise BadInput(f"-p {bad[0]}", "name=value", "Write it with an equals sign")
    given = parameters.read(read_notebook(notebook_path(notebook)), pairs)
    typer.echo(execute(notebook, out, **given))


@app.command()
def check(
    reference: Annotated[Path, typer.Argument(help="The model as it was, a file that wb.save wrote.")],
    model: Annotated[Path, typer.Argument(help="What became of it, such as its compressed form.")],
    data: Annotated[
        str | None, typer.Option(help="A shipped data set; by default the one that the reference names.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="A table of your own; needs --label.")] = None,
    folder: Annotated[Path | None, typer.Option(help="A folder of pictures, a folder a class.")] = None,
    texts: Annotated[Path | None, typer.Option(help="A table of texts; needs --label.")] = None,
    label: Annotated[str | None, typer.Option(help="The column that holds the class.")] = None,
    text: Annotated[
        str | None, typer.Option(help="The column that holds the texts; found when left out.")
    ] = None,
    sham: Annotated[
        Path | None, typer.Option(help="The reference trained on with nothing removed, if there is one.")
    ] = None,
    n: Annotated[int, typer.Option("--n", help="How many test rows are explained.")] = 400,
    references: Annotated[
        int, typer.Option(help="Other training runs to compare with; trained from the recipe, and cached.")
    ] = 5,
    margin: Annotated[
        float | None, typer.Option(help="Of the similarity, fixed before; by default by the rule.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of draws and resampling.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the result there for a machine.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write the result there as an HTML page.")] = None,
) -> None:
    """Test whether a model still responds to the same parts of its input: for a pipeline, by exit code.

    Exit code 0: no sign that it moved beyond retraining. 1: it moved, or moved for a group. 3: cannot tell.
    2: the check could not be made. It says which statistic decided, and which margin.

    Example: 'workbench check reference.safetensors model.safetensors --json check.json'.
    """
    from .reporting import regression
    from .reporting.sources import opened

    own = {"data": data, "csv": csv, "folder": folder, "texts": texts, "label": label, "text": text}
    rows = opened(**own).data if any((data, csv, folder, texts)) else None  # type: ignore[arg-type]
    asked = {"n": n, "references": references, "margin": margin, "seed": seed}
    found = regression.checked(reference, model, rows, sham=sham, **asked)
    if json:
        regression.write_record(found, json)
    if page:
        found.to_html(page)
    typer.echo(regression.told(found))
    raise typer.Exit(found.verdict.exit_code)


@app.command()
def runs(folder: Annotated[Path, typer.Argument(help="Where the runs lie.")] = Path("runs")) -> None:
    """List past runs with their status: completed, failed, interrupted or running."""
    from .reporting.journal import runs as listed

    table = listed(folder)
    typer.echo(table.to_string() if len(table) else f"No runs in {folder} yet: 'workbench report' makes one.")


@app.command()
def methods() -> None:
    """List the explanation methods: what each estimates, what it costs, and when it misleads."""
    from .explanation.registry import methods as listed

    for name, row in listed().iterrows():
        typer.echo(f"{name} ({row['scope']}; {row['paper']})\n  estimates {row['estimand']}\n"
                   f"  costs {row['cost in evaluations']} evaluations; options: {row['options'] or 'none'}\n"
                   f"  misleads: {row['misleads']}")  # fmt: skip


@app.command()
def datasets() -> None:
    """List the shipped data sets, with rows, licence and source; all work offline."""
    from .data.shipped import datasets as listed

    typer.echo(listed().T.to_string())


def main() -> None:
    """Run the command line; an error of ours is a message, not a traceback."""
    try:
        app()
    except WorkbenchError as problem:
        typer.secho(f"{type(problem).__name__}: {problem}", fg="red", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
