"""The command line as its users meet it: some of it as real processes, the rest by the same code in this process."""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from processes import SRNN, Answer, forked, process, start, without_compiling

from srnn import Run, UserError
from srnn.analysis.statistics import last_scores, over_seeds
from srnn.commands import main
from srnn.laboratory.live import _mean
from srnn.laboratory.questions import QUESTIONS
from srnn.presets import load_preset, preset_names
from srnn.runs.groups import open_runs
from srnn.seeds import parse_seeds
from srnn.shown import with_interval

ROOT = Path(__file__).parents[2]
QUICK = ("--set", "training.epochs=2", "--set", "log.every=1")


Srnn = Callable[..., Answer]


@pytest.fixture
def srnn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """``srnn …`` in this process and an empty folder, on a terminal of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SRNN_DATA_DIR", raising=False)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["srnn", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Answer(code, out, without_compiling(err))

    return call


class Session(NamedTuple):
    """A folder where a command was run, and its answer."""

    folder: Path
    answer: Answer


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """``srnn run``, with two epochs."""
    folder = tmp_path_factory.mktemp("first")
    return Session(folder, process((*SRNN, "run", *QUICK), folder))


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The same again, spelt out, in another process and folder, by way of cli.py."""
    folder = tmp_path_factory.mktemp("second")
    command = (sys.executable, str(ROOT / "cli.py"), "run", "digits", *QUICK, "--seeds", "0,", "--out", "elsewhere")
    return Session(folder, process(command, folder))


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Three seeds side by side, quiet, with figures as SVG."""
    folder = tmp_path_factory.mktemp("several")
    return Session(folder, forked(["run", *QUICK, "--seeds", "0-2", "--quiet", "--format", "svg"], folder))


class TestRun:
    def test_it_leaves_a_run_and_prints_its_table(self, first: Session) -> None:
        code, out, err = first.answer
        assert (code, err) == (0, "")
        run = Run.open(first.folder / "runs/digits/seed-0")
        assert run.experiment.training.epochs == 2
        scores = run.metrics.query("Epoch == 2").set_index("Metric")["Score"]
        for metric in ("test_accuracy", "task_loss", "replication_loss", "train_accuracy"):
            assert re.search(rf"{metric.replace('_', ' ')} +{scores[metric]:.4g}\s", out), metric
        labels = ("divergent", "zero", "identity", "secondary", "other")
        for layer, prefix in [*((f"L{place}", f"L{place}_") for place in range(4)), ("total", "")]:
            counts = " +".join(f"{scores[prefix + label]:,.0f}" for label in labels)
            assert re.search(rf"^{layer} +{counts} ", out, re.MULTILINE), layer

    def test_it_names_its_two_figures(self, first: Session) -> None:
        figures = re.findall(r"^figure +(.+)$", first.answer.out, re.MULTILINE)
        assert [Path(figure).name for figure in figures] == ["particle_types.png", "training_curves.png"]
        for figure in figures:
            assert (first.folder / figure).read_bytes().startswith(b"\x89PNG")

    def test_it_fits_80_columns_but_for_paths(self, first: Session) -> None:
        for line in first.answer.out.splitlines():
            assert len(line) <= 80 or line.startswith(("run ", "figure ")), line

    def test_the_same_experiment_and_seed_give_the_same_bytes(self, first: Session, second: Session) -> None:
        assert second.answer.code == 0
        one, other = first.folder / "runs/digits/seed-0", second.folder / "elsewhere/digits/seed-0"
        files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
        assert files == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
        assert {"metrics.csv", "particle_types.png", "epoch-000002.parquet"} <= {path.name for path in files}
        for path in files:
            assert (one / path).read_bytes() == (other / path).read_bytes(), path

    def test_cli_py_is_srnn(self, first: Session, second: Session) -> None:
        def lasting(text: str) -> list[str]:
            """Without the line that tells the time."""
            return [line for line in text.replace("elsewhere/", "runs/").splitlines() if "epoch 2/2" not in line]

        assert lasting(second.answer.out) == lasting(first.answer.out)
        assert second.answer.err == ""

    def test_another_seed_gives_another_run(self, several: Session) -> None:
        zero, one, _ = open_runs([several.folder / "runs/digits"])
        assert not zero.metrics["Score"].equals(one.metrics["Score"])

    def test_quiet_prints_the_folders_and_nothing_else(self, several: Session) -> None:
        expected = "".join(f"runs/digits/seed-{seed}\n" for seed in range(3))
        assert several.answer == Answer(0, expected, "")

    def test_a_seed_among_several_is_as_it_is_alone(self, first: Session, several: Session) -> None:
        for path in ("metrics.csv", "trajectory/epoch-000002.parquet"):
            alone = (first.folder / "runs/digits/seed-0" / path).read_bytes()
            assert (several.folder / "runs/digits/seed-0" / path).read_bytes() == alone

    def test_the_format_of_the_figures(self, several: Session) -> None:
        figures = sorted(path for path in several.folder.rglob("*") if path.parent.name == "figures")
        assert len(figures) == 2 * (3 + 1)
        for figure in figures:
            assert figure.suffix == ".svg"
            assert figure.read_text().startswith("<?xml")

    def test_a_file_in_place_of_a_preset(self, srnn: Srnn, tmp_path: Path) -> None:
        (tmp_path / "mine.toml").write_text(
            'name = "mine"\nseed = 5\n[task]\nname = "add"\n[body]\ndepth = 1\n[training]\nepochs = 1'
        )
        answer = srnn("run", "mine.toml", "--out", "deep/er", "--set", "particle.hidden=2")
        assert (answer.code, answer.err) == (0, "")
        [run] = open_runs([tmp_path / "deep/er/mine"])
        assert run.folder.name == "seed-5"
        assert run.experiment.particle.hidden == 2
        assert "test mae" in answer.out

    def test_the_folder_of_the_data_is_an_option_or_comes_from_the_environment(
        self, srnn: Srnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_idx(tmp_path / "files")
        quick = ("run", "mnist-h5", "--set=training.epochs=1", "--set=training.batch_size=4", "--quiet")
        quick += ("--format=none",)
        ours = (
            f"srnn: {(tmp_path / 'files').resolve()}: its four files are not officially of MNIST (another checksum): "
        )
        option = srnn(*quick, "--data-dir", "files", "--out=option")
        assert (option.code, option.out) == (0, "option/mnist-h5-batch_size-4/seed-0\n")
        assert option.err.startswith(ours)
        monkeypatch.setenv("SRNN_DATA_DIR", "files")
        environment = srnn(*quick, "--out=environment")
        assert (environment.code, environment.out) == (0, "environment/mnist-h5-batch_size-4/seed-0\n")
        assert environment.err == option.err
        assert len(option.err.splitlines()) == 1

    def test_ctrl_c_ends_in_one_line_that_says_how_to_go_on(self, tmp_path: Path) -> None:
        settings = [f"--set={key}" for key in ("training.epochs=1000000", "log.every=1", "checkpoint.every=1")]
        running = start(["run", "digits", *settings], tmp_path)
        folder = tmp_path / "runs/digits/seed-0"
        while not (folder / "trajectory/epoch-000003.parquet").exists():
            assert not running.ends_within(0.01)
        running.send_signal(signal.SIGINT)
        code, out, err = running.end()
        assert code == 130
        assert err == "srnn: interrupted; go on with: srnn run runs/digits/seed-0 --resume\n"
        assert "replication" in out
        assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]
        run = Run.open(folder)
        assert run.metrics["Epoch"].max() >= 2
        assert run.trajectory()["Epoch"].max() >= 3
        assert run.organism().size == 720

    def test_training_that_diverges_ends_early_and_says_so(self, srnn: Srnn, tmp_path: Path) -> None:
        settings = ("training.lr=1000", "replication.divergent=stop", "training.epochs=50", "task.size=3")
        answer = srnn("run", *(f"--set={key}" for key in settings), "--set", "name=wild", "--out", "out")
        assert answer.code == 0
        # In the batches of the first epoch.
        assert re.fullmatch(
            r"srnn: seed 0, epoch 1: \d+ of \d+ particles hold a NaN or an infinity; this seed stops "
            r"\(replication.divergent is 'stop'\): try a smaller training.lr, or a smaller replication.alpha\n",
            answer.err,
        )
        assert Run.open(tmp_path / "out/wild/seed-0").status.status == "diverged"
        shown = srnn("show", "out/wild")
        assert shown.code == 0
        for text in (answer.out, shown.out):
            assert re.search(r"seed 0 diverged in epoch 1 of 50 and stopped: \d+ of \d+ particles hold a NaN", text)


DENSE = 'dense = ["particle.kind=number", "particle.values=particles", "replication.method=none"]\n'


class TestComparison:
    """An experiment with variants is run once for each, and compared."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        file = tmp_path / "pair.toml"
        file.write_text(
            'name = "pair"\n[training]\nepochs = 2\n[comparison.variants]\n'
            'plain = ["replication.method=none"]\nlifted = ["replication.method=lifted"]\n'
        )
        return file

    def test_variants_and_the_dense_body_are_compared(self, srnn: Srnn, tmp_path: Path, file: Path) -> None:
        file.write_text(file.read_text() + DENSE)
        assert srnn("run", file, "--seeds", 2, "--out", tmp_path, "--format", "none").code == 0
        assert not list(tmp_path.rglob("*.png"))
        answer = srnn("run", file, "--seeds", 2, "--out", tmp_path, "--resume")
        assert (answer.code, answer.err) == (0, "")
        for variant, method in (("plain", "none"), ("lifted", "lifted")):
            runs = open_runs([tmp_path / f"pair-{variant}"])
            assert [run.experiment.replication.method for run in runs] == [method] * 2
        final = pd.read_csv(tmp_path / "pair" / "results" / "final.csv").set_index(["Metric", "Group"])["Mean"]
        assert final["test_accuracy"].index.tolist() == ["plain", "lifted", "dense"]
        # From the same weights on the same batches: only rounding could make them differ.
        assert final["test_accuracy", "lifted"] == pytest.approx(final["test_accuracy", "dense"], abs=0.005)
        assert (final["identity", "plain"], final["identity", "lifted"]) == (0, 720)
        figures = [line.split(maxsplit=1)[1] for line in answer.out.splitlines() if line.startswith("figure")]
        assert all((tmp_path / figure).is_file() for figure in figures)
        assert str(tmp_path / "pair" / "figures" / "final.png") in figures

    def test_a_regression_is_compared_by_its_error(self, srnn: Srnn, tmp_path: Path, file: Path) -> None:
        file.write_text(file.read_text() + DENSE)
        file.write_text(file.read_text() + '[task]\nname = "add"\nsamples = 60\n')
        answer = srnn("run", file, "--out", tmp_path, "--format", "none")
        assert (answer.code, answer.err) == (0, "")
        final = pd.read_csv(tmp_path / "pair" / "results" / "final.csv")
        assert {*final.loc[final["Metric"] == "test_mae", "Group"]} == {"plain", "lifted", "dense"}

    def test_what_has_ended_is_left_as_it_is(self, srnn: Srnn, tmp_path: Path, file: Path) -> None:
        arguments = ("run", file, "--out", tmp_path, "--quiet", "--format", "none")
        assert srnn(*arguments).code == 0
        before = (tmp_path / "pair-plain" / "seed-0" / "metrics.csv").stat().st_mtime_ns
        shutil.rmtree(tmp_path / "pair-lifted")
        assert "exists already" in srnn(*arguments).line
        assert srnn(*arguments, "--resume").out.split() == [
            str(tmp_path / "pair-plain" / "seed-0"),
            str(tmp_path / "pair-lifted" / "seed-0"),
            str(tmp_path / "pair"),
        ]
        assert (tmp_path / "pair-plain" / "seed-0" / "metrics.csv").stat().st_mtime_ns == before

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"])
    @pytest.mark.parametrize("doing", ["srnn.laboratory.job.draw", "srnn.laboratory.compare.compare"])
    def test_a_signal_after_the_last_batch_ends_it(
        self, srnn: Srnn, file: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int, doing: str
    ) -> None:
        """While the figures of the first variant are drawn, or while the variants are compared."""

        def interrupted(*arguments: object) -> list[Path]:
            signal.raise_signal(number)
            return []

        monkeypatch.setattr(doing, interrupted)
        none = ["--format", "none"] if "compare" in doing else []
        answer = srnn("run", file, "--quiet", *none)
        assert answer.code == code
        command = shlex.join(["srnn", "run", "runs/pair", "--seeds", "0-0", "--resume", *none, "--quiet"])
        assert answer.err == f"srnn: interrupted; go on with: {command}\n"
        trained = [path.name for path in sorted(Path("runs").glob("pair-*"))]
        assert trained == (["pair-plain"] if "job" in doing else ["pair-lifted", "pair-plain"])
        monkeypatch.undo()
        again = forked(shlex.split(command)[1:], file.parent)
        assert (again.code, again.err) == (0, "")

    @pytest.mark.parametrize("quiet", [False, True])
    def test_what_cannot_be_compared_is_said_unless_it_is_quiet(
        self, srnn: Srnn, file: Path, monkeypatch: pytest.MonkeyPatch, quiet: bool
    ) -> None:
        def refuse(*arguments: object) -> list[Path]:
            raise UserError("they are too many")

        monkeypatch.setattr("srnn.laboratory.compare.compare", refuse)
        answer = srnn("run", file, "--format", "none", *(["--quiet"] if quiet else []))
        assert (answer.code, answer.err) == (0, "")
        folders = [f"runs/pair-{variant}/seed-0" for variant in ("plain", "lifted")]
        if quiet:
            assert answer.out.splitlines() == folders
        else:
            assert answer.out.endswith("left out comparison: they are too many\n")


