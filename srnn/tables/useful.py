"""The table about usefulness: humps, mobility, early prediction, rhythm, groups, and what types have to do with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Literal

import numpy as np
import pandas as pd

from srnn.analysis import groups, humps, mobility, narrower, prediction, relation, rhythm, usefulness
from srnn.analysis.statistics import (
    ANYTHING,
    CORRELATION,
    POSITIVE,
    SHARE,
    Range,
    mean_interval,
    paired,
    share_of_cases,
)
from srnn.laboratory.subject import Subject
from srnn.plots import mobility as draw_mobility
from srnn.plots import usefulness as draw_usefulness
from srnn.plots.groups import groups as draw_groups
from srnn.plots.prediction import prediction as draw_prediction
from srnn.plots.rhythm import rhythm as draw_rhythm
from srnn.tables.desk import Desk, between, markdown, of_what, side_by_side

PRESETS: Final = ("usefulness", "rhythm")
_NETWORKS: Final = ("number", "dropout", "weightwise")
_ORDERS: Final = ("shuffled", "fixed", "replacement", "dropout", "l2", "narrow")
#: What the diary reports of ten evaluations: raw minus sorted.
_PUBLISHED_GAP: Final = 0.846 - 0.7645
_HALF: Final = 0.5


def useful(desk: Desk) -> str:
    """Who matters, since when can one tell, and why?"""
    films = {one: desk.over_seeds(f"usefulness-{one}", _film) for one in _NETWORKS}
    return "\n".join(
        [
            _distribution(desk, films),
            _mobility(desk, films),
            _prediction(desk),
            _rhythm(desk),
            _groups(desk),
            _narrower(desk),
            _relation(desk),
        ]
    )


def _film(subject: Subject) -> pd.DataFrame:
    return usefulness.film(subject.over_epochs(), subject.task)


def _each(film: pd.DataFrame, answer: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """An analysis of the film of each seed, told apart by a column Seed."""
    return pd.concat([answer(own.drop(columns="Seed")).assign(Seed=seed) for seed, own in film.groupby("Seed")])


def _cell(scores: pd.Series, within: Range = ANYTHING, form: str = "{:.2f}") -> str:
    known = scores.dropna()
    return between(*mean_interval(known, within), form=form) if len(known) else "–"


def _difference(one: pd.Series, other: pd.Series, form: str = "{:+.3f}") -> str:
    test = paired(one.to_numpy(dtype=float), other.to_numpy(dtype=float))
    return between(*(test[name] for name in ("Difference", "Low", "High")), form=form)


# -- two humps --------------------------------------------------------------------------------------------------------


def _distribution(desk: Desk, films: Mapping[str, pd.DataFrame]) -> str:
    rows, told = [], []
    for network, film in films.items():
        end = film[film["Epoch"] == film["Epoch"].max()]
        found, states = _each(end, humps.distribution), _each(end, usefulness.states)
        for layer, own in found.groupby("Layer", sort=False):
            share, low, high = share_of_cases(int(own["Two-humped"].sum()), len(own))
            of = states[states["Layer"] == layer].set_index("State")["Share"]
            rows.append(
                [
                    network,
                    layer,
                    *(_cell(of.loc[[state]], SHARE) for state in usefulness.STATES),
                    _cell(own["Humps"], (1, float("inf")), "{:.1f}"),
                    _cell(own["Separation"], POSITIVE, "{:.1f}"),
                    _cell(own["Bimodality"], SHARE),
                    between(share, low, high, form="{:.2f}"),
                ]
            )
            told.append(f"{network} {layer} {int(own['Two-humped'].sum())} of {len(own)}")
    columns = ["network", "layer", *usefulness.STATES, "humps (BIC)", "Ashman's D", "bimodality", "two-humped"]
    shown = films["number"][films["number"]["Seed"] == films["number"]["Seed"].min()]
    images = {
        "distribution": desk.image(draw_usefulness.distribution, shown, "number, seed 0", "distribution"),
        "ranks": desk.image(draw_usefulness.ranks, shown, "number, seed 0", "ranks"),
    }
    return f"""Bodies {of_what(desk.runs["usefulness-number"][0])}. A unit's usefulness is by how much the loss of the
first 1,000 test examples rises if it is switched off. *Number*: plain numbers; *dropout*: the same with half of the
units dropped in training; *weightwise*: particles trained by `sgd`. Two-humped at the end: BIC prefers two or more
Gaussians and two lie apart (D above 2); dead units are not among them. The uniform distribution's bimodality is 0.555.

