"""The fused batch of the MLP body against torch, and every network by itself to the last bit."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit, types
from numba.extending import intrinsic
from torch import Tensor, nn
from torch.func import functional_call

from srnn.bodies.mlp import MLP
from srnn.kernels import functions, mlp, passes
from srnn.kernels.dropout import Drop, philox
from srnn.kernels.functions import Lanes
from srnn.kernels.llvm import LANES
from srnn.tasks.task import Task

ACTIVATIONS = ["none", "relu", "tanh", "sigmoid", "gelu"]
RESIDUALS = ["none", "layer", "pair"]
KINDS = ["classification", "regression"]


class Masks(nn.Module):
    """Dropout by given masks, in turn."""

    def __init__(self, masks: list[Tensor]) -> None:
        super().__init__()
        self.masks = iter(masks)

    def forward(self, x: Tensor) -> Tensor:
        return x * next(self.masks)


class Case:
    """Random networks, data and batches."""

    def __init__(
        self,
        sizes: tuple[int, int, int, int] = (5, 6, 3, 4),
        residual: str = "layer",
        activation: str = "tanh",
        kind: str = "classification",
        networks: int = 2,
        examples: int = 70,
        dropout: bool = False,
        seed: int = 0,
    ) -> None:
        self.body = MLP(*sizes, residual, activation)
        random = torch.Generator().manual_seed(seed)
        self.size = sum(weight.numel() for weight in self.body.weights)
        scales = torch.cat([torch.full((weight.numel(),), weight.shape[1] ** -0.5) for weight in self.body.weights])
        self.w = torch.randn(networks, self.size, generator=random).mul_(scales).flatten()
        rows, outputs = 50, sizes[3]
        x = torch.randn(rows, sizes[0], generator=random)
        y = torch.randn(rows, outputs, generator=random)
        if kind == "classification":
            y = torch.randint(outputs, (rows,), generator=random)
        self.task = Task("random", kind, x, y, x, y, outputs)
        self.index = torch.randint(rows, (networks, examples), generator=random)
        self.drop = None
        if dropout:
            self.drop = Drop(0.3, torch.randint(2**63 - 1, (networks,), generator=random).tolist(), batch=seed)

    def learn(self, places: slice = slice(None)) -> tuple[Tensor, Tensor, Tensor]:
        """By the kernel, with the networks of these places alone."""
        w = self.w.view(-1, self.size)[places].flatten()
        drop = None if self.drop is None else self.drop._replace(keys=self.drop.keys[places])
        return mlp.learn(w, self.body, self.task.train_x, self.task.train_y, self.index[places], drop)

    def masks(self, drop: Drop) -> list[Tensor]:
        """What the units are multiplied by, ``(S, width, B)`` for each hidden layer."""
        networks, examples = self.index.shape
        hidden = enumerate(self.body.sizes[1:-1])
        return [
            torch.stack([drop.factors(place, layer, units, examples) for place in range(networks)]).double()
            for layer, units in hidden
        ]

    def tensors(self, w: Tensor) -> dict[str, Tensor]:
        shapes = [weight.shape for weight in self.body.weights]
        parts = w.view(len(self.index), -1).split([shape.numel() for shape in shapes], 1)
        return {
            f"weights.{i}": part.view(-1, *shape) for i, (part, shape) in enumerate(zip(parts, shapes, strict=True))
        }

    def reference(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Outputs, losses, scores, gradient by torch in float64."""
        w = self.w.double().requires_grad_()
        self.body.dropout = nn.Identity() if self.drop is None else Masks(self.masks(self.drop))
        x, y = self.task.train_x.double()[self.index], self.task.train_y[self.index]
        y = y if self.task.kind == "classification" else y.double()
        output = functional_call(self.body, self.tensors(w), x)
        losses = self.task.loss(output, y)
        losses.mean(1).sum().backward()
        return output.detach(), losses.detach(), self.task.score(output.detach(), y), w.grad


cases = st.builds(
    Case,
    sizes=st.tuples(st.integers(1, 70), st.integers(1, 40), st.integers(1, 6), st.integers(1, 20)),
    residual=st.sampled_from(RESIDUALS),
    activation=st.sampled_from(ACTIVATIONS),
    kind=st.sampled_from(KINDS),
    networks=st.integers(1, 5),
    examples=st.integers(1, 200),
    dropout=st.booleans(),
    seed=st.integers(0, 2**31 - 1),
)
squares = st.builds(
    lambda size, depth, **rest: Case((size, size, depth, size), **rest),
    size=st.integers(1, 20),
    depth=st.integers(1, 6),
    residual=st.sampled_from(["layer", "pair"]),
    activation=st.sampled_from(ACTIVATIONS),
    kind=st.sampled_from(KINDS),
    dropout=st.booleans(),
)