def test_the_line_of_many_seeds_is_the_mean_of_those_that_have_a_score() -> None:
    assert _mean([{"a": 1.0}, {"a": 3.0, "b": 5.0}, {}]) == {"a": 2.0, "b": 5.0}
    assert _mean([{}, {}]) == {}


def write_idx(folder: Path) -> None:
    """Small MNIST files: eight pictures to train on and to test."""
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        pixels = np.random.default_rng(0).integers(0, 256, 8 * 28 * 28, dtype=np.uint8).tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, 8, 28, 28) + pixels)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, 8) + bytes(range(8)))


class TestShow:
    def test_a_run_is_shown_as_at_its_end(self, srnn: Srnn, first: Session) -> None:
        answer = srnn("show", first.folder / "runs/digits/seed-0")
        assert (answer.code, answer.err) == (0, "")
        at_its_end = first.answer.out.replace("runs/digits", str(first.folder / "runs/digits"))
        assert at_its_end.endswith(answer.out)
        assert load_preset("digits").about in " ".join(answer.out.split())
        assert "720 particles of 4 hidden units" in " ".join(answer.out.split())
        assert "±" not in answer.out

    def test_seeds_are_shown_together_with_intervals(self, srnn: Srnn, several: Session) -> None:
        folder = several.folder / "runs/digits"
        answer = srnn("show", folder)
        assert (answer.code, answer.err) == (0, "")
        assert "seeds 0, 1, 2" in answer.out
        summary = over_seeds(last_scores(open_runs([folder])))
        for metric in ("test_accuracy", "task_loss"):
            row = summary.loc[metric]
            assert with_interval(row["Mean"], row["Low"], row["High"]) in answer.out
        row = summary.loc["other"]
        assert with_interval(row["Mean"], row["Low"], row["High"], counts=True) in answer.out
        assert "finished" in answer.out
        assert "seed 0 is" not in answer.out  # one line for all
        assert all(len(line) <= 80 or line.startswith(("run ", "figure ")) for line in answer.out.splitlines())

    def test_seeds_name_the_figures_they_share(self, srnn: Srnn, several: Session) -> None:
        folder = several.folder / "runs/digits"
        out = srnn("show", folder).out
        assert re.findall(r"^run +(.+)$", out, re.MULTILINE) == [str(folder / f"seed-{seed}") for seed in range(3)]
        assert re.findall(r"^figure +(.+)$", out, re.MULTILINE) == [
            str(folder / "figures" / name) for name in ("particle_types.svg", "training_curves.svg")
        ]

    def test_different_experiments_are_shown_side_by_side(self, srnn: Srnn, first: Session, tmp_path: Path) -> None:
        assert srnn("run", "sanity-h2", "--set", "training.epochs=1", "-q").code == 0
        assert re.search(
            r"seed 0: learned factor \S+, n = 0\.03: (does not multiply|multiplies)", srnn("show", "runs/sanity-h2").out
        )
        out = srnn("show", "runs/sanity-h2", first.folder / "runs/digits").out
        assert re.search(r"^ +sanity-h2 +digits *$", out, re.MULTILINE)
        run = open_runs([first.folder / "runs/digits"])[0]
        accuracy = run.metrics.query("Metric == 'test_accuracy'")["Score"].iloc[-1]
        assert re.search(rf"^test accuracy +{accuracy:.4g} *$", out, re.MULTILINE)
        assert re.search(r"^ended +finished +finished *$", out, re.MULTILINE)
        assert "±" not in out
        assert srnn("show", "runs").out.count("last figures") == 1

    def test_a_missing_folder(self, srnn: Srnn) -> None:
        assert srnn("show", "absent").line == "absent is not a folder; name a run such as runs/digits/seed-0"

    def test_a_folder_of_something_else(self, srnn: Srnn, tmp_path: Path) -> None:
        assert "is not the folder of a run" in srnn("show", tmp_path).line

    def test_a_run_stopped_before_it_measured_anything(self, srnn: Srnn, first: Session, tmp_path: Path) -> None:
        config = (first.folder / "runs/digits/seed-0/config.toml").read_bytes()
        (tmp_path / "seed-0").mkdir()
        (tmp_path / "seed-0/config.toml").write_bytes(config)
        (tmp_path / "seed-0/status.json").write_text('{"status": "running", "epoch": 0, "why": ""}')
        answer = srnn("show", "seed-0")
        assert (answer.code, answer.err) == (0, "")
        assert "seed 0 was killed in epoch 1 of 2; go on with: srnn run seed-0 --resume" in answer.out