{side_by_side(images)}

{markdown(rows, columns)}

Judged: two-humped are, in seeds, {", ".join(told)}. The control is the criterion, which a single normal hump does not
meet; the last column has the exact interval of the share of seeds.
"""


# -- mobility ---------------------------------------------------------------------------------------------------------


def _mobility_of(film: pd.DataFrame, subject: Subject) -> pd.DataFrame:
    own = film[film["Seed"] == subject.seed].drop(columns="Seed")
    one, two = (usefulness.film(subject.over_epochs(), half) for half in usefulness.halves(subject.task))
    return mobility.summary(own, (one, two))


def _mobility(desk: Desk, films: Mapping[str, pd.DataFrame]) -> str:
    rows, told, curves = [], [], {}
    for network, film in films.items():
        summary = desk.over_seeds(f"usefulness-{network}", partial(_mobility_of, film))
        total = summary[summary["Layer"] == mobility.TOTAL].pivot(index="Seed", columns="Metric", values="Score")
        curves[network] = _each(film, mobility.mobility)
        over = _difference(total["Across halves"], total["Noise floor"])
        names = (
            "Mobility",
            "Across halves",
            "Noise floor",
            "Half-life",
            "First half, last",
            "Persistent",
            "Restless rise",
        )
        ranges = (POSITIVE, POSITIVE, POSITIVE, POSITIVE, CORRELATION, SHARE, SHARE)
        cells = [_cell(total[name], within) for name, within in zip(names, ranges, strict=True)]
        every = desk.runs[f"usefulness-{network}"][0].experiment.log.every
        rows.append([network, every, *cells[:3], over, *cells[3:]])
        told.append(f"{over} ({network})")
    columns = ["network", "epochs between", "mobility", "across halves", "noise floor", "across − floor"]
    columns += ["half-life", "first half, last", "persistent", "restless rise"]
    between_epochs = _each(films["number"], mobility.between_epochs)
    images = {
        "ranks": desk.image(draw_mobility.correlation, curves["number"], "number", "mobility"),
        "classes": desk.image(draw_mobility.transitions, between_epochs, "number", "transitions"),
    }
    return f"""How units change places, in fifths of their layer from one logged epoch to the next (0: none does, 1: at
random). *Across halves*: the same from one half of the examples to the other half at the next epoch; *noise floor*:
from half to half at one epoch, which is what the choice of examples makes of units that rest.

{side_by_side(images)}

{markdown(rows, columns)}

Judged: mobility across halves beyond the noise floor, paired by seed, is {", ".join(told)};
what is above zero is movement.
"""


# -- early prediction -------------------------------------------------------------------------------------------------


def _prediction(desk: Desk) -> str:
    task, parts = desk.task("usefulness-number"), []
    for run in desk.runs["usefulness-number"]:
        desk.watch(f"features, seed {run.experiment.seed}")
        subject = Subject(run, task)
        generator = subject.generator.manual_seed(0)
        found = prediction.features(subject.over_epochs(), task, generator)
        parts.append({name: frame.assign(Seed=run.experiment.seed) for name, frame in found.items()})
    desk.watch("prediction")
    known = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}
    predicted = prediction.predict(known["film"], known["features"])
    scores = predicted[predicted["Metric"] == "accuracy"]
    rows = []
    for (model, features), own in scores.groupby(["Model", "Features"], sort=False):
        by = {count: part["Score"] for count, part in own.groupby("Evaluations")}
        rows.append([model, features, *(_cell(by[count], SHARE, "{:.3f}") if count in by else "–" for count in _KNOWN)])
    useless = predicted[(predicted["Model"] == "linear") & (predicted["Features"] == "all")]
    last = useless[useless["Evaluations"] == useless["Evaluations"].max()].groupby("Metric")["Score"]
    warned = {name: _cell(own, SHARE) for name, own in last}
    image = desk.image(draw_prediction, predicted.rename(columns={"Fold": "Seed"}), "number", "prediction")

    def at(count: int, model: str, features: str) -> pd.Series:
        own = scores[(scores["Evaluations"] == count) & (scores["Model"] == model) & (scores["Features"] == features)]
        return own.sort_values("Fold")["Score"]

    early = [
        f"{model} {_first_above(scores, model, features)}"
        for model, features in (("persistence", "last usefulness"), ("linear", "all"))
    ]
    ten = 10 if 10 in set(scores["Evaluations"]) else int(scores["Evaluations"].max())
    told = [_cell(at(ten, *one), SHARE, "{:.3f}") for one in (("persistence", "last usefulness"), ("linear", "all"))]
    gap = _difference(at(ten, "linear", "usefulness"), at(ten, "linear", "usefulness, sorted"))
    beyond = _difference(at(ten, "linear", "all"), at(ten, "persistence", "last usefulness"))
    return f"""Is a unit in the upper half of its layer at the end? Learnt from some seeds and judged on others; after k