#: Of which the product of all layers has far fewer weights.
linear = st.builds(
    Case,
    sizes=st.tuples(st.integers(1, 33), st.integers(20, 40), st.integers(2, 6), st.integers(1, 70)).filter(
        lambda sizes: sizes[1] * (sizes[0] + (sizes[2] - 2) * sizes[1] + sizes[3]) >= 4 * sizes[0] * sizes[3]
    ),
    residual=st.sampled_from(RESIDUALS),
    activation=st.just("none"),
    kind=st.sampled_from(KINDS),
    networks=st.integers(1, 5),
    examples=st.integers(160, 200),
    seed=st.integers(0, 2**31 - 1),
)


def agree(case: Case) -> None:
    _, losses, scores, gradient = case.reference()
    for mine, true in zip(case.learn(), (losses, scores, gradient), strict=True):
        assert mine.dtype is torch.float32
        scale = true.abs().max() + 1e-3
        assert (mine - true).abs().max() <= 1e-5 * scale


def same(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> None:
    assert [tensor.numpy().tobytes() for tensor in one] == [tensor.numpy().tobytes() for tensor in other]


@given(cases | squares | linear)
def test_it_is_what_torch_computes(case):
    agree(case)


@given(linear)
@settings(max_examples=20)
def test_a_wide_linear_network_learns_by_the_product_of_its_layers(case):
    """Where that costs less than what it spares: neither of few examples, nor with dropout."""
    x, y = case.task.train_x, case.task.train_y

    def multiplied(**changes):
        return mlp.batch(case.w, case.body, x, y, case.index, **changes).compound is not None

    assert multiplied()
    drop = Drop(0.3, [1] * len(case.index), 0)
    assert not multiplied(drop=drop)
    few = 31 if case.body.sizes[-1] <= 16 else 63 if case.body.sizes[-1] <= 32 else 95
    case.index = case.index[:, :few].contiguous()
    assert not multiplied()
    agree(case)
    narrow = Case((20, 6, 5, 20), "layer", "none")
    assert mlp.batch(narrow.w, narrow.body, narrow.task.train_x, narrow.task.train_y, narrow.index).compound is None


@pytest.mark.parametrize(
    ("sizes", "activation"),
    [
        ((225, 64, 3, 10), "relu"),
        ((30, 256, 3, 33), "gelu"),
        ((3, 2, 100, 2), "none"),
        ((20, [40, 40, 7], 4, 5), "relu"),
        ((5, 150, 4, 130), "none"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_wide_and_deep(sizes, activation, kind):
    agree(Case(sizes, "layer", activation, kind, networks=1, examples=600))


@given(cases | linear)
@settings(max_examples=30)
def test_answer_is_the_forward_pass(case):
    case.drop = None
    x = case.task.train_x
    output = mlp.answer(case.w, case.body, x)
    expected = functional_call(case.body, case.tensors(case.w.double()), x.double().expand(len(case.index), *x.shape))
    assert (output - expected).abs().max() <= 1e-5 * (expected.abs().max() + 1e-3)
    # To the bit: each network alone, and each example alone.
    alone = [mlp.answer(w, case.body, x) for w in case.w.view(len(case.index), -1)]
    same((output,), (torch.cat(alone),))
    same((output[:, 7:8],), (mlp.answer(case.w, case.body, x[7:8]),))


@given(cases | linear)
@settings(max_examples=30)
def test_judging_has_the_bits_of_learning(case):
    case.drop, task = None, case.task
    rows = len(task.train_x)
    # Several times each, for the fewest examples do not make the product of a wide linear network worth while.
    case.index = torch.arange(rows).repeat(len(case.index), 4)
    losses, scores, _ = case.learn()
    same(mlp.judge(case.w, case.body, task.train_x, task.train_y), (losses[:, :rows], scores[:, :rows]))


@given(cases | linear)
@settings(max_examples=30)
def test_a_network_has_the_same_bits_alone(case):
    losses, scores, gradient = case.learn()
    for place, part in enumerate(gradient.view(len(case.index), -1)):
        same(case.learn(slice(place, place + 1)), (losses[place], scores[place], part))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("networks", [1, 3])
@pytest.mark.parametrize("activation", ["gelu", "none"])
def test_threads_and_memory_change_no_bit(kind, networks, activation, monkeypatch):
    case = Case((40, 20, 4, 6), "pair", activation, kind, networks, examples=1111, dropout=activation != "none")
    before, threads = case.learn(), torch.get_num_threads()
    monkeypatch.setattr(mlp, "_WORTH_THREADS", 0)
    x, y = case.task.train_x, case.task.train_y
    outputs, judged = mlp.answer(case.w, case.body, x), mlp.judge(case.w, case.body, x, y)
    try:
        for memory in (2**25, 0):
            monkeypatch.setattr(mlp, "_PARTS", memory)
            for count in (1, 2, 4):
                torch.set_num_threads(count)
                for _ in range(3):
                    same(case.learn(), before)
                    same((mlp.answer(case.w, case.body, x),), (outputs,))
                    same(mlp.judge(case.w, case.body, x, y), judged)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(("activation", "width"), [*((name, 6) for name in ACTIVATIONS), ("none", 30)])
def test_what_is_not_finite_stays_in_its_network(bad, activation, width):
    case = Case((20, width, 4, 5), "layer", activation, networks=3, examples=75)
    before = case.learn()
    case.w.view(3, -1)[1, 7] = bad
    after = case.learn()
    for one, other in zip(before, after, strict=True):
        same((one.view(3, -1)[0], one.view(3, -1)[2]), (other.view(3, -1)[0], other.view(3, -1)[2]))
    if activation in ("none", "relu", "gelu"):  # the others may bound an infinity
        assert not after[0][1].isfinite().all()
    if bad != bad:
        assert after[0][1].isnan().all()
        assert after[2].view(3, -1)[1].isnan().any()


def test_a_batch_gives_nothing_to_the_places_that_it_leaves_free():
    """An infinite weight makes NaN of zeros: the empty places of the last panel must not come into the gradient."""
    case = Case((3, 2, 1, 2), "none", "none", "regression", networks=1, examples=3)
    case.task.train_x[:, 0] = 0.5
    case.w[0] = float("inf")
    case.task.train_y[:, 0] = 0
    _, _, gradient = case.learn()
    _, _, _, expected = case.reference()
    assert torch.equal(gradient.isfinite(), expected.isfinite())
    assert gradient.isfinite().any()


def test_the_first_of_several_largest_is_the_answer():
    nan, inf = float("nan"), float("inf")
    for weights, place in (
        ([nan, 1, nan], 0),
        ([1, nan, 5], 1),
        ([1, inf, inf], 1),
        ([-inf, 2, 2], 1),
        ([0, -0.0, 0], 0),
    ):
        w = torch.tensor(weights, dtype=torch.float32)
        x, index = torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.int64)
        scores = [float(mlp.learn(w, MLP(1, 1, 1, 3), x, torch.tensor([k]), index)[1]) for k in range(3)]
        assert scores == [float(k == place) for k in range(3)]
        assert place == int(w.max(-1).indices)


def test_large_logits_lose_nothing():
    body, x, index = MLP(1, 1, 1, 3), torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.int64)
    for logits in ([1000.0, -1000.0, 0.0], [3e38, 1.0, 0.0], [0.0, 0.0, 0.0], [88.0, 89.0, 90.0]):
        w = torch.tensor(logits)
        for label in range(3):
            y = torch.tensor([label])
            loss, _, gradient = mlp.learn(w, body, x, y, index)
            leaf = w.double().requires_grad_()
            true = nn.functional.cross_entropy(leaf[None], y)
            true.backward()
            assert torch.allclose(loss[0].double(), true.detach(), rtol=1e-6, atol=1e-7)
            assert torch.allclose(gradient.double(), leaf.grad, rtol=1e-6, atol=1e-30)


def test_denormal_numbers_are_zero():
    body = MLP(1, 1, 2, 1)
    x, index = torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.int64)
    assert mlp.answer(torch.tensor([1e-39, 1.0]), body, x).item() == 0
    gradient = mlp.learn(torch.tensor([1e-38, 1.0]), body, x, x * 0.5, index)[2]
    assert gradient.tolist() == [-1, 0]  # the second is -1e-38
    assert torch.tensor(1e-39).mul(1).item() > 0  # as before, outside


def test_which_bodies_it_takes(monkeypatch):
    body = MLP(3, 4, 2, 2, activation="gelu")
    w = torch.zeros(20)
    assert mlp.learns(body, "classification", w)
    assert not mlp.learns(body, "ranking")
    assert not mlp.learns(body, "regression", w.double())
    assert not mlp.learns(body, "regression", w.to("meta"))
    body.activation = nn.GELU("tanh")
    assert not mlp.learns(body, "regression", w)
    body.activation = nn.SiLU()
    assert not mlp.learns(body, "regression", w)
    body.activation = nn.ReLU()
    assert mlp.learns(body, "regression", w)
    monkeypatch.setenv("SRNN_KERNELS", "torch")
    assert not mlp.learns(body, "regression", w)


def test_what_does_not_fit_is_refused():
    case = Case()
    x, y, index = case.task.train_x, case.task.train_y, case.index
    with pytest.raises(
        ValueError, match=r"w is torch.float32 \(179,\) on cpu; needed: torch.float32 \(90,\) on the CPU"
    ):
        mlp.learn(case.w[1:], case.body, x, y, index)
    with pytest.raises(ValueError, match="w is"):
        mlp.learn(case.w.double(), case.body, x, y, index)
    with pytest.raises(ValueError, match="train_x is"):
        mlp.learn(case.w, case.body, x[:, 1:], y, index)
    with pytest.raises(ValueError, match="train_y is"):
        mlp.learn(case.w, case.body, x, y[1:], index)
    with pytest.raises(ValueError, match="train_y is"):
        mlp.learn(case.w, case.body, x, y.double(), index)
    with pytest.raises(ValueError, match="index is"):
        mlp.learn(case.w, case.body, x, y, index[:1])
    with pytest.raises(ValueError, match="drop has 1 keys; needed: one for each of 2 networks"):
        mlp.learn(case.w, case.body, x, y, index, Drop(0.5, [1], 0))
    with pytest.raises(ValueError, match="x is"):
        mlp.answer(case.w, case.body, x.to("meta"))
    for row in (-1, 50):
        index[1, 3] = row
        with pytest.raises(ValueError, match="row that is not there: there are 50"):
            mlp.learn(case.w, case.body, x, y, index)
    index[1, 3] = 0
    y[0] = 4
    with pytest.raises(ValueError, match="class that is not there: there are 4"):
        mlp.learn(case.w, case.body, x, y, index)


def test_whatever_numbers_are_made_of_by_default():
    case = Case((20, 30, 4, 5), "layer", "none", examples=40)
    before = case.learn()
    torch.set_default_dtype(torch.float64)
    try:
        same(case.learn(), before)
    finally:
        torch.set_default_dtype(torch.float32)


def test_no_examples_give_nothing():
    case = Case(examples=0)
    losses, scores, gradient = case.learn()
    assert losses.shape == scores.shape == (2, 0)
    assert not gradient.any()
    assert mlp.answer(case.w, case.body, case.task.train_x[:0]).shape == (2, 0, 4)


def test_a_batch_is_packed_as_the_kernel_reads_it():
    case = Case((5, 6, 3, 4), networks=2, examples=70)
    made = mlp.batch(case.w, case.body, case.task.train_x, case.task.train_y, case.index)
    read = made.packet[: passes.COUNTERS].view(passes.CALL)[0]
    assert [int(read[name]) for name in ("networks", "classes", "rows", "examples")] == [2, 4, 50, 70]
    assert int(read["index"]) == case.index.data_ptr()
    assert [int(read[name]) for name in ("activation", "depth", "weights")] == [2, 3, case.size]


def test_no_shape_is_compiled_for():
    for sizes in ((3, 2, 1, 2), (17, 33, 5, 9)):
        for kind in KINDS:
            case = Case(sizes, kind=kind, dropout=True)
            case.learn()
            mlp.answer(case.w, case.body, case.task.train_x)
    assert len(passes.learn.signatures) == len(passes.answer.signatures) == 1


def test_random_numbers_are_those_that_were_published():
    """By the authors of Philox, as known answers."""
    for counter, key, expected in (
        ((2**32 - 1,) * 4, 2**64 - 1, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            0x299F31D0A4093822,
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ):
        assert " ".join(f"{int(word):08x}" for word in philox(counter, key)) == expected


def test_a_share_of_the_units_is_dropped_each_apart_from_the_others():
    drop = Drop(0.3, [1, 2], 5)
    factors = drop.factors(0, 1, 200, 300)
    kept = factors > 0
    assert factors.unique().tolist() == pytest.approx([0, 1 / 0.7])
    others = [
        drop.factors(1, 1, 200, 300),
        drop.factors(0, 0, 200, 300),
        drop._replace(batch=6).factors(0, 1, 200, 300),
    ]
    others += [factors.roll(1, 0), factors.roll(1, 1)]
    # Five standard deviations of a share of sixty thousand.
    assert kept.double().mean() == pytest.approx(0.7, abs=5 * (0.21 / 60_000) ** 0.5)
    for other in others:
        assert (kept & (other > 0)).double().mean() == pytest.approx(0.49, abs=5 * (0.25 / 60_000) ** 0.5)
    # Of fewer of them, each is dropped as it is among all.
    assert torch.equal(drop.factors(0, 1, 7, 33), factors[:7, :33])


# ---------------------------------------------------------------------------------------------------------------------


def _compiled(emit):
    """A function of the lanes as one of arrays whose size is a multiple of sixteen."""

    @intrinsic
    def sixteen(context, source, target):
        def codegen(context, builder, signature, values):
            emit(Lanes.load(builder, values[0])).store(values[1])
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), codegen

    @njit
    def run(source, target, count):
        for first in range(0, count, LANES):
            sixteen(source + 4 * first, target + 4 * first)

    def apply(x):
        out = np.empty_like(x)
        run(x.ctypes.data, out.ctypes.data, len(x))
        return out

    return apply


def _units(function, true, x):
    """The largest relative error in units of 2**-24, where the result is a normal number."""
    expected = true(torch.from_numpy(x.astype(np.float64))).numpy()
    normal = np.abs(expected) > 1.2e-38
    error = np.abs(function(x)[normal] - expected[normal]) / np.abs(expected[normal])
    return error.max() * 2**24


@pytest.fixture(scope="module")
def compiled_functions():
    names = {"exp": functions.exp, "log": functions.log, "tanh": functions.tanh, "sigmoid": functions.sigmoid}
    names["gelu"] = lambda x: functions.EMITTED[4](x)[0]
    names["gelu_slope"] = lambda x: functions.EMITTED[4](x)[1]
    return {name: _compiled(emit) for name, emit in names.items()}


def test_errors_of_the_functions(compiled_functions):
    apply = compiled_functions
    spread = np.concatenate(
        [np.linspace(-87, 88, 40000), np.geomspace(1e-30, 80, 4000), -np.geomspace(1e-30, 80, 4000)]
    )
    spread = spread.astype(np.float32)
    assert _units(apply["exp"], torch.exp, spread) <= 2
    assert _units(apply["log"], torch.log, np.geomspace(1e-37, 1e38, 48000).astype(np.float32)) <= 2
    assert _units(apply["log"], torch.log, np.linspace(0.5, 2, 48000).astype(np.float32)) <= 2
    assert _units(apply["tanh"], torch.tanh, spread) <= 3
    assert _units(apply["sigmoid"], torch.sigmoid, spread) <= 3
    near = spread[np.abs(spread) < 12]
    near = near[: len(near) // LANES * LANES]
    assert _units(apply["gelu"], lambda x: x * torch.special.erfc(-x / 2**0.5) / 2, near) <= 8
    x = torch.from_numpy(near.astype(np.float64)).requires_grad_()
    nn.functional.gelu(x).sum().backward()
    assert np.abs(apply["gelu_slope"](near) - x.grad.numpy()).max() <= 4 * 2**-24


def test_the_edges_of_the_functions(compiled_functions):
    apply = compiled_functions
    nan, inf = np.nan, np.inf
    edges = np.array([nan, inf, -inf, 0, -0.0, 200, -200, 88.72, 89, -103, *[1] * 6], dtype=np.float32)
    for name, expected in {
        "exp": [nan, inf, 0, 1, 1, inf, 0],
        "tanh": [nan, 1, -1, 0, -0.0, 1, -1],
        "sigmoid": [nan, 1, 0, 0.5, 0.5, 1, 0],
        "gelu": [nan, inf, nan, 0, -0.0, 200, -0.0],
    }.items():
        np.testing.assert_array_equal(apply[name](edges)[:7], np.array(expected, dtype=np.float32), name)
    assert apply["exp"](edges)[7] < 3.4e38
    assert apply["exp"](edges)[8] == inf
    assert np.isnan(apply["log"](edges)[0])


def digest() -> str:
    """Of what all kinds of networks give."""
    found = hashlib.sha256()
    for activation in ACTIVATIONS:
        for residual in RESIDUALS:
            for kind in KINDS:
                case = Case((29, 14, 5, 11), residual, activation, kind, examples=150, dropout=activation != "none")
                for tensor in (*case.learn(), mlp.answer(case.w, case.body, case.task.train_x)):
                    found.update(tensor.numpy().tobytes())
    return found.hexdigest()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names of such processors")
def test_a_processor_without_avx2_gives_the_same_bytes(tmp_path):
    """One with it is in ``training/test_digests.py``."""
    environment = {**os.environ, "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+sse4.2,+avx,+fma"}
    environment |= {"NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", "import test_mlp_kernel as t; print(t.digest())"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == digest()
    assert done.stderr == "srnn: compiling the kernels (once; cached)…\n"