class TestPresets:
    def test_all_are_listed_with_what_they_show(self, srnn: Srnn) -> None:
        answer = srnn("presets")
        assert (answer.code, answer.err) == (0, "")
        for name in preset_names():
            assert re.search(rf"^ *{name} ", answer.out, re.MULTILINE), name
            # Wrapped, so not in one piece.
            assert {*load_preset(name).about.split()} <= {*answer.out.split()}
        assert re.search(r"^ *connectivity .* 1,518 ", answer.out, re.MULTILINE)
        assert all(len(line) <= 80 for line in answer.out.splitlines())

    def test_a_terminal_without_unicode_will_do(self, tmp_path: Path) -> None:
        answer = process((*SRNN, "presets"), tmp_path, PYTHONIOENCODING="ascii")
        assert (answer.code, answer.err) == (0, "")
        assert "8?8" in answer.out


class TestHelp:
    @pytest.mark.parametrize("command", ["run", "show", "presets"])
    def test_each_command_shows_an_example_and_fits_80_columns(self, srnn: Srnn, command: str) -> None:
        answer = srnn(command, "--help")
        assert (answer.code, answer.err) == (0, "")
        assert re.search(rf"Examples:\s+srnn {command}\b", answer.out)
        assert all(len(line) <= 80 for line in answer.out.splitlines())

    def test_the_commands_are_listed(self, srnn: Srnn) -> None:
        answer = srnn("--help")
        assert (answer.code, answer.err) == (0, "")
        assert "Start with: srnn run" in answer.out
        for command in ("run", "show", "presets"):
            assert re.search(rf"^│ {command} +[A-Z]", answer.out, re.MULTILINE)
        assert all(len(line) <= 80 for line in answer.out.splitlines())

    def test_without_arguments_it_is_the_help(self, srnn: Srnn) -> None:
        assert srnn().out.strip() == srnn("--help").out.strip()
        assert srnn().err == ""

    @pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["show"]])
    def test_it_waits_for_nothing_heavy(self, arguments: list[str], tmp_path: Path) -> None:
        heavy = ["torch", "numpy", "pandas", "matplotlib", "numba", "scipy", "sklearn", "pyarrow"]
        # typer takes pydantic, where there is one, to look at the options of a command.
        heavy += ["pydantic"] if arguments == ["--help"] else []
        code = (
            "import sys, atexit\n"
            f"atexit.register(lambda: print('imported:', *[name for name in {heavy} if name in sys.modules]))\n"
            f"sys.argv = ['srnn', *{arguments}]\n"
            "from srnn.commands import main\n"
            "main()"
        )
        out = process((sys.executable, "-c", code), tmp_path).out
        assert out.endswith("imported:\n")


