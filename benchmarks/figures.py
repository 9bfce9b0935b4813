"""Draws the pictures of the results, from the files in `docs/results`.

Run it with:

    python benchmarks/figures.py
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    NullFormatter,
    PercentFormatter,
)

RESULTS = Path(__file__).parents[1] / "docs" / "results"
DENSE = {
    "lenet_300_100": ("LeNet-300-100", 1_066_440),
    "lenet5": ("LeNet-5", 1_724_320),
    "mnist_cnn": ("Keras MNIST network", 4_799_528),
}
MARKERS = {
    "Deep Compression": "x",
    "entropy-penalised (Oktay 2020)": "P",
    "MIRACLE": "s",
    "the original report's student": "D",
}


def main() -> None:
    save("rates", rates)
    save("pruning", pruning)
    save("centroids", centroids)
    save("without_training", without_training)
    save("run", running)


def save(name: str, draw: Callable[[Figure], None]) -> None:
    """Draws one picture and writes it."""
    figure = Figure(layout="constrained")
    draw(figure)
    figure.savefig(RESULTS / f"{name}.png", dpi=100)


def without_training(figure: Figure) -> None:
    """Draws error over size for what is at hand, a panel for each net."""
    figure.set_size_inches(10, 8)
    path = RESULTS / "without_training.json"
    results = json.loads(path.read_text("utf-8"))
    lines = {
        "by magnitude": ("by magnitude", "C7", "o-"),
        "with images made up": ("with images made up", "C4", "o-"),
        "with inputs": ("with 512 inputs in view", "C0", "o-"),
        "compress, epochs=0": ("compress with 512 inputs, untrained", "C0", "*"),
        "compress": ("compress with 512 inputs", "C2", "*"),
        "retrained": ("compress with a training set", "C3", "*"),
        "LiteRT": ("int8 of LiteRT", "C1", "s"),
    }
    panels = figure.subplots(2, 2)
    nets = {
        "lenet300_100": "LeNet-300-100",
        "lenet5": "LeNet-5",
        "resnet20": "ResNet-20, CIFAR-10",
        "vit": "a small transformer, MNIST",
    }
    for axes, (net, title) in zip(panels.flat, nets.items(), strict=True):
        for way, (label, color, style) in lines.items():
            own = [r for r in results if r["net"] == net and r["way"] == way]
            own = [r for r in own if "layer" not in r["setting"]]
            seeds = sorted({r["seed"] for r in own})
            for seed in seeds:
                points = [(r["smaller"], r["error"]) for r in own if r["seed"] == seed]
                axes.plot(
                    *zip(*sorted(points), strict=True),
                    style,
                    color=color,
                    ms=12 if "*" in style else 5,
                    alpha=0.7,
                    label=label if seed == seeds[0] else None,
                )
        dense = [r["before"] for r in results if r["net"] == net]
        axes.axhspan(min(dense), max(dense), color="gray", alpha=0.3, label="dense")
        axes.set(title=title, xlabel="times smaller", xscale="log", yscale="log")
        for axis, form in ((axes.xaxis, "{:,.0f}x"), (axes.yaxis, "{:.0%}")):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(FuncFormatter(lambda at, _, f=form: f.format(at)))
            axis.set_minor_formatter(NullFormatter())
    for axes in panels[:, 0]:
        axes.set_ylabel("test error")
    panels[0, 1].legend(fontsize=8)


def running(figure: Figure) -> None:
    """Draws the time of one product with fc6, warm and cold, a panel for each input."""
    rows = json.loads((RESULTS / "run.json").read_text("utf-8"))
    parts = sorted({row["active"] for row in rows})
    figure.set_size_inches(10, 4)
    panels = figure.subplots(1, len(parts), sharey=True, sharex=True)
    for axes, active in zip(panels, parts, strict=True):
        some = [r for r in rows if (r["batch"], r["active"]) == (1, active)]
        places = [-place for place in range(len(some))]
        for shift, which in ((0.2, "warm"), (-0.2, "cold")):
            axes.barh(
                [place + shift for place in places],
                [row[which] for row in some],
                0.38,
                color=[
                    "C0" if row["method"].startswith("deepcompress") else "C7"
                    for row in some
                ],
                alpha=1.0 if which == "warm" else 0.5,
            )
        axes.set_yticks(places, [row["method"] for row in some])
        axes.set(xlabel="microseconds for one input; pale: cold")
        axes.set_title(f"fc6 of AlexNet, {active:.0%} of the inputs not 0")
        axes.grid(alpha=0.3, axis="x")


def rates(figure: Figure) -> None:
    """Draws accuracy over rate, a panel for each net."""
    figure.set_size_inches(10, 4)
    ours, published = table("records"), table("published")
    panels = figure.subplots(1, 3)
    for axes, (net, (title, dense)) in zip(panels, DENSE.items(), strict=True):
        own = [row for row in ours if row["net"] == net]
        scatter(axes, own, dense, marker="o", color="C0", label="deepcompress")
        others = [row for row in published if row["net"] == net]
        for number, (who, marker) in enumerate(MARKERS.items(), 1):
            points = [row for row in others if row["who"] == who]
            scatter(axes, points, dense, marker=marker, color=f"C{number}", label=who)
        axes.set_xscale("log")
        axes.set_xlim(10, 3000)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:,.0f}x"))
        axes.yaxis.set_major_formatter(PercentFormatter(decimals=1))
        axes.margins(y=0.1)
        axes.set_title(title)
        axes.set_xlabel("times smaller, bytes of the file")
        axes.grid(alpha=0.3, which="both")
    panels[0].set_ylabel("test accuracy")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8)


def pruning(figure: Figure) -> None:
    """Draws accuracy over the share that is pruned."""
    figure.set_size_inches(6, 3.8)
    axes = figure.subplots()
    points = json.loads((RESULTS / "curves.json").read_text())["pruning"]
    shares = [100 * point["pruned"] for point in points]
    for key, label, marker in (
        ("with", "retrained for two epochs", "o"),
        ("without", "not retrained", "s"),
    ):
        axes.plot(shares, [100 * p[key] for p in points], marker=marker, label=label)
    axes.set_title("LeNet-300-100, pruned by magnitude")
    axes.set_xlabel("weights pruned")
    axes.set_ylabel("test accuracy")
    axes.xaxis.set_major_formatter(PercentFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter())
    axes.set_ylim(90, 99.5)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")


def centroids(figure: Figure) -> None:
    """Draws accuracy over bits, a line for each way to place the first centroids."""
    figure.set_size_inches(9, 3.8)
    points = json.loads((RESULTS / "curves.json").read_text())["sharing"]
    inits = dict(zip(dict.fromkeys(p["init"] for p in points), "osv^", strict=False))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, key, title in (
        (panels[0], "untrained", "as they are clustered"),
        (panels[1], "trained", "after an epoch of training"),
    ):
        for init, marker in inits.items():
            line = [point for point in points if point["init"] == init]
            bits = [point["bits"] for point in line]
            axes.plot(bits, [100 * p[key] for p in line], marker=marker, label=init)
        axes.set_title(f"centroids {title}")
        axes.set_xlabel("bits of a code")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("test accuracy")
    panels[0].yaxis.set_major_formatter(PercentFormatter())
    panels[0].legend(title="first centroids")
    # What two bits come to untrained would flatten all the rest.
    panels[0].set_ylim(100 * min(point["trained"] for point in points) - 0.5, 98.2)


def scatter(axes: Axes, rows: list[dict[str, str]], dense: int, **style: str) -> None:
    """Draws files as points."""
    axes.plot(
        [dense / float(row["bytes"]) for row in rows],
        [100 - float(row["test_error"]) for row in rows],
        linestyle="",
        **style,
    )


def table(name: str) -> list[dict[str, str]]:
    """Returns the rows of a file."""
    with (RESULTS / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