evaluations, one an epoch. The commoner answer and *persistence* (what is useful now will be) are the references.

{image}

{markdown(rows, ["model", "features", *(f"k = {count}" for count in _KNOWN)])}

Judged: better than the commoner answer, with the whole interval, is {" and ".join(early)}
({told[0]} and {told[1]} at k = {ten}).
After {ten} evaluations the accuracy by raw values minus that by sorted ones is {gap}, paired by fold (the
diary: {_PUBLISHED_GAP:+.4f}), and that by all features minus persistence {beyond}. Of the lowest tenth, by all features
and at the last k: AUC {warned["useless AUC"]}, and at the threshold that was right nine times of ten where it was
learnt, precision {warned["useless precision"]} and recall {warned["useless recall"]}.
"""


def _first_above(scores: pd.DataFrame, model: str, features: str) -> str:
    """The least number of evaluations from which on a model is better than half, with the whole interval."""
    own = scores[(scores["Model"] == model) & (scores["Features"] == features)]
    low = own.groupby("Evaluations")["Score"].apply(lambda one: mean_interval(one, SHARE)[1])
    above = (low > _HALF)[::-1].cummin()
    return f"from k = {above[above].index.min()} on" if above.any() else "at no k"


_KNOWN: Final = prediction.EVALUATIONS

# -- rhythm and groups ------------------------------------------------------------------------------------------------


def _rhythm(desk: Desk) -> str:
    rows, told, white, drawn, judged = [], [], [], None, []
    for variant in _ORDERS:
        task = desk.task(f"rhythm-{variant}")
        parts = []
        for run in desk.runs[f"rhythm-{variant}"]:
            seed = run.experiment.seed
            desk.watch(f"rhythm-{variant}, seed {seed}")
            courses = rhythm.courses(run.experiment, task)
            per_epoch = len(task.train_x) // run.experiment.training.batch_size
            generator = np.random.default_rng(seed)
            found = rhythm.rhythm(courses, per_epoch, generator)
            parts.append(rhythm.measures(found).assign(Seed=seed))
            if variant == "shuffled":
                spectra = rhythm.spectra(courses, per_epoch).assign(Seed=seed)
                drawn = spectra if drawn is None else pd.concat([drawn, spectra])
                by_period = groups.groups(run.organism(), task, generator, {"period": rhythm.features(found)})
                judged.append(by_period[by_period["By"] == "period"].assign(Seed=seed))
        measures = pd.concat(parts)
        for course in ("Usefulness", "Activity"):
            own = measures[measures["Course"] == course].pivot(index="Seed", columns="Metric", values="Score")
            names = ("white_share", "red_share", "periodic_share", "epoch_share")
            rows.append(
                [
                    variant,
                    course.lower(),
                    *(_cell(own[name], SHARE) for name in names),
                    _cell(own["memory"], CORRELATION),
                ]
            )
            if course == "Usefulness":
                told.append(f"{_cell(own['periodic_share'], SHARE)} ({variant})")
                white.append(f"{own['white_share'].mean():.2f} ({variant})")
    assert drawn is not None
    period = groups.measures(pd.concat(judged)).set_index("Metric")["Score"]
    cheap, below, matched = (f"{period[f'{name}_share']:.0%}" for name in ("cheap", "below", "matched"))
    columns = ["order", "of", "white noise", "red noise", "periodic", "of an epoch", "memory"]
    return f"""Does it swing? Bodies {of_what(desk.runs["rhythm-shuffled"][0])} (*narrow*: 16 units in a layer), looked
at every few batches: shares of the units that Fisher's test against *white noise* calls periodic, that are beyond 95 %
of *red noise* of the same memory (by chance 0.05), and that are *periodic*, with the share of false ones controlled at
5 %.

{desk.image(draw_rhythm, drawn, "shuffled", "rhythm")}

{markdown(rows, columns)}