class TestErrors:
    """Each ends in one line and with code 2, and leaves nothing behind."""

    @pytest.fixture(autouse=True)
    def _nothing_left(self, tmp_path: Path) -> Iterator[None]:
        yield
        left = [path for path in tmp_path.rglob("*") if "runs" in path.parts or path.name.endswith(".tmp")]
        assert left == []

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["run", "digts"], "there is no preset 'digts'; did you mean digits?"),
            (["run", "x" * 300], "there is no preset 'xxx"),
            (["run", "absent.toml"], "absent.toml: No such file or directory; name a preset"),
            (["run", "."], "there is no preset '.'"),
            (["run", "/"], "/: Is a directory; name a preset"),
            (["run", "--set", "training.epoch=2"], "training.epoch is not a setting; did you mean training.epochs?"),
            (["run", "--set", "training.epochs=0"], "training.epochs is 0; allowed: a whole number from 1 to "),
            (["run", "--set", "training.epochs"], "--set training.epochs: expected KEY=VALUE"),
            (["run", "--set", "a\nb=\nc"], "a b is not a setting"),
            (["run", "--set", "training.optimizer=adam"], "replication.momentum is 'shared', which needs"),
            (["run", "--set", "training.batch_size=1438"], "training.batch_size is 1,438; the task digits has 1,437 "),
            (["run", "--set", "task.name=arrays", "--set", "task.path=absent.npz"], "absent.npz: no such file"),
            (["run", "--out", "x" * 300], "cannot be made: File name too long; choose another --out"),
            (["run", "--out", "/dev/null/x"], "cannot be made: Not a directory; choose another --out"),
            (["run", "--epochs", "3"], "there is no option --epochs; did you mean --r"),
            (["run", "--set"], "--set needs a value (srnn"),
            (["run", "digits", "connectivity"], "connectivity is more than srnn run takes"),
            (["run", "--device", "tpu"], "--device is 'tpu'; allowed: cpu, cuda"),
            (["run", "--format", "gif"], "--format is 'gif'; allowed: png, svg, pdf, none"),
            (["run", "--seeds", "many"], "--seeds is 'many'; allowed: a number of seeds (3), a range (0-4) or a list"),
            (["show"], "RUN is missing (srnn show --help"),
            (["show", "x" * 300], "is not a folder"),
            (["sho"], "there is no command 'sho'; did you mean show?"),
            (["presets", "all"], "all is more than srnn presets takes"),
        ],
        ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
    )
    def test_one_line(self, srnn: Srnn, arguments: list[str], complaint: str) -> None:
        assert complaint in srnn(*arguments).line

    def test_an_existing_run_is_not_touched(self, srnn: Srnn, first: Session) -> None:
        out = first.folder / "runs"
        before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
        line = srnn("run", *QUICK, "--seeds", "3", "--out", out).line
        assert line == (
            f"{out}/digits/seed-0 exists already: choose another --out or other --seeds, or remove it first"
        )
        line = srnn("run", "--out", out).line
        assert line == (
            f"{out}/digits/seed-0 exists already, with training.epochs 2 and not 100: give this one a name of its own "
            "(--set name=…), choose another --out, or remove it first"
        )
        assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
    def test_a_gpu_that_is_not_there(self, srnn: Srnn) -> None:
        assert srnn("run", "--device", "cuda").line == (
            "--device is cuda, but torch finds no CUDA device here; use --device cpu"
        )

    def test_missing_data_say_both_ways_to_get_them(self, tmp_path: Path) -> None:
        """In a process of its own, for which the network is always away."""
        nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
        home = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        line = forked(["run", "connectivity"], tmp_path, **nowhere, **home).line
        assert line.startswith("mnist: ")
        for way in ("train-images-idx3-ubyte", "--data-dir", "SRNN_DATA_DIR", "OpenML"):
            assert way in line

    @pytest.mark.parametrize("exists", [True, False])
    def test_a_folder_without_the_data_is_named_with_what_it_should_hold(
        self, srnn: Srnn, tmp_path: Path, exists: bool
    ) -> None:
        if exists:
            (tmp_path / "empty").mkdir()
        line = srnn("run", "connectivity", "--data-dir", "empty").line
        assert "--data-dir" in line
        assert "empty" in line
        assert "t10k-labels-idx1-ubyte" in line

    def test_a_truncated_idx_file(self, srnn: Srnn, tmp_path: Path) -> None:
        write_idx(tmp_path / "files")
        path = tmp_path / "files/train-images-idx3-ubyte"
        path.write_bytes(path.read_bytes()[:-100])
        line = srnn("run", "connectivity", "--data-dir", "files").line
        assert line.startswith(f"{path}: truncated: the header promises 6,272 bytes, the file holds 6,172")

    @pytest.mark.parametrize(
        ("arrays", "complaint"),
        [
            ({"y": np.zeros(50, int)}, "no array X; it holds 'y'"),
            ({"X": np.zeros((50, 2))}, "no array y; it holds 'X'"),
            ({"X": np.full((50, 2), np.nan), "y": np.zeros(50, int)}, "100 of the 100 values of X are NaN or infinite"),
            ({"X": np.zeros((50, 2)), "y": np.full(50, np.inf)}, "50 of the 50 values of y are NaN or infinite"),
        ],
        ids=["without X", "without y", "NaN in X", "infinity in y"],
    )
    def test_arrays_that_cannot_be_learnt_from(
        self, srnn: Srnn, tmp_path: Path, arrays: dict[str, np.ndarray], complaint: str
    ) -> None:
        np.savez(tmp_path / "my.npz", **arrays)  # type: ignore[arg-type]
        line = srnn("run", "--set", "task.name=arrays", "--set", "task.path=my.npz").line
        assert line.startswith(f"my.npz: {complaint}")


