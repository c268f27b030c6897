"""The figure tables: every published figure again, from our own runs, with numbers and intervals beside it.

A section is one table of ``figures/README.md``. It names the presets it needs, and makes its images and its text from
their runs. Sections that are made already are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from srnn import tasks
from srnn.analysis import baselines, comparison, connectivity, dropout, heatmap, robustness, summary, thinning
from srnn.analysis import trajectories as courses
from srnn.analysis import transfer as worth
from srnn.errors import UserError, nearest
from srnn.files import write_whole
from srnn.job import run as run_experiment
from srnn.laboratory import draw
from srnn.plots.style import save
from srnn.presets import load_preset
from srnn.runs import Run
from srnn.tasks import Task

HEADER = """# The figure tables

Every figure and number here is made by `srnn figures` from our own runs; none is drawn by hand. A number is the mean
over the seeds ± half its 95 % confidence interval (Student's t). *Published* is what the original project reports,
*rerun* an independent reimplementation of its mathematics. A zero fixpoint replicates itself, too: the published
figures count it as identity, here it is counted as zero.
"""


@dataclass
class Desk:
    """What a section works with: the runs of its presets, its data, and the folder for its images."""

    folder: Path
    runs: Mapping[str, Sequence[Run]]
    data_dir: Path | None
    watch: Callable[[str], None]
    images: list[str] = field(default_factory=list)

    def task(self, preset: str) -> Task:
        """The data of a preset."""
        return tasks.load(self.runs[preset][0].experiment.task, self.data_dir)

    def over_seeds(self, preset: str, answer: Callable[[Run], pd.DataFrame]) -> pd.DataFrame:
        """An analysis of every seed of a preset, one after the other, told apart by a column Seed."""
        frames = []
        for run in self.runs[preset]:
            self.watch(f"{preset}, seed {run.experiment.seed}")
            frames.append(answer(run).assign(Seed=run.experiment.seed))
        return pd.concat(frames, ignore_index=True)

    def metrics(self, preset: str) -> pd.DataFrame:
        """The metrics of all seeds of a preset."""
        return self.over_seeds(preset, lambda run: run.metrics)

    def image(self, drawing: str, frame: pd.DataFrame, title: str, name: str, **options: bool) -> str:
        """Draw an image of this section; its Markdown."""
        path = save(draw(drawing, frame, title, **options), self.folder / f"{name}.png")
        return f"![{title}]({self.folder.name}/{path.name})"

    def last(self, preset: str) -> pd.DataFrame:
        """How the seeds of a preset ended, as :func:`srnn.analysis.summary.mean_and_interval` tells it."""
        return summary.mean_and_interval(summary.last_scores(self.runs[preset]))


@dataclass(frozen=True)
class Section:
    """One table: its heading, the presets it needs and what makes its text."""

    heading: str
    presets: Sequence[str]
    make: Callable[[Desk], str]


def interval(mean: float, half: float, form: str = "{:,.0f}") -> str:
    """``mean ± half``, or the mean alone of a single seed."""
    return form.format(mean) if half != half else f"{form.format(mean)} ± {form.format(half)}"


def markdown(rows: Sequence[Sequence[object]], columns: Sequence[str]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def side_by_side(images: Mapping[str, str]) -> str:
    """Images in a row, each under its heading."""
    return markdown([list(images.values())], list(images))


def census_row(desk: Desk, preset: str) -> list[str]:
    """Zero, identity and other of an ended preset, and its accuracy."""
    last = desk.last(preset)
    counts = [interval(last.at[kind, "mean"], last.at[kind, "half_width"]) for kind in ("zero", "identity", "other")]
    return [*counts, interval(last.at["test_accuracy", "mean"], last.at["test_accuracy", "half_width"], "{:.3f}")]


def sanity(desk: Desk) -> str:
    rows, images = [], {}
    for hidden, published in ((2, "–"), (3, "identity"), (4, "identity"), (6, "other"), (10, "other")):
        preset = f"sanity-h{hidden}"
        last = summary.last_scores(desk.runs[preset])
        types = last[last["Metric"].isin(["identity", "zero", "other", "secondary", "divergent"]) & (last["Score"] > 0)]
        found = ", ".join(f"{kind} {count}" for kind, count in types["Metric"].value_counts().items())
        learned = summary.mean_and_interval(last[last["Metric"] == "learned_factor"]).iloc[0]
        factor = desk.runs[preset][0].experiment.task.factor
        own = last[last["Metric"] == "learned_factor"]["Score"]
        multiplying = int(((own - factor).abs() <= 0.1 * abs(factor)).sum())
        rows.append(
            [
                hidden,
                published,
                found,
                interval(learned["mean"], learned["half_width"], "{:.5f}"),
                f"{multiplying} of {len(own)}",
            ]
        )
        if hidden != 2:
            images[f"{hidden} units"] = desk.image(
                "training_curves.training_curves", desk.metrics(preset), f"{hidden} hidden units", f"h{hidden}"
            )
    table = markdown(rows, ["units", "published type", "our types (seeds)", "learned factor, n = 0.03", "multiplies"])
    return f"""Can one particle both replicate itself and multiply by n = 0.03?

{side_by_side(images)}

{table}

Published, the task loss rests at 0.0009 = 0.03², the loss of the constant 0: those particles do not multiply. Ours learn
the factor (within a tenth of n counts as multiplying): replication leaves the effective weight free, so nothing stands in the
way of it. Which type they end as depends on how long they train: their last digits settle at different times.
"""


def addition(desk: Desk) -> str:
    last = desk.last("addition")
    mae = interval(last.at["test_mae", "mean"], last.at["test_mae", "half_width"], "{:.2g}")
    same = interval(last.at["identity", "mean"], last.at["identity", "half_width"])
    images = {
        "training": desk.image("training_curves.training_curves", desk.metrics("addition"), "addition", "training"),
        "types": desk.image("particle_types.particle_types", desk.metrics("addition"), "addition", "types"),
    }
    return f"""Two normal inputs, target their sum; 2 → 3 → 3 → 1, 18 particles of 3 units.

{side_by_side(images)}

Mean absolute error on test data at the end: {mae}; self-replicators: {same} of 18.
"""


def connectivity_section(desk: Desk) -> str:
    run = desk.runs["connectivity"][0]
    title = f"connectivity, seed {run.experiment.seed}"
    metrics = desk.metrics("connectivity")
    images = {
        "training": desk.image("training_curves.training_curves", metrics, "connectivity", "training"),
        "particle types": desk.image("particle_types.particle_types", metrics, "connectivity", "types"),
    }
    graph = desk.image("connectivity.connectivity", connectivity.connectivity(run), title, "graph")
    rows = [
        ["published", "≈ 1,165 with zero", "", "≈ 353", "≈ 0.65"],
        ["rerun, 4 seeds", "1,004–1,043", "140–158", "318–365", "0.742–0.879"],
        [f"ours, {len(desk.runs['connectivity'])} seeds", *census_row(desk, "connectivity")],
    ]
    last = desk.last("connectivity")
    first = [float(last.at[f"L0_{kind}", "mean"]) for kind in ("zero", "identity", "other")]
    return f"""225 → 6 → 6 → 6 → 6 → 10 on MNIST, 1,518 particles of 4 units, residual links.

{side_by_side(images)}

{markdown(rows, ["", "zero", "identity", "other", "test accuracy"])}

{graph}

*Identity against the other connectivity: an edge is a particle, a panel a type.* Of the {sum(first):,.0f} edges of the input
layer {first[0] / sum(first):.0%} are zero, {first[1] / sum(first):.0%} identity and {first[2] / sum(first):.0%} other:
self-replicators cover the input layer as published, but most of them do it by being zero.
"""


def thinning_section(desk: Desk) -> str:
    task = desk.task("connectivity")
    frame = desk.over_seeds("connectivity", lambda run: thinning.thinning(run, task))
    shares = thinning.live_shares(frame, [0, 50, 200])
    names = {"live_type": "not zero", "live_weight": "abs(weight) > 0.001", "live_signal": "carry 99 % of the signal"}
    rows = []
    for (metric, layer), own in shares.groupby(["Metric", "Layer"], sort=False):
        rows.append(
            [
                names[str(metric)],
                layer,
                *(interval(m, h, "{:.1%}") for m, h in zip(own["mean"], own["half_width"], strict=True)),
            ]
        )
    total = shares[(shares["Layer"] == "total") & (shares["Metric"] == "live_signal")].set_index("Epoch")
    images = {
        "live edges": desk.image("thinning.live_edges", frame, "connectivity", "live"),
        "structure": desk.image("thinning.structure", frame, "connectivity", "structure"),
    }
    return f"""Does the network really thin out? Measured by three definitions of a live edge.

{side_by_side(images)}

{markdown(rows, ["live", "layer", "epoch 0", "epoch 50", "epoch 200"])}

It does: the edges that carry 99 % of Σ abs(effective weight) · E abs(input) fall from {total.at[0, "mean"]:.1%} of all to
{total.at[200, "mean"]:.1%} ± {total.at[200, "half_width"]:.1%}.
"""


def dropout_section(desk: Desk) -> str:
    rows, images = [], {}
    for preset in ("connectivity", "residual-h8", "no-residual-h8"):
        task = desk.task(preset)
        frame = desk.over_seeds(preset, lambda run, task=task: dropout.run_dropout(run, task))  # type: ignore[misc]
        images[preset] = desk.image("dropout.dropout", frame, preset, preset)
        judged = dropout.against_random(frame).query("Scope == 'total'")
        for kind in ("zero", "identity", "other"):
            own = judged[judged["Type"] == kind].set_index("Against")
            cells = [
                f"{100 * own.at[against, 'Difference']:+.2f} ({100 * own.at[against, 'Low']:+.2f} … {100 * own.at[against, 'High']:+.2f})"
                for against in ("before", "random", "random nonzero")
            ]
            rows.append([preset, kind, f"{own.at['before', 'Dropped']:,.0f}", *cells])
    columns = [
        "preset",
        "dropped",
        "particles",
        "against before",
        "against as many random",
        "against as many random that are not zero",
    ]
    return f"""The change of the test accuracy, in percentage points with 95 % intervals, when all particles of a type are set to zero.
Published: −0.05 points without identity (zero among them); chance level, 0.098, without other. Rerun: −0.2 to −1.0 for
identity that are not zero, exactly 0 for zero fixpoints.

{side_by_side(images)}

{markdown(rows, columns)}

Self-replicators can be dropped: what that costs is small against dropping as many random particles that are not zero. The
others cannot.
"""


def comparison_section(groups: Mapping[str, str], question: str, early: bool = False) -> Callable[[Desk], str]:
    """A section that compares presets, under the names they have in its figures."""

    def make(desk: Desk) -> str:
        runs = {name: desk.runs[preset] for name, preset in groups.items()}
        shown = pd.concat(
            [
                comparison.compare(runs, metric)
                for metric in ("test_accuracy", "replication_loss", "identity_share", "zero_share")
            ]
        )
        images = {
            "curves": desk.image("comparison.curves", shown, "", "curves", early=early),
            "at the end": desk.image("comparison.finals", comparison.final_table(runs), "", "finals"),
        }
        rows = []
        table = comparison.final_table(runs)
        for metric, own in table.groupby("Metric", sort=False):
            form = "{:,.0f}" if metric in ("identity", "zero", "other") else "{:.3f}"
            by_group = own.set_index("Group")
            rows.append(
                [metric, *(interval(by_group.at[g, "Mean"], by_group.at[g, "Half width"], form) for g in groups)]
            )
        tests = comparison.paired_tests(runs)
        tested = [
            [
                row["Metric"],
                f"{row['A']} − {row['B']}",
                f"{row['Difference']:+.4g} ({row['Low']:+.4g} … {row['High']:+.4g})",
                f"{row['p']:.2g}",
                row["n"],
            ]
            for _, row in tests.iterrows()
        ]
        reached = comparison.order_of_learning(runs)
        order = []
        for milestone, own in reached.groupby("Milestone", sort=False):
            cells = []
            for group in groups:
                epochs = own[own["Group"] == group]["Epoch"]
                cells.append(
                    "never"
                    if epochs.isna().all()
                    else f"{epochs.mean():.1f}"
                    + (f" ({epochs.notna().sum()} of {len(epochs)})" if epochs.isna().any() else "")
                )
            order.append([milestone.replace("_", " "), *cells])
        return f"""{question}

{side_by_side(images)}

{markdown(rows, ["at the end", *groups])}

Paired by seed:

{markdown(tested, ["metric", "difference", "mean (95 % interval)", "p (paired t)", "seeds"])}

First logged epoch, the mean over the seeds that reach it:

{markdown(order, ["reached", *groups])}
"""

    return make


def residual_section(desk: Desk) -> str:
    rows = [
        ["residual-h8", "published", "≈ 590 with zero", "", "≈ 930", "≈ 0.91"],
        ["", "rerun", "82", "501", "935", "0.913"],
        ["", "ours", *census_row(desk, "residual-h8")],
        ["no-residual-h8", "published", "≈ 640 with zero", "", "≈ 880", "≈ 0.905"],
        ["", "rerun, 2 seeds", "61–82", "485–501", "935–972", "0.898, 0.901"],
        ["", "ours", *census_row(desk, "no-residual-h8")],
    ]
    groups = {"residual": "residual-h8", "none": "no-residual-h8"}
    question = f"""Residual links against none, 1,518 particles of 8 units.

{markdown(rows, ["", "", "zero", "identity", "other", "test accuracy"])}

Published: without residual links self-replication is learnt first and the task comes through slowly (0.46 at epoch 5, 0.75
at 15, 0.88 at 40); with them 0.87 at epoch 5."""
    return comparison_section(groups, question, early=True)(desk)


def later_section(desk: Desk) -> str:
    rows = [
        ["rerun (shared momentum)", "0", "345", "855", "0.877"],
        [f"ours, {len(desk.runs['mnist-h5'])} seeds", *census_row(desk, "mnist-h5")],
    ]
    images = {
        "training": desk.image("training_curves.training_curves", desk.metrics("mnist-h5"), "mnist-h5", "training"),
        "particle types": desk.image("particle_types.particle_types", desk.metrics("mnist-h5"), "mnist-h5", "types"),
    }
    return f"""225 → 5 → 5 → 10, 1,200 particles of 5 units, ten replication steps a batch with a fresh momentum.

{side_by_side(images)}

{markdown(rows, ["", "zero", "identity", "other", "test accuracy"])}
"""


def transfer_section(desk: Desk) -> str:
    rows, images = [], {}
    for preset in ("connectivity", "residual-h8", "no-residual-h8", "mnist-h5", "addition", "sanity-h4"):
        task = desk.task(preset)
        frame = desk.over_seeds(preset, lambda run, task=task: worth.run_transfer(run, task))  # type: ignore[misc]
        for copy, own in frame.groupby("Copy", sort=False):
            rows.append(
                [preset, copy, f"{own['Relative difference'].max():.1e}", "yes" if own["Equal"].all() else "no"]
            )
        if preset in ("connectivity", "residual-h8"):
            histogram = desk.over_seeds(preset, worth.run_weight_histogram)
            images[preset] = desk.image("transfer.weights", histogram, preset, preset)
    return f"""A particle as a weight is one number, its effective weight: the organism is a dense network. Compared on test data with
its dense copy, and with its particles each computing for itself (double precision).

{markdown(rows, ["preset", "against", "largest relative difference of the outputs", "metric equal"])}

{side_by_side(images)}
"""


def baselines_section(desk: Desk) -> str:
    rows, images = [], {}
    for preset in ("connectivity", "no-residual-h8"):
        task = desk.task(preset)
        desk.watch(f"{preset}, training the baselines")
        curves = baselines.run_baselines(
            desk.runs[preset], task, after_epoch=lambda network, epoch: desk.watch(f"{network}, epoch {epoch}")
        )
        images[preset] = desk.image("baselines.baselines", curves, preset, preset)
        for _, row in baselines.final_scores(curves).query("Metric == 'test_accuracy'").iterrows():
            rows.append([preset, row["Network"], interval(row["Mean"], row["High"] - row["Mean"], "{:.3f}")])
    return f"""The same body trained directly on the same batches: with as many units, with as many weights as the organism's particles
have together, and as an organism that does not replicate.

{side_by_side(images)}

{markdown(rows, ["preset", "network", "test accuracy"])}
"""


def cubes_section(desk: Desk) -> str:
    run = desk.runs["connectivity"][0]
    title = f"connectivity, seed {run.experiment.seed}"
    images = {}
    explained = []
    for form, heading in (("particle", "one PCA per particle"), ("layer", "one PCA for all particles of a layer")):
        frame = courses.trajectories(run, form)  # type: ignore[arg-type]
        images[heading] = desk.image("trajectories.trajectories", frame, title, form)
        by_layer = frame.groupby("Layer", sort=False)[["Explained 1", "Explained 2"]].mean().sum(axis=1)
        explained += [[heading, layer, f"{share:.1%}"] for layer, share in by_layer.items()]
    return f"""The particles' way through weight space: two principal components, the epoch as height, coloured by the type at the end.

{side_by_side(images)}

{markdown(explained, ["form", "layer", "variance explained by the two"])}
"""


def robustness_section(desk: Desk) -> str:
    images, rows = {}, []
    for preset in ("connectivity", "residual-h8"):
        frame = desk.over_seeds(preset, robustness.robustness)
        images[preset] = desk.image("robustness.robustness", frame, preset, preset)
        for _, row in robustness.by_level(frame).iterrows():
            rows.append(
                [
                    preset,
                    f"{row['Level']:.0e}",
                    f"{row['Clones']:,.0f}",
                    f"{row['Steps']:.0f}",
                    f"{row['Identity steps']:.0f}",
                    f"{row['Zero']:.0%}",
                    f"{row['Divergent']:.0%}",
                    f"{row['Cap']:.1%}",
                ]
            )
    columns = [
        "preset",
        "noise",
        "clones",
        "steps until the end",
        "of these a fixpoint",
        "zero",
        "divergent",
        "hit the cap",
    ]
    return f"""Clones of each self-replicator, with noise on every weight, self-applied until they are zero or divergent (medians).

{side_by_side(images)}

{markdown(rows, columns)}
"""


def heatmap_section(desk: Desk) -> str:
    task = desk.task("connectivity")
    frame = desk.over_seeds("connectivity", lambda run: heatmap.heatmap(run, task))
    correlations = summary.mean_and_interval(heatmap.against_mean_image(frame))
    rows = [
        [name, interval(row["mean"], row["half_width"], "{:+.2f}")]
        for name, row in correlations.iterrows()
        if row["mean"] == row["mean"]
    ]
    return f"""Where on the image do particles of each type and their effective weights sit?

{desk.image("heatmap.heatmap", frame, "connectivity", "heatmap")}

{markdown(rows, ["in the input layer", "rank correlation with the mean image"])}
"""


SANITY = [f"sanity-h{hidden}" for hidden in (2, 3, 4, 6, 10)]
SECTIONS = {
    "sanity": Section("Sanity check: one particle multiplies", SANITY, sanity),
    "addition": Section("Addition", ["addition"], addition),
    "connectivity": Section("Connectivity", ["connectivity"], connectivity_section),
    "thinning": Section("Thinning", ["connectivity"], thinning_section),
    "residual": Section("Residual links against none", ["residual-h8", "no-residual-h8"], residual_section),
    "sizes": Section(
        "Particle sizes",
        ["connectivity", "residual-h8"],
        comparison_section(
            {"4 units": "connectivity", "8 units": "residual-h8"},
            "Particles of 4 units against particles of 8: the larger ones replicate themselves less often as zero.",
        ),
    ),
    "dropout": Section("Particle dropout", ["connectivity", "residual-h8", "no-residual-h8"], dropout_section),
    "transfer": Section(
        "Weight transfer",
        ["connectivity", "residual-h8", "no-residual-h8", "mnist-h5", "addition", "sanity-h4"],
        transfer_section,
    ),
    "baselines": Section("Dense baselines", ["connectivity", "no-residual-h8"], baselines_section),
    "cubes": Section("Trajectories", ["connectivity"], cubes_section),
    "robustness": Section("Robustness", ["connectivity", "residual-h8"], robustness_section),
    "heatmap": Section("Input heat map", ["connectivity"], heatmap_section),
    "longer": Section(
        "Longer training",
        ["connectivity", "connectivity-500"],
        comparison_section(
            {"200 epochs": "connectivity", "500 epochs": "connectivity-500"}, "What changes when training goes on?"
        ),
    ),
    "smaller": Section(
        "Smaller organisms",
        ["connectivity", "smaller"],
        comparison_section({"width 6": "connectivity", "width 3": "smaller"}, "Half the units in each hidden layer."),
    ),
    "later": Section("The later configuration", ["mnist-h5"], later_section),
}


def make(
    names: Sequence[str],
    seeds: int = 5,
    out: Path = Path("figures"),
    runs: Path = Path("runs/figures"),
    data_dir: Path | None = None,
    watch: Callable[[str], None] = lambda what: None,
) -> list[str]:
    """Make the sections named (all without names) that are not made yet, and put ``README.md`` together.

    Args:
        names: Names of :data:`SECTIONS`.
        seeds: Seeds 0 … of every preset; those that are missing are run.
        out: Where the tables go.
        runs: Where the runs are kept.
        data_dir: Where the IDX files of MNIST are.
        watch: Told what is going on.

    Returns:
        The sections made.

    Raises:
        UserError: There is no such section.
    """
    for name in names:
        if name not in SECTIONS:
            raise UserError(
                f"there is no figure table {name!r}{nearest(name, SECTIONS)}; allowed: {', '.join(SECTIONS)}"
            )
    made = []
    for name in names or list(SECTIONS):
        text = out / name / "section.md"
        if text.is_file() and text.read_text().startswith(_mark(seeds)):
            continue
        section = SECTIONS[name]
        collected = {preset: _run_missing(preset, seeds, runs, data_dir, watch) for preset in section.presets}
        text.parent.mkdir(parents=True, exist_ok=True)
        body = section.make(Desk(text.parent, collected, data_dir, lambda what, name=name: watch(f"{name}: {what}")))  # type: ignore[misc]
        write_whole(
            text, f"{_mark(seeds)}\n## {section.heading}\n\n`srnn figures {name} --seeds {seeds}`\n\n{body}".encode()
        )
        made.append(name)
    parts = [path.read_text() for name in SECTIONS if (path := out / name / "section.md").is_file()]
    write_whole(out / "README.md", "\n".join([HEADER, *parts]).encode())
    return made


def _mark(seeds: int) -> str:
    """The first line of a section that is made for that many seeds."""
    return f"<!-- {seeds} seeds -->"


def _run_missing(preset: str, seeds: int, out: Path, data_dir: Path | None, watch: Callable[[str], None]) -> list[Run]:
    experiment = load_preset(preset)
    folders = [out / preset / f"seed-{seed}" for seed in range(seeds)]
    missing = [seed for seed, folder in enumerate(folders) if not folder.exists()]
    if missing:
        run_experiment(
            experiment,
            out,
            seeds=missing,
            data_dir=data_dir,
            after_report=lambda report: watch(
                f"training {preset}, epoch {report.epoch} of {experiment.training.epochs}"
            ),
        )
    return [Run.open(folder) for folder in folders]
