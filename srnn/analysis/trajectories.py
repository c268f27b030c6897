"""How do particles travel through weight space? Their weights over the logged epochs, in two principal components.

Both published forms: a PCA of each particle by itself, and one PCA for all particles of a layer.

That few components explain much says little by itself: of a random walk in many dimensions the first explains
6/π² = 61 %, and a course of which the first step is nearly all is a line. :func:`against_random_walk` has both.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from srnn.errors import NotApplicableError
from srnn.fixpoints import FixpointType, classify
from srnn.particle import Particle
from srnn.swarm import Kind

#: What one PCA is of: one particle, or all particles of a layer.
Form = Literal["particle", "layer"]
Floats = NDArray[np.floating]


def trajectories(trajectory: pd.DataFrame, particle: Kind, form: Form = "particle") -> pd.DataFrame:
    """Put the particles of each layer into two principal components of their weights over the epochs.

    The components are in units of a weight, centred on the mean of what the PCA is of: the course of one particle
    (form ``particle``; each has components of its own) or of all particles of its layer together (form ``layer``).
    Particles that diverge at any of the epochs are left out and counted.

    Args:
        trajectory: Columns Epoch, Weight (the particle's name), dim_1 … dim_P, as :meth:`Run.trajectory` gives them.
        particle: What the particles are.
        form: What one PCA is of.

    Returns:
        A row for each particle and epoch: Weight (its name), Layer (``L0``), Type (at the last epoch; ``all`` of
        numbers, which have none), Epoch (int), PC1, PC2 (float), Explained 1, Explained 2 (the share of the variance
        that each component explains, of that particle or of its layer; NaN if nothing moves), Left out (int, the
        divergent particles of the layer).

    Raises:
        NotApplicableError: There are fewer than two epochs, or not the same particles in each.
    """
    epochs, names, weights = _cube(trajectory)
    layers = pd.Series([name.partition("_")[0] for name in names])
    labels = np.full(len(names), "all", dtype=object)
    if isinstance(particle, Particle):
        types = classify(torch.tensor(np.ascontiguousarray(weights[-1].T), dtype=torch.float32), particle).tolist()
        labels = np.array([FixpointType(kind).label for kind in types])
    finite = np.isfinite(weights).all(axis=(0, 2))
    frames = []
    for layer in layers.unique():
        inside = (layers == layer).to_numpy()
        kept = np.flatnonzero(inside & finite)
        if not kept.size:
            continue
        project = project_each if form == "particle" else project_together
        scores, explained = project(weights[:, kept])
        frame = pd.DataFrame({"Weight": names[kept].repeat(len(epochs)), "Layer": layer})
        frame["Type"] = labels[kept].repeat(len(epochs))
        frame["Epoch"] = np.tile(epochs, kept.size)
        frame[["PC1", "PC2"]] = scores.swapaxes(0, 1).reshape(-1, 2)
        frame[["Explained 1", "Explained 2"]] = explained.repeat(len(epochs), axis=0)
        frame["Left out"] = inside.sum() - kept.size
        frames.append(frame)
    if not frames:
        raise NotApplicableError(
            f"all {len(names):,} particles diverged: there is no course to draw; try a smaller training.lr"
        )
    return pd.concat(frames, ignore_index=True)


def types_over_epochs(trajectory: pd.DataFrame, particle: Particle) -> pd.DataFrame:
    """Of which type each particle is at each logged epoch.

    Args:
        trajectory: As for :func:`trajectories`.
        particle: What the particles are.

    Returns:
        A row for each epoch (its index), a column for each particle, in their order; cells are the numbers of
        :class:`FixpointType`.

    Raises:
        NotApplicableError: As for :func:`trajectories`.
    """
    epochs, names, weights = _cube(trajectory)
    flat = torch.tensor(np.ascontiguousarray(weights.reshape(-1, weights.shape[2]).T), dtype=torch.float32)
    types = classify(flat, particle).numpy().reshape(len(epochs), len(names))
    return pd.DataFrame(types, index=pd.Index(epochs, name="Epoch"), columns=pd.Index(names, name="Weight"))


def explained(courses: pd.DataFrame) -> pd.DataFrame:
    """How much of the variance the two components explain, in the mean over the particles of each layer.

    Args:
        courses: Of one run, as :func:`trajectories` gives them.

    Returns:
        A row for each layer: Layer, Explained 1, Explained 2 and Left out, as they are there.
    """
    particles = courses.drop_duplicates("Weight")
    return particles.groupby("Layer", sort=False)[["Explained 1", "Explained 2", "Left out"]].mean().reset_index()


def against_random_walk(trajectory: pd.DataFrame, generator: torch.Generator | None = None) -> pd.DataFrame:
    """How much of the courses few components explain, beside random walks with the same steps.

    A random walk begins where the particle does and takes steps of the same lengths in directions drawn at random.

    Args:
        trajectory: As for :func:`trajectories`; particles that diverge are left out.
        generator: Where directions are drawn from; without one, torch's global generator.

    Returns:
        A row for each form (``particle``, ``layer``), layer and part of the course (``whole``, or ``later``: without
        the first logged interval): Form, Layer, Part (str), First (float: the share of the path's length that lies in
        that interval, the mean over the particles), Explained, Random walk, Explained by 3, Random walk by 3 (float:
        the share of the variance that two components explain, and three; of a PCA per particle the mean over them).

    Raises:
        NotApplicableError: As for :func:`trajectories`, or there is no later part: fewer than three epochs.
    """
    epochs, names, weights = _cube(trajectory)
    if len(epochs) < 3:
        raise NotApplicableError(
            f"a course without its first interval needs three logged epochs; there are {len(epochs)}: choose a smaller "
            "log.every"
        )
    layers = np.array([name.partition("_")[0] for name in names])
    finite = np.isfinite(weights).all(axis=(0, 2))
    rows = []
    for layer in dict.fromkeys(layers):
        course = weights[:, (layers == layer) & finite].astype(np.float64)
        if not course.shape[1]:
            continue
        steps = np.diff(course, axis=0)
        lengths = np.linalg.norm(steps, axis=2, keepdims=True)
        ways = torch.randn(steps.shape, generator=generator, dtype=torch.float64).numpy()
        ways *= lengths / np.linalg.norm(ways, axis=2, keepdims=True)
        walk = np.concatenate([course[:1], course[0] + ways.cumsum(axis=0)])
        paths = lengths.sum(axis=0)[:, 0]
        first = float(np.mean(lengths[0, paths > 0, 0] / paths[paths > 0])) if (paths > 0).any() else float("nan")
        for form, spread in (("particle", _spread_each), ("layer", _spread_together)):
            for part, start in (("whole", 0), ("later", 1)):
                [own, random] = [spread(one[start:]) for one in (course, walk)]
                rows.append((form, layer, part, first, own[1], random[1], own[2], random[2]))
    columns = ["Form", "Layer", "Part", "First", "Explained", "Random walk", "Explained by 3", "Random walk by 3"]
    return pd.DataFrame(rows, columns=columns)


def _spread_each(courses: Floats) -> Floats:
    """The shares of the variance that 1, 2, 3 … components explain together, in the mean over particles that move."""
    centred = (courses - courses.mean(axis=0)).swapaxes(0, 1)
    return _explained_together(np.linalg.svd(centred, compute_uv=False) ** 2)


def _spread_together(courses: Floats) -> Floats:
    """The same of one PCA for all."""
    points = courses.reshape(-1, courses.shape[2])
    return _explained_together(np.linalg.eigvalsh(np.cov(points.T))[None, ::-1].clip(min=0))


def _explained_together(variances: Floats) -> Floats:
    variances = variances[variances.sum(axis=1) > 0]
    if not len(variances):
        return np.full(3, np.nan)
    shares: Floats = (variances.cumsum(axis=1) / variances.sum(axis=1, keepdims=True)).mean(axis=0)
    # What has fewer components is told by all of them.
    return np.pad(shares, (0, max(0, 3 - len(shares))), mode="edge")


def project_each(weights: Floats) -> tuple[Floats, Floats]:
    """One PCA for each particle, all of them in one batched singular value decomposition.

    Args:
        weights: ``(epochs, N, P)``, finite.

    Returns:
        Scores ``(epochs, N, 2)`` and explained variance ratios ``(N, 2)``. The sign of a component is such that its
        largest loading is positive, as in scikit-learn. A component that there is not is zero.
    """
    courses = weights.astype(np.float64).swapaxes(0, 1)
    courses = courses - courses.mean(axis=1, keepdims=True)
    _, singular, loadings = np.linalg.svd(courses, full_matrices=False)
    loadings = loadings[:, :2]
    largest = np.take_along_axis(loadings, np.abs(loadings).argmax(axis=2, keepdims=True), axis=2)
    scores = courses @ (loadings * np.where(largest < 0, -1, 1)).swapaxes(1, 2)
    variance = singular**2
    total = variance.sum(axis=1, keepdims=True)
    explained = np.divide(variance[:, :2], total, out=np.full_like(variance[:, :2], np.nan), where=total > 0)
    missing = 2 - scores.shape[2]
    return np.pad(scores, ((0, 0), (0, 0), (0, missing))).swapaxes(0, 1), np.pad(explained, ((0, 0), (0, missing)))


def project_together(weights: Floats) -> tuple[Floats, Floats]:
    """One PCA (scikit-learn's) for all particles at all epochs.

    Args:
        weights: ``(epochs, N, P)``, finite.

    Returns:
        Scores ``(epochs, N, 2)`` and explained variance ratios ``(N, 2)``, the same for every particle.
    """
    epochs, count, size = weights.shape
    points = weights.reshape(-1, size).astype(np.float64)
    if not np.ptp(points, axis=0).any():
        return np.zeros((epochs, count, 2)), np.full((count, 2), np.nan)
    # Numbers have one dimension: what is not there is zero.
    there = min(2, *points.shape)
    pca = PCA(n_components=there, svd_solver="full" if len(points) < 1000 else "covariance_eigh")
    scores = np.pad(pca.fit_transform(points), ((0, 0), (0, 2 - there)))
    explained = np.pad(pca.explained_variance_ratio_, (0, 2 - there))
    return scores.reshape(epochs, count, 2), np.tile(explained, (count, 1))


def _cube(trajectory: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.str_], Floats]:
    """Epochs ``(E,)``, names ``(N,)`` and weights ``(E, N, P)`` of a trajectory whose epochs are in order."""
    epochs = trajectory["Epoch"].unique()
    if len(epochs) < 2:
        raise NotApplicableError(
            f"a course needs at least two logged epochs; there is {len(epochs)}: choose a smaller log.every"
        )
    names = trajectory["Weight"].to_numpy(dtype=str)
    count = int((trajectory["Epoch"] == epochs[0]).sum())
    if len(names) != len(epochs) * count or (names.reshape(-1, count) != names[:count]).any():
        raise NotApplicableError(
            "the trajectory does not hold the same particles in every epoch; log.particles must not change"
        )
    weights = trajectory.drop(columns=["Epoch", "Weight"]).to_numpy()
    return epochs.astype(np.int64), names[:count], weights.reshape(len(epochs), count, -1)