class TestSeeds:
    @pytest.mark.parametrize(
        ("text", "seeds"),
        [
            ("1", [0]),
            ("3", [0, 1, 2]),
            ("0-4", [0, 1, 2, 3, 4]),
            ("7-7", [7]),
            ("0,7,9", [0, 7, 9]),
            ("9,0", [9, 0]),
            ("7,", [7]),
            ("1-3,8", [1, 2, 3, 8]),
            ("2147483647,", [2147483647]),
            ("1000", list(range(1000))),
        ],
    )
    def test_a_number_a_range_or_a_list(self, text: str, seeds: list[int]) -> None:
        assert parse_seeds(text) == seeds

    @pytest.mark.parametrize(
        "text",
        [
            *("", "\n", ",", "1,,2", "1;2", "a", "3.0", "-1", "1,-2", "4-2", "1-2-3"),
            *("0", "1001", "0-1000", "0-99999999999999999999", "9" * 10_000, "2147483648,"),
            *("1,1", "0-2,2"),
        ],
        ids=lambda text: repr(text[:25]),
    )
    def test_anything_else_is_told_what_is_allowed(self, text: str) -> None:
        with pytest.raises(UserError, match=r"; allowed: a number of seeds \(3\), a range \(0-4\) or a list") as error:
            parse_seeds(text)
        assert len(str(error.value)) < 300