Judged: periodic beyond red noise are {", ".join(told)}; against white noise they would be {", ".join(white)}.
Of the {period["groups"]:.0f} groups of like period and phase (shuffled, all seeds, pooled and so without an interval)
{cheap} cost less than random sets (q below 0.05); {below} of random sets cost no more than the group, and {matched} of
those of an equal sum (by chance half).
"""


def _groups(desk: Desk) -> str:
    found = desk.over_seeds(
        "usefulness-number",
        lambda one: groups.groups(one.organism(), one.task, np.random.default_rng(one.seed)),
    )
    each = _each(found, groups.measures)
    alike = _cell(_each(found, groups.agreement)["Rand"], CORRELATION)
    rows, told = [], []
    for by, own in each.groupby("By", sort=False):
        scores = own.pivot(index="Seed", columns="Metric", values="Score")
        cells = [_cell(scores["groups"], POSITIVE, "{:.1f}")]
        names = ("needing_share", "cheap_share", "below_share", "matched_share")
        rows.append([by, *cells, *(_cell(scores[name], SHARE) for name in names)])
        told.append(
            f"by {by} {_cell(scores['cheap_share'], SHARE)}, and {_cell(scores['below_share'], SHARE)} of the sets"
        )
    columns = ["formed by", "groups", "needing each other", "cheaper than random", "sets below", "of equal sum"]
    return f"""Are there groups? Formed on one half of the examples and judged on the other, beside random sets with
as many units of each layer: the share of the groups whose members need each other (less is lost without all than the
sum), that cost less than random sets (q below 0.05), and of the sets that cost no more than the group (by chance half).

{desk.image(draw_groups, found, "number", "groups")}

{markdown(rows, columns)}

Judged: of the groups cost less than random ones {"; ".join(told)} cost no more (a half by chance).
The partitions by synergy and by activation agree by an adjusted Rand index of {alike} (1: the same, 0: by chance).
"""


# -- fewer units ------------------------------------------------------------------------------------------------------


def _narrower(desk: Desk) -> str:
    rows, told = [], []
    for network in _NETWORKS:
        found = desk.over_seeds(
            f"usefulness-{network}",
            lambda one: narrower.narrower(one.organism(), one.task, np.random.default_rng(one.seed)),
        )
        lost = found.assign(Points=100 * found["Score change"]).pivot(
            index="Seed", columns=["Order", "Share"], values="Points"
        )
        for order in narrower.ORDERS:
            rows.append([network, order, *(_cell(lost[order, share], (-100, 100)) for share in narrower.SHARES)])
        saved = _difference(lost["random", _HALF], lost["useless first", _HALF], "{:+.2f}")
        told.append(f"{saved} ({network})")
    return f"""How many can go? Points of test accuracy that are lost without the least useful units of each hidden
layer, by training data, and without as many at random, with nothing trained anew.

{markdown(rows, ["network", "order", *(f"{share:.0%} of the units" for share in narrower.SHARES)])}

Judged: what random units cost minus what the least useful cost is, of half of the units, in points and paired by seed,
{", ".join(told)}.
"""


# -- types ------------------------------------------------------------------------------------------------------------


def _relation(desk: Desk) -> str:
    def answer(one: Subject) -> pd.DataFrame:
        organism, parts = one.organism(), []
        of: Literal["unit", "particle"]
        for of in ("unit", "particle"):
            lost = usefulness.usefulness(organism, one.task, of)
            known = usefulness.properties(organism, one.task, of)
            if of == "particle":
                known["Effective weight"] = known["Effective weight"].abs()
            parts.append(relation.relations(lost, known, ["Input activity"]).assign(Of=of))
        return pd.concat(parts)

    found = desk.over_seeds("usefulness-weightwise", answer)
    rows, told = [], {}
    for (of, name), own in found.groupby(["Of", "Property"], sort=False):
        rows.append([of, name, *(_cell(own[column], CORRELATION, "{:+.2f}") for column in ("Alone", "Given"))])
        told[of, name] = rows[-1][-1]
    return f"""What does it have to do with the particles? Rank correlations with usefulness within each layer of the
*weightwise* networks, alone and with what the activity of the input explains taken out of both ranks; of units the
means over the particles that enter them.

{markdown(rows, ["of", "property", "rank correlation", "beyond input activity"])}

Judged: beyond input activity a particle's usefulness goes with being a zero fixpoint by {told["particle", "Zero"]},
with being a self-replicator by {told["particle", "Identity"]} and with its replication loss by
{told["particle", "Replication loss"]}; that of a unit with the shares of these among its particles by
{told["unit", "Zero"]}, {told["unit", "Identity"]} and {told["unit", "Replication loss"]}.
"""
