"""``grouping bundle``: look at a bundle, measure it, convert it to other formats."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal
from rich.table import Table

from grouping.artefacts.address import Address as Folder
from grouping.artefacts.formats import Format
from grouping.cli.options import demands
from grouping.cli.options.connecting import AsJson
from grouping.cli.output.terminal import new_console, print_json
from grouping.domain.tables.formats import TableFormat

if TYPE_CHECKING:
    from grouping.bundle.bench import Bench


app = typer.Typer(no_args_is_help=True, help="Look at a bundle, measure it, convert it.")
Address = Annotated[str, typer.Argument(metavar="BUNDLE", help="Folder of a bundle, or its address.")]


@app.command()
def check(bundle: Address, as_json: AsJson = False) -> None:
    """Load a bundle, which verifies its manifest and weights, and say what it answers and what it reads."""
    from grouping.bundle import load
    from grouping.bundle.bench import trial_inputs

    loaded = load(bundle)
    manifest = loaded.manifest
    loaded.module(trial_inputs(manifest, 1))
    if as_json:
        inputs = manifest.inputs.as_mapping()
        print_json({"tasks": loaded.tasks, "inputs": inputs, "is_exact": manifest.is_exact})
        return
    console = new_console()
    console.print(f"{manifest.title}: sound, {len(manifest.networks)} networks.", soft_wrap=True)
    rows = Table("task", "kind", "network", "test loss", box=None, pad_edge=False)
    for bundled in manifest.tasks:
        loss = bundled.score.test_loss
        shown = "-" if loss is None else f"{loss:.4g}"
        rows.add_row(bundled.task.name, str(bundled.task.kind), str(bundled.network + 1), shown)
    console.print(rows)


@app.command()
def bench(
    bundle: Address,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Rows of a batch; 1, 64 and 1,024.")] = None,
    passes: Annotated[int, typer.Option(min=1, max=100_000, help="Timed passes of each.")] = 200,
    threads: Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Measure latency, memory, parameters and multiply-adds here, beside baselines of equal cost."""
    from grouping.bundle import load
    from grouping.bundle.bench import bench as measure
    from grouping.bundle.bench import resident_bytes, use_threads

    use_threads(threads)
    found, resident = measure(load(bundle), tuple(batch or (1, 64, 1024)), passes), resident_bytes(bundle)
    if as_json:
        print_json({**asdict(found), "resident_bytes": resident})
        return
    _show(found, resident)


@app.command()
def price(
    bundle: Address,
    table: demands.TableArgument,
    out: Annotated[Path, typer.Option("--out", help="File of the priced table.")],
    batch: Annotated[int, typer.Option(min=1, help="Rows of a batch.")] = 1,
    passes: Annotated[int, typer.Option(min=1, max=100_000, help="Timed passes of each.")] = 200,
    threads: Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")] = 1,
    to: Annotated[TableFormat, typer.Option(help="Format of that file.")] = TableFormat.LONG_CSV,
    test: demands.TestOption = None,
    table_format: demands.FormatOption = None,
) -> None:
    """Measure here what each network of a score table takes, and write the table with it as a further cost.

    The table is that of the job of the bundle, whose recipe builds the networks. Their weights change no
    time. The cost is latency_ms, the median of a batch, with the heads of all tasks of the network.
    """
    from grouping.bundle.bench import use_threads
    from grouping.bundle.loading import read_manifest
    from grouping.bundle.pricing import LATENCY, with_latencies
    from grouping.formats import write_table

    use_threads(threads)
    manifest = read_manifest(Folder(bundle))
    imported = demands.load(table, test, False, table_format)
    demands.say(demands.findings_of(imported))
    priced = with_latencies(imported.table, manifest, batch, passes)
    out.write_bytes(write_table(priced, to))
    found = priced.other_costs[LATENCY]
    rows = f"{batch:,} row{'s' * (batch != 1)}"
    console = new_console()
    console.print(
        f"{out}: {len(found)} networks take {found.min():.3g} to {found.max():.3g} ms for {rows} here.",
        soft_wrap=True,
    )
    console.print(
        f"Choose by it: grouping solve {out} --cost {LATENCY} --budget {2 * found.max():.2g}ms",
        soft_wrap=True,
    )


def _show(found: Bench, resident: int | None) -> None:
    console = new_console()
    batches = [timing.batch for timing in found.measured[0].timings]
    heads = [f"{batch:,} row{'s' * (batch != 1)} (ms)" for batch in batches]
    rows = Table("", "parameters", "multiply-adds", *heads, box=None, pad_edge=False)
    for one in found.measured:
        timings = [f"{timing.p50_ms:.3g} / {timing.p95_ms:.3g}" for timing in one.timings]
        rows.add_row(one.name, f"{one.n_parameters:,}", f"{one.multiply_adds:,}", *timings)
    console.print(rows)
    whole = "" if resident is None else f"; a process that loads it and predicts takes {decimal(resident)}"
    console.print(f"Weights {decimal(found.weights_bytes)}{whole}. Threads: {found.threads}.", soft_wrap=True)
    console.print(
        "Times are p50 / p95 of a batch, from inputs to outputs, without reading a table. Baselines are of "
        "equal cost in the unit of the search, with initial weights.",
        soft_wrap=True,
    )


@app.command()
def convert(
    bundle: Address,
    out: Annotated[str, typer.Option("--out", help="Folder of the graphs, or an address.")],
    wanted: Annotated[
        Format, typer.Option("--format", help="ONNX, or a programme of torch.export.")
    ] = Format.ONNX,
    each: Annotated[bool, typer.Option("--each", help="Write a graph of each network too.")] = False,
    rows: Annotated[
        Path | None,
        typer.Option(help="Table to check them on (CSV, Parquet, Arrow, NPZ); drawn rows unless given."),
    ] = None,
) -> None:
    """Write a bundle as ONNX or as a programme of torch.export, checked against PyTorch.

    A graph begins after the preprocessing: it reads what that gives, and answers every task in its units.
    """
    from grouping.bundle import load
    from grouping.bundle.formats import convert as convert_to
    from grouping.data_sets.reading import read_frame

    table = None if rows is None else read_frame(rows.read_bytes(), rows.name)
    console = new_console()
    for one in convert_to(load(bundle), wanted, out, each=each, rows=table):
        console.print(
            f"{out.rstrip('/')}/{one.file}: {', '.join(one.tasks)}; {decimal(one.n_bytes)}; differs from "
            f"PyTorch by at most {one.difference:.1g}.",
            soft_wrap=True,
        )


def serve_bundle(
    bundle: Address,
    host: Annotated[str, typer.Option(help="Address to listen on. There are no accounts.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8080,
    threads: Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")] = 1,
) -> None:
    """Serve a bundle over HTTP: predict, schema, health and metrics; no database and no Ray.

    It asks nobody who they are: put it behind what does, before it listens beyond this machine.
    """
    import uvicorn

    from grouping.bundle import load
    from grouping.bundle.bench import use_threads
    from grouping.bundle.serving import create_app

    use_threads(threads)
    uvicorn.run(create_app(load(bundle)), host=host, port=port)