class TestPrune:
    def test_it_tells_what_was_lost_and_where_the_new_run_is(self, srnn: Srnn, first: Session, tmp_path: Path) -> None:
        folder = first.folder / "runs/digits/seed-0"
        answer = srnn("prune", folder, "--density", "0.2", "--epochs", "2", "--out", tmp_path)
        assert answer.code == 0
        assert max(map(len, answer.out.splitlines()[:6])) <= 80
        assert "144 of 720" in answer.out
        assert answer.out.splitlines()[-1] == f"run     {tmp_path / 'digits-magnitude-0.2/seed-0'}"

    def test_a_preset_is_trained_first(self, srnn: Srnn, tmp_path: Path) -> None:
        small = ["--set", "body.width=3", "--set", "log.every=1", "--set", "name=small", "--out", tmp_path]
        few = [*small, "--set", "training.epochs=1", "--seeds", "3-4", "--epochs", "1"]
        answer = srnn("prune", "digits", "--density", "0.2", *few)
        assert answer.code == 0, answer.err
        assert re.search(r"seed 4 +48 of 240", answer.out)
        assert Run.open(tmp_path / "small/seed-4").status.status == "finished"
        line = srnn("prune", tmp_path / "small", "--density", "0.1", "--seeds", "2").line
        assert line.endswith("are trained as they were begun; leave --seeds out")
        line = srnn("prune", "digits", "--density", "0.1", *small, "--set", "log.every=3").line
        assert line.startswith("training.epochs is 100, no multiple of log.every, 3: ")

    def test_a_score_that_is_none(self, srnn: Srnn, first: Session) -> None:
        line = srnn("prune", first.folder / "runs/digits/seed-0", "--density", "0.2", "--score", "size").line
        assert "--score is 'size'; allowed: magnitude, magnitude_increase, movement, lamp" in line


class TestAnalyze:
    def test_it_names_its_results_and_figures(self, srnn: Srnn, first: Session, tmp_path: Path) -> None:
        folder = shutil.copytree(first.folder / "runs/digits/seed-0", tmp_path / "seed-0")
        answer = srnn("analyze", folder, "--only", "dropout,transfer")
        assert answer.code == 0
        assert f"results  {folder / 'results'}" in answer.out
        assert (folder / "figures/dropout.png").is_file()
        assert (folder / "results/transfer.csv").is_file()

    def test_it_prints_a_short_answer_to_each_question(self, srnn: Srnn, first: Session, tmp_path: Path) -> None:
        folder = shutil.copytree(first.folder / "runs/digits/seed-0", tmp_path / "seed-0")
        lines = srnn("analyze", folder, "--only", "dropout,pruning", "--title", "").out.splitlines()
        answer = lines[: next(place for place, line in enumerate(lines) if line.startswith("results"))]
        assert max(map(len, answer)) <= 80
        assert next(line for line in answer if line.startswith("dropout ")).endswith("a type are dropped?")
        assert any(line.startswith("smallest first") for line in answer)
        assert sum(bool(line) for line in answer) < 20

    def test_its_help_names_every_question_with_its_meaning(self, srnn: Srnn) -> None:
        text = srnn("analyze", "--help").out
        for name, question in QUESTIONS.items():
            assert f"{name:<13} {question.about}" in text
        assert max(map(len, text.splitlines())) <= 80

    def test_an_unknown_question_is_named(self, srnn: Srnn, first: Session) -> None:
        line = srnn("analyze", first.folder / "runs/digits/seed-0", "--only", "droput").line
        assert "'droput'; did you mean dropout?" in line

    def test_a_folder_that_cannot_be_written_is_one_line_and_exit_code_3(
        self, srnn: Srnn, first: Session, tmp_path: Path
    ) -> None:
        folder = shutil.copytree(first.folder / "runs/digits/seed-0", tmp_path / "seed-0")
        (folder / "results").write_text("a file where a folder should be")
        answer = srnn("analyze", folder, "--only", "dropout")
        assert answer.code == 3
        assert "results: File exists" in answer.err
        assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("error", "ends"),
    [(EOFError("Ran out of input"), EOFError), (BrokenPipeError(errno.EPIPE, "Broken pipe"), SystemExit)],
)
def test_what_ends_or_breaks_inside_is_a_fault_of_ours(
    error: Exception, ends: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typer alone would take the one for Ctrl-C, and the other for a reader that has gone."""

    def fail() -> list[str]:
        raise error

    monkeypatch.setattr("srnn.presets.preset_names", fail)
    monkeypatch.setattr(sys, "argv", ["srnn", "presets"])
    with pytest.raises(ends) as ended:
        main()
    assert ends is EOFError or ended.value.code == 3  # type: ignore[attr-defined]


def without_a_reader() -> None:
    reading, writing = os.pipe()
    os.dup2(writing, 1)
    os.close(reading)


def test_a_reader_that_has_gone_is_no_fault(tmp_path: Path) -> None:
    answer = start(["presets"], tmp_path, before=without_a_reader).end()
    assert answer == Answer(141, "", "")
