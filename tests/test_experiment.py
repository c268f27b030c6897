"""What an experiment may say, and the one line that answers everything else."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import jsonschema
import numpy as np
import pytest
import tomli_w
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from srnn import Experiment, tasks
from srnn.errors import UserError
from srnn.experiment import LogConfig, Optimizer, json_schema
from srnn.presets import load_changed, load_experiment, load_preset, preset_folder, preset_names
from srnn.section import known_keys
from srnn.training.birth import build_organism, particle_count
from srnn.untrusted import expanded

REQUIRED = [
    *(f"sanity-h{hidden}" for hidden in (2, 3, 4, 6, 10)),
    "addition",
    "connectivity",
    "residual-h8",
    "no-residual-h8",
    "mnist-h5",
    "digits",
]


def assert_one_short_line(message: str) -> None:
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    assert 0 < len(message) <= 300


def error_of(*assignments: str, experiment: Experiment | None = None) -> str:
    """What overriding a setting is answered with."""
    with pytest.raises(UserError) as caught:
        (experiment or Experiment()).override(assignments)
    assert_one_short_line(str(caught.value))
    return str(caught.value)


def error_of_file(path: Path, content: bytes | str | None = None) -> str:
    """What reading this file is answered with; the message begins with its name."""
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        Experiment.from_toml(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert_one_short_line(message.removeprefix(f"{path}: "))
    return message.removeprefix(f"{path}: ")


class TestDefaults:
    def test_an_empty_file_is_the_digits_preset(self, tmp_path: Path) -> None:
        (tmp_path / "empty.toml").touch()
        empty = Experiment.from_toml(tmp_path / "empty.toml")
        same = {"name": "", "about": "", "duration": ""}
        # A size of pictures left out is that of the task.
        filled = empty.model_copy(update={**same, "task": tasks.complete(empty.task)})
        assert filled == load_preset("digits").model_copy(update=same)

    def test_what_a_preset_leaves_out_has_its_default(self) -> None:
        changed = Experiment.from_dict({"training": {"epochs": 7}})
        assert changed.training.epochs == 7
        assert changed == Experiment().override(["training.epochs=7"])

    def test_an_experiment_cannot_be_changed_by_accident(self) -> None:
        with pytest.raises(ValueError, match="frozen"):
            Experiment().training.epochs = 3  # type: ignore[misc]


class TestPresets:
    def test_all_of_the_published_experiments_are_there(self) -> None:
        assert sorted(REQUIRED) == sorted({*REQUIRED} & {*preset_names()})
        assert preset_names() == sorted(preset_names())

    def test_one_with_settings_changed_is_named_after_them(self) -> None:
        assert load_changed("digits", ["particle.hidden=3", "training.epochs=5"]).name == "digits-hidden-3"
        own = load_changed("digits", ["task.path=wine.npz", "training.epochs=5"])
        assert (own.name, own.about) == ("wine", "digits with task.name = arrays, task.path = wine.npz")
        assert load_changed("digits", ["particle.hidden=3", "name=mine"]).name == "mine"

    @pytest.mark.parametrize("name", preset_names())
    def test_each_says_what_it_shows_under_its_own_name(self, name: str) -> None:
        preset = load_preset(name)
        assert preset.name == name
        assert len(preset.about) > 20
        assert preset.about.isprintable()
        assert preset.duration

    @pytest.mark.parametrize(
        ("name", "particles"),
        [
            ("connectivity", 1_518),
            ("residual-h8", 1_518),
            ("no-residual-h8", 1_518),
            ("mnist-h5", 1_200),
            ("addition", 18),
            *((f"sanity-h{hidden}", 1) for hidden in (2, 3, 4, 6, 10)),
            ("digits", 720),
        ],
    )
    def test_the_organisms_have_the_published_number_of_particles(self, name: str, particles: int) -> None:
        preset = load_preset(name)
        shape = tasks.shape(preset.task)
        assert shape is not None
        inputs, outputs, _ = shape
        assert particle_count(preset, inputs, outputs) == particles
        assert build_organism(preset, inputs, outputs).size == particles

    @pytest.mark.parametrize("name", preset_names())
    def test_each_can_be_trained(self, name: str) -> None:
        preset = load_preset(name)
        shape = tasks.shape(preset.task)
        assert shape is not None
        assert preset.training.batch_size <= shape[2]

    @pytest.mark.parametrize("name", ["connectivity", "residual-h8", "no-residual-h8"])
    def test_the_mnist_experiments_are_trained_as_published(self, name: str) -> None:
        preset = load_preset(name)
        assert (preset.task.name, preset.task.size) == ("mnist", 15)
        assert (preset.body.depth, preset.body.width, preset.body.activation) == (5, 6, "none")
        assert (preset.particle.encoding, preset.particle.init) == ("l2", "fan_in")
        replication = preset.replication
        assert (replication.target, replication.alpha, replication.steps) == ("live", 100, 1)
        assert (replication.momentum, replication.start_accuracy) == ("shared", 0)
        training = preset.training
        assert (training.epochs, training.batch_size, training.lr, training.momentum) == (200, 500, 0.008, 0.9)
        assert preset.particle.hidden == (4 if name == "connectivity" else 8)
        assert preset.body.residual == ("none" if name.startswith("no-") else "layer")

    def test_the_nearest_is_named_for_one_that_is_not_there(self) -> None:
        with pytest.raises(UserError, match=r"there is no preset 'conectivity'; did you mean connectivity\?"):
            load_preset("conectivity")

    @pytest.mark.parametrize("name", ["", "x" * 100_000, "a\nb", "\udcff", "../digits", "digits\0"])
    def test_any_other_name_is_answered_in_one_line(self, name: str) -> None:
        with pytest.raises(UserError) as caught:
            load_preset(name)
        assert_one_short_line(str(caught.value))

    def test_an_experiment_is_a_preset_by_name_or_a_file_by_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "mine.toml").write_text('name = "mine"')
        (tmp_path / "noending").write_text('name = "noending"')
        assert load_experiment("digits") == load_preset("digits")
        assert load_experiment("mine.toml").name == "mine"
        assert load_experiment(str(tmp_path / "mine.toml")).name == "mine"
        assert load_experiment("noending").name == "noending"
        with pytest.raises(UserError, match=r"absent\.toml: No such file"):
            load_experiment("absent.toml")
        with pytest.raises(UserError, match="there is no preset"):
            load_experiment("x" * 300)  # no system has file names of that length


def plain(low: float, high: float, **exclude: bool) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, **exclude)  # type: ignore[arg-type]


BIDIRECTIONAL = "".join(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]))
share = plain(0, 1)
count = st.integers(1, 1_000_000)
text = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t", exclude_characters=BIDIRECTIONAL),
    max_size=30,
)
valid = st.fixed_dictionaries(
    {},
    optional={
        "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True).map(lambda name: f"{name[:61]}-ok"),
        "about": text,
        "duration": text,
        "seed": st.integers(0, 2**31 - 1),
        "task": st.one_of(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["digits", "mnist", "fashion_mnist"])}, optional={"size": st.integers(2, 28)}
            ),
            st.fixed_dictionaries({"name": st.just("arrays"), "path": text.filter(len)}),
            st.fixed_dictionaries({"factor": plain(-1e30, 1e30), "samples": count}),
        ),
        "body": st.fixed_dictionaries(
            {},
            optional={
                "depth": st.integers(1, 100),
                "width": st.integers(1, 30),  # wider ones are not always affordable
                "residual": st.sampled_from(["none", "layer", "pair"]),
                "dropout": plain(0, 1, exclude_max=True),
            },
        ),
        "particle": st.fixed_dictionaries(
            {},
            optional={
                "hidden": st.integers(1, 64),
                "encoding": st.sampled_from(["max", "l2"]),
                "init": st.sampled_from(["fan_in", "xavier"]),
            },
        ),
        "replication": st.fixed_dictionaries(
            {},
            optional={
                "target": st.sampled_from(["frozen", "live"]),
                "alpha": plain(0, 1e9),
                "steps": st.integers(0, 100_000),
                "momentum": st.sampled_from(["shared", "separate", "fresh"]),
                "start_accuracy": share,
                "divergent": st.sampled_from(["keep", "reset", "stop"]),
            },
        ),
        "training": st.fixed_dictionaries(
            {},
            optional={
                "epochs": count,
                "batch_size": count,
                "lr": plain(0, 1000, exclude_min=True),
                "momentum": plain(0, 1, exclude_max=True),
            },
        ),
        "interactions": st.fixed_dictionaries({}, optional={"attack": share, "melt": share}),
        "log": st.fixed_dictionaries({}, optional={"every": count}),
        "checkpoint": st.fixed_dictionaries({}, optional={"every": count, "keep": st.integers(1, 1000)}),
        "versions": st.dictionaries(text, text, max_size=3),
    },
)


class TestToml:
    @settings(max_examples=200, deadline=None)
    @given(valid)
    def test_what_is_written_is_read(self, values: dict[str, Any]) -> None:
        experiment = Experiment.from_dict(values)
        written = tomli_w.dumps(experiment.model_dump(exclude_none=True))
        assert Experiment.from_dict(tomllib.loads(written)) == experiment

    @pytest.mark.parametrize("name", preset_names())
    def test_a_preset_written_out_complete_is_the_same(self, name: str, tmp_path: Path) -> None:
        path = tmp_path / "complete.toml"
        path.write_text(tomli_w.dumps(load_preset(name).model_dump(exclude_none=True)))
        assert Experiment.from_toml(path) == load_preset(name)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        assert error_of_file(tmp_path / "absent.toml") == (
            "No such file or directory; name a preset (srnn presets) or a TOML file"
        )

    def test_a_folder_in_place_of_the_file(self, tmp_path: Path) -> None:
        assert error_of_file(tmp_path).startswith("Is a directory; name a preset")

    def test_a_name_too_long_for_a_file(self, tmp_path: Path) -> None:
        assert error_of_file(tmp_path / ("x" * 300)).startswith("File name too long")

    @pytest.mark.parametrize(
        "content",
        [
            "name = digits",
            "epochs: 20",
            "[training]\nepochs = 1\n[training]\nepochs = 2",
            '{"name": "json"}',
            "\x00\x01\x02",
            bytes(range(256)) * 10,
            b"\x89PNG\r\n\x1a\n",
            b"about = '\xff'",
            b"\xff\xfen\x00a\x00m\x00e\x00",
            "name",
            "[[[",
            "about = " + "[" * 100_000,
            "about = " + "{a = " * 5_000 + "1" + "}" * 5_000,
            "seed = " + "9" * 10_000,
            ".".join(["a"] * 500) + " = 1\n" + ".".join(["a"] * 500) + " = 1",
        ],
        ids=lambda content: repr(content[:12]),
    )
    def test_what_is_not_toml(self, tmp_path: Path, content: bytes | str) -> None:
        assert error_of_file(tmp_path / "x.toml", content).startswith("not a TOML file: ")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("[training]\nepochs = 0", "training.epochs is 0; allowed: a whole number from 1 to 1,000,000"),
            ("[trainin]\nepochs = 1", "trainin is not a setting; did you mean training?"),
            ("training = 3", "training is 3; allowed: a table"),
            ("training = [1]", "training is [1]; allowed: a table"),
            ("[[training]]\nepochs = 1", "training is [{'epochs': 1}]; allowed: a table"),
            ("epochs = 5", "epochs is not a setting; did you mean training.epochs?"),
            (
                "[versions]\ntorch = 2.4",
                "versions.torch is 2.4; allowed: text of up to 4,000 characters, none of them to control a terminal",
            ),
        ],
    )
    def test_a_wrong_setting_is_told_as_on_the_command_line_after_the_name_of_the_file(
        self, tmp_path: Path, content: str, message: str
    ) -> None:
        assert error_of_file(tmp_path / "x.toml", content) == message

    @pytest.mark.parametrize(
        "content",
        [
            "about." + "a." * 3_000 + "a = 1",
            "[versions." + "a." * 3_000 + "a]\nb = 1",
            "training." + "a." * 3_000 + "a = 1",
            "a." * 3_000 + "a = 1",
            "about = " + "[" * 300 + "]" * 300,
            "seed = 0x" + "f" * 10_000,
            f"name = '{'x' * 1_000_000}'",
            f"{'x' * 1_000_000} = 1",
            f"training.{'x' * 1_000_000} = 1",
            'name = "a\\nb\\u2028c\\u0000\\u202e"',
            '"a\\nb\\u2028c\\u0000\\u202e" = 1',
            'training."\\n\\t\\u001b[31m" = 1',
            'versions."\\n\\u001e\\u0007" = 1',
            f"versions.{'x' * 1_000_000} = 1",
            'task.name = "\\n💥\\u0007"',
            "task.name = '" + "m" * 1_000_000 + "'",
        ],
        ids=lambda content: repr(content[:20]),
    )
    def test_odd_values_end_in_one_short_line(self, tmp_path: Path, content: str) -> None:
        assert error_of_file(tmp_path / "x.toml", content)

    @settings(max_examples=80, deadline=None)
    @given(st.data())
    def test_no_value_ends_in_another_error(self, data: st.DataObject) -> None:
        """Anything TOML can hold, at any place."""
        values = st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.datetimes(),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
            max_leaves=4,
        )
        section, _, key = data.draw(st.sampled_from(known_keys(Experiment))).partition(".")
        content = {section: {key: data.draw(values)} if key else data.draw(values)}
        try:
            Experiment.from_dict(content)
        except UserError as error:
            assert_one_short_line(str(error))


# One value just outside of what is allowed, for every setting that has bounds, and what the answer says is allowed.
OUT_OF_RANGE = {
    "seed=-1": "a whole number from 0 to 2,147,483,647",
    "seed=2147483648": "a whole number from 0 to 2,147,483,647",
    "task.size=1": "a whole number from 2 to 28",
    "task.size=29": "a whole number from 2 to 28",
    "task.samples=0": "a whole number from 1 to 1,000,000",
    "body.depth=0": "a whole number from 1 to 100",
    "body.depth=101": "a whole number from 1 to 100",
    "body.width=0": "a whole number from 1 to 10,000, or a list",
    "body.width=10001": "a whole number from 1 to 10,000, or a list",
    "body.dropout=1.0": "a number from 0 to below 1",
    "body.dropout=-0.1": "a number from 0 to below 1",
    "particle.hidden=0": "a whole number from 1 to 64",
    "particle.hidden=65": "a whole number from 1 to 64",
    "replication.alpha=-1": "a number from 0 to 1e+09",
    "replication.alpha=1000000001": "a number from 0 to 1e+09",
    "replication.steps=-1": "a whole number from 0 to 100,000",
    "replication.steps=100001": "a whole number from 0 to 100,000",
    "replication.every=0": "a whole number from 1 to 1,000,000, or epoch, log",
    "replication.start_accuracy=1.5": "a number from 0 to 1",
    "training.epochs=0": "a whole number from 1 to 1,000,000",
    "training.epochs=1000001": "a whole number from 1 to 1,000,000",
    "training.batch_size=0": "a whole number from 1 to 1,000,000",
    "training.lr=0": "a number above 0 to 1,000",
    "training.lr=1001": "a number above 0 to 1,000",
    "training.momentum=1": "a number from 0 to below 1",
    "interactions.attack=1.1": "a number from 0 to 1",
    "interactions.melt=-0.1": "a number from 0 to 1",
    "log.every=0": "a whole number from 1 to 1,000,000",
    "checkpoint.every=0": "a whole number from 1 to 1,000,000",
    "checkpoint.keep=0": "a whole number from 1 to 1,000",
    "checkpoint.keep=1001": "a whole number from 1 to 1,000",
}
# A wrong word for every setting that is one of a few.
CHOICES = {
    "task.name=minst": "multiply, add, digits, mnist, fashion_mnist, arrays; did you mean mnist?",
    "body.residual=layers": "none, layer, pair; did you mean layer?",
    "body.activation=rellu": "did you mean relu?",
    "body.init=xavir": "fan_in, xavier, kaiming; did you mean xavier?",
    "particle.encoding=l1": "max, l2; did you mean l2?",
    "particle.init=xavir": "fan_in, xavier, copying; did you mean xavier?",
    "replication.method=sdg": "did you mean sgd?",
    "replication.target=alive": "frozen, live; did you mean live?",
    "replication.objective=jont": "alternate, joint; did you mean joint?",
    "replication.every=epochs": "a whole number from 1 to 1,000,000, or epoch, log",
    "log.particles=every": "allowed: all, or a whole number from 1 to 1,000,000",
    "replication.momentum=share": "shared, separate, fresh; did you mean shared?",
    "replication.divergent=rest": "keep, reset, stop; did you mean reset?",
    "training.optimizer=Adam": "sgd, adagrad, adam, adamax, adamw, nadam, radam, rmsprop; did you mean adam?",
}


class TestBadValues:
    @pytest.mark.parametrize("assignment", OUT_OF_RANGE)
    def test_a_value_out_of_range_is_told_the_range(self, assignment: str) -> None:
        key, _, value = assignment.partition("=")
        assert error_of(assignment) == f"{key} is {value}; allowed: {OUT_OF_RANGE[assignment]}"

    @pytest.mark.parametrize("assignment", CHOICES)
    def test_a_wrong_word_is_told_the_right_ones(self, assignment: str) -> None:
        key, _, value = assignment.partition("=")
        message = error_of(assignment)
        assert message.startswith(f"{key} is '{value}'; allowed: ")
        assert message.endswith(CHOICES[assignment])

    @pytest.mark.parametrize(
        ("assignment", "message"),
        [
            ('training.epochs="20"', "training.epochs is '20'; allowed: a whole number from 1 to 1,000,000"),
            ("training.epochs=2.0", "training.epochs is 2.0; allowed: a whole number from 1 to 1,000,000"),
            ("training.epochs=true", "training.epochs is True; allowed: a whole number from 1 to 1,000,000"),
            ("training.epochs=twenty", "training.epochs is 'twenty'; allowed: a whole number from 1 to 1,000,000"),
            ("training.lr=false", "training.lr is False; allowed: a number above 0 to 1,000"),
            ("training.lr=nan", "training.lr is nan; allowed: a number above 0 to 1,000"),
            ("task.factor=inf", "task.factor is inf; allowed: a number from -1e+30 to 1e+30"),
            ("about=3", "about is 3; allowed: text of up to 4,000 characters, none of them to control a terminal"),
            ("particle.init=1", "particle.init is 1; allowed: fan_in, xavier, copying"),
            ("task=digits", "task is 'digits'; allowed: a table"),
        ],
    )
    def test_a_value_of_another_type_is_told_the_right_one(self, assignment: str, message: str) -> None:
        assert error_of(assignment) == message

    @pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "-x", "a b", "ä", "x" * 65, "a\n", "a\0"])
    def test_a_name_has_to_do_as_that_of_a_folder(self, name: str) -> None:
        with pytest.raises(UserError, match="allowed: text of up to 64 letters, digits, dots") as caught:
            Experiment.from_dict({"name": name})
        assert_one_short_line(str(caught.value))
        assert Experiment.from_dict({"name": "9a._-" + "x" * 59}).name.startswith("9a._-")

    @pytest.mark.parametrize(
        ("assignment", "message"),
        [
            ("training.epoch=2", "training.epoch is not a setting; did you mean training.epochs?"),
            ("traning.epochs=2", "traning is not a setting; did you mean training?"),
            ("training.epochs.x=2", "training.epochs.x is not a setting; did you mean training.epochs?"),
            ("batch_size=2", "batch_size is not a setting; did you mean training.batch_size?"),
            ("sed=2", "sed is not a setting; did you mean seed?"),
            ("seed.x=2", "seed.x is not a setting; did you mean seed?"),
        ],
    )
    def test_an_unknown_setting_is_answered_with_the_nearest(self, assignment: str, message: str) -> None:
        assert error_of(assignment) == message

    def test_where_none_is_near_all_of_the_section_are_named(self) -> None:
        assert (
            error_of("log.qqq=2") == f"log.qqq is not a setting; allowed in [log]: {', '.join(LogConfig.model_fields)}"
        )
        assert error_of("qqq=2").startswith("qqq is not a setting; allowed: name, about, ")

    def test_of_several_mistakes_the_first_is_told_and_an_unknown_setting_goes_first(self) -> None:
        """It is most often the cause of the others."""
        assert error_of("training.epochs=0", "training.lr=0") == (
            "training.epochs is 0; allowed: a whole number from 1 to 1,000,000 (and 1 more)"
        )
        assert error_of("training.epochs=0", "training.epoch=2") == (
            "training.epoch is not a setting; did you mean training.epochs? (and 1 more)"
        )


class TestCrossField:
    def test_each_hidden_layer_has_a_width(self) -> None:
        several = Experiment().override(["body.width=[300, 100]", "body.depth=3"])
        assert several.body.describe() == "3 layers of width 300-100, residual layer"
        assert several.body.count(784, 10) == (266_200, 410)
        assert error_of("body.width=[300, 100]") == ("body.depth is 4, and width is of 2 hidden layers: set depth to 3")

    def test_arrays_need_their_file(self) -> None:
        assert error_of("task.name=arrays") == ('task.name "arrays" needs the data: set task.path to a file or folder')
        assert Experiment().override(["task.name=arrays", "task.path=my.npz"]).task.path == "my.npz"

    @pytest.mark.parametrize("more", [[], ["task.name=arrays"], ["task.name=mnist"]], ids=str)
    def test_an_empty_path_is_no_path_left_out(self, tmp_path: Path, more: list[str]) -> None:
        """A shell makes one of a variable that is not set."""
        complaint = "task.path is empty, as of a shell variable that is not set; allowed: the path of a file or folder"
        for preset in (Experiment(), Experiment().override("task.path=my.npz")):
            assert error_of("task.path=", *more, experiment=preset).startswith(complaint)
            assert error_of('task.path=""', *more, experiment=preset).startswith(complaint)
        for empty in ("", b""):
            with pytest.raises(UserError, match=complaint):
                Experiment(task={"path": empty})
        assert complaint in error_of_file(tmp_path / "a.toml", '[task]\npath = ""')

    def test_a_path_alone_means_own_data(self) -> None:
        task = load_preset("digits").override(["task.path=my.npz"]).task
        assert (task.name, task.path, task.size) == ("arrays", "my.npz", None)
        assert Experiment.from_dict({"task": {"path": "my.npz"}}).task.name == "arrays"

    def test_a_path_and_another_name_are_refused(self) -> None:
        complaint = "task.path is 'my.npz', which only the task arrays reads, and task.name is 'mnist': set task.name"
        assert error_of("task.path=my.npz", "task.name=mnist").startswith(complaint)
        with pytest.raises(UserError, match="which only the task arrays reads"):
            Experiment.from_dict({"task": {"name": "digits", "path": "my.npz"}})

    def test_another_name_takes_the_path_away(self) -> None:
        own = Experiment().override(["task.path=my.npz"])
        assert own.override(["task.name=digits"]).task.path is None
        assert load_preset("million").override(["task.name=fashion_mnist"]).task.size == 28

    def test_other_data_are_not_held_against_the_recorded_ones(self) -> None:
        recorded = Experiment().override(["task.path=my.npz", 'task.fingerprint={X="a"}'])
        named = recorded.override(["task.target=1", 'task.classes=["a"]'])
        assert (named.task.target, named.task.classes, named.task.fingerprint) == ("1", ["a"], None)
        other = named.override(["task.path=other.npz"]).task
        assert (other.target, other.classes) == (None, None)
        with pytest.raises(
            UserError, match=r"task\.target is 'y', a column of a table that task\.path names, and task"
        ):
            Experiment().override(["task.target=y"])
        assert recorded.override(["task.path=my.npz", "task.scale=unit"]).task.fingerprint == {"X": "a"}
        assert recorded.override(["task.path=other.npz"]).task.fingerprint is None

    def test_the_joint_objective_takes_one_step(self) -> None:
        message = error_of("replication.objective=joint", "replication.steps=3")
        assert message.startswith("replication.steps is 3; with replication.objective 'joint'")
        assert message.endswith("set it to 1")
        assert Experiment().override(["replication.objective=joint"]).replication.steps == 1

    def test_momentum_is_shared_between_two_sgds_only(self) -> None:
        message = error_of("training.optimizer=adam")
        assert message == (
            "replication.momentum is 'shared', which needs training.optimizer 'sgd', not 'adam'; "
            "allowed here: separate, fresh"
        )
        for other in ("replication.momentum=fresh", "replication.objective=joint", "replication.method=none"):
            assert Experiment().override(["training.optimizer=adam", other]).training.optimizer == "adam"

    @pytest.mark.parametrize("task", ["multiply", "add"])
    def test_replication_cannot_wait_for_the_accuracy_of_a_regression(self, task: str) -> None:
        message = error_of(f"task.name={task}", "replication.start_accuracy=0.5")
        assert message == f"replication.start_accuracy is 0.5; the task {task} has no accuracy: set it to 0"
        assert Experiment().override(["replication.start_accuracy=0.5"]).replication.start_accuracy == 0.5


class TestOverride:
    def test_values_are_toml_and_a_bare_word_is_text(self) -> None:
        changed = Experiment().override(
            [
                "training.epochs=20",
                " training.lr = 1e-2 ",
                "task.name=mnist",
                'body.residual="pair"',
                "about=two words = one text",
                "duration='5 min'",
                "versions.torch='2.4'",
            ]
        )
        assert (changed.training.epochs, changed.training.lr) == (20, 0.01)
        assert (changed.task.name, changed.body.residual) == ("mnist", "pair")
        assert (changed.about, changed.duration) == ("two words = one text", "5 min")
        assert changed.versions == {"torch": "2.4"}

    @pytest.mark.parametrize(
        "assignment",
        [
            "training.epochs=5\ntraining.lr=3",
            "training.epochs=5\r\ntraining.lr=3",
            "training.epochs=5\n[training]\nlr=3",
            "about=one line\nanother",
            "about='one line'\nseed=3",
            "task.path=my.npz\ntraining.lr=3",
        ],
    )
    def test_one_is_no_two(self, assignment: str) -> None:
        message = error_of(assignment)
        assert message.startswith("override: the value ")
        assert "has a line break outside of quotes; allowed: one setting each, and a text of several" in message

    @pytest.mark.parametrize("text", ['"one\\ntwo"', '"""one\ntwo"""', "'''one\ntwo'''"])
    def test_a_text_in_quotes_may_have_several_lines(self, text: str) -> None:
        assert Experiment().override(f"about={text}").about == "one\ntwo"
        assert Experiment().override("body.width=[\n  3,\n  3,\n  3,\n]").body.describe().startswith("4 layers of")

    def test_a_whole_number_will_do_for_a_number(self) -> None:
        assert Experiment().override(["training.lr=1"]).training.lr == 1.0

    def test_the_last_of_two_counts(self) -> None:
        assert Experiment().override(["seed=1", "seed=2"]).seed == 2

    def test_the_original_and_all_else_stay_as_they_are(self) -> None:
        original = load_preset("connectivity")
        before = original.model_dump()
        changed = original.override(["training.epochs=20"])
        assert original.model_dump() == before
        before["training"]["epochs"] = 20
        assert changed.model_dump() == before
        assert original.override([]) == original

    @pytest.mark.parametrize("assignment", ["training.epochs", "", "=", "=3", " =3"])
    def test_without_key_or_value(self, assignment: str) -> None:
        assert error_of(assignment) == f"override {assignment}: expected KEY=VALUE, such as training.epochs=20"

    @pytest.mark.parametrize(
        "assignment",
        [
            "x" * 1_000_000,
            "a\nb",
            "a\nb=c",
            "name=" + "x" * 1_000_000,
            "name=a\nb",
            "name=\udcff",
            "\udcff=1",
            "seed=" + "9" * 10_000,
            "seed=0x" + "f" * 10_000,
            "seed=" + "[" * 100_000,
            "about=" + "[" * 300 + "]" * 300,
            ".=1",
            "..=1",
            "training.=1",
            ".".join("a" * 5_000) + "=1",
            "versions." + ".".join("a" * 5_000) + "=1",
        ],
        ids=lambda assignment: repr(assignment[:20]),
    )
    def test_odd_assignments_end_in_one_short_line(self, assignment: str) -> None:
        assert error_of(assignment)

    def test_every_setting_can_be_set(self) -> None:
        """``known_keys`` has them all; each is found and takes the value it has."""
        settings = [
            "task.path=x",
            "task.target=y",
            "task.classes=[]",
            "task.size=8",
            "task.scale=unit",
            "task.fingerprint={}",
            "checkpoint.minutes=5.0",
            "start.run=x",
            "start.seed=3",
            "start.drop=lamp",
        ]
        experiment = load_preset("digits").override(settings)
        assert len(known_keys(Experiment)) == len({*known_keys(Experiment)}) > 30
        for key in known_keys(Experiment):
            value: Any = experiment
            for part in key.split("."):
                value = getattr(value, part)
            assert not isinstance(value, BaseModel)
            written = tomli_w.dumps({"value": value}).partition("=")[2].strip() if not isinstance(value, dict) else "{}"
            assert experiment.override([f"{key}={written}"]) == experiment


def test_presets_are_found_beside_the_package() -> None:
    assert (preset_folder() / "digits.toml").is_file()


class TestComparison:
    def test_each_variant_is_an_experiment_of_its_own(self) -> None:
        pair = Experiment.from_dict(
            {"name": "2024-01", "seed": 5, "comparison": {"variants": {"a": [], "02": ["replication.alpha=3"]}}}
        )
        first, second = pair.expand().values()
        assert (first.name, first.replication.alpha, first.seed) == ("2024-01-a", 100.0, 5)
        assert (second.name, second.replication.alpha, second.seed) == ("2024-01-02", 3.0, 5)
        assert first.comparison.variants == {}
        assert Experiment().expand() == {}

    @pytest.mark.parametrize(
        ("variants", "complaint"),
        [
            ({"a": ["replication.alpha=x"]}, "comparison.variants.a: replication.alpha is 'x'; allowed: a number"),
            ({"a": ["alpha"]}, "comparison.variants.a: override alpha: expected KEY=VALUE"),
            ({"../a": []}, "comparison.variants.../a: name is 'digits-../a'; allowed: text of up to 64"),
            ({"a": ["seed=3"]}, "comparison.variants.a: seed is the same for all: leave it out"),
            ({"a": "replication.alpha=1"}, "comparison.variants.a is 'replication.alpha=1'; allowed: a list"),
            ({"a": ["training.optimizer=adam"]}, "comparison.variants.a: replication.momentum is 'shared'"),
        ],
    )
    def test_a_variant_that_is_wrong_is_named(self, variants: dict[str, list[str]], complaint: str) -> None:
        with pytest.raises(UserError, match=re.escape(complaint)):
            Experiment.from_dict({"comparison": {"variants": variants}})


@pytest.mark.parametrize(
    ("replication", "complaint"),
    [
        ({"method": "lifted", "start_accuracy": 0.5}, "replication.start_accuracy is 0.5; lifted particles"),
        ({"method": "placed", "start_accuracy": 0.5}, "replication.start_accuracy is 0.5; placed particles"),
        (
            {"method": "newton", "objective": "joint"},
            "replication.objective is 'joint', which needs replication.method",
        ),
    ],
)
def test_what_exact_methods_do_not_go_with(replication: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=re.escape(complaint)):
        Experiment.from_dict({"replication": replication})


def test_numbers_begin_as_their_body_is_drawn() -> None:
    numbers = {"particle": {"kind": "number"}, "replication": {"method": "none"}}
    spread = {}
    for init in ("fan_in", "kaiming"):
        body = {"depth": 2, "width": 300, "residual": "none", "init": init}
        spread[init] = float(build_organism(Experiment.from_dict({**numbers, "body": body}), 200, 10).worth().var())
    # 1 / (3 fan_in) against 2 / fan_in.
    assert spread["kaiming"] == pytest.approx(6 * spread["fan_in"], rel=0.03)


@pytest.mark.parametrize(
    ("particle", "complaint"),
    [
        ({"kind": "weightwise"}, "body.init is 'xavier', which is of plain numbers, and particle.kind is 'weightwise'"),
        ({"kind": "number", "values": "particles"}, "body.init is 'xavier', and particle.values 'particles'"),
    ],
)
def test_what_begins_otherwise_has_no_birth_of_the_body(particle: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=re.escape(complaint)):
        Experiment.from_dict({"body": {"init": "xavier"}, "particle": particle, "replication": {"method": "none"}})


def test_exact_methods_go_with_any_optimizer() -> None:
    for optimizer in get_args(Optimizer):
        for method in ("newton", "lifted"):
            chosen = {"replication": {"method": method}, "training": {"optimizer": optimizer}}
            assert Experiment.from_dict(chosen).exact


class TestFile:
    TEXT = 'name = "mine"\nabout = "ä ± α"\n[training]\nepochs = 3\n'

    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "dos"])
    def test_a_byte_order_mark_is_no_character(self, tmp_path: Path, mark: bytes, end: str) -> None:
        path = tmp_path / "mine.toml"
        path.write_bytes(mark + self.TEXT.replace("\n", end).encode())
        read = Experiment.from_toml(path)
        assert (read.name, read.about, read.training.epochs) == ("mine", "ä ± α", 3)

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-16-be"])
    def test_another_encoding_is_named(self, tmp_path: Path, encoding: str) -> None:
        path = tmp_path / "mine.toml"
        mark = "\ufeff" if encoding.endswith("e") else ""
        path.write_bytes((mark + self.TEXT).encode(encoding))
        with pytest.raises(UserError, match=f"it is {encoding[:6].upper()}, and TOML is UTF-8: save it as UTF-8"):
            Experiment.from_toml(path)

    def test_bytes_that_are_no_text_are_named_by_their_line(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.toml"
        path.write_bytes(self.TEXT.encode("latin-1", "replace"))
        with pytest.raises(UserError, match="its line 2 holds bytes that are not UTF-8: save it as UTF-8"):
            Experiment.from_toml(path)

    @pytest.mark.parametrize(
        ("file", "name"),
        [("mine.toml", "mine"), ("my own.toml", "my-own"), ("ä.toml", "experiment"), ("con.toml", "experiment-con")],
    )
    def test_an_experiment_without_a_name_is_named_after_its_file(self, tmp_path: Path, file: str, name: str) -> None:
        (tmp_path / file).write_text("[training]\nepochs = 3\n")
        assert Experiment.from_toml(tmp_path / file).name == name

    def test_it_is_written_and_read(self, tmp_path: Path) -> None:
        chosen = Experiment.from_dict({"name": "mine", "training": {"epochs": 3}, "checkpoint": {"minutes": 0.5}})
        text = chosen.to_toml(tmp_path / "mine.toml")
        assert (tmp_path / "mine.toml").read_text() == text
        assert Experiment.from_toml(tmp_path / "mine.toml") == chosen


class TestSchema:
    """What editors are told, beyond what tests/runs/test_hostile.py shows of presets and runs."""

    SCHEMA = jsonschema.Draft202012Validator(json_schema())

    def test_sweeps_are_valid_as_they_are_shown(self) -> None:
        root = Path(__file__).parents[1]
        pages = [root / "README.md", *(root / "docs").rglob("*.md")]
        blocks = [
            block for page in pages for block in re.findall(r"^```toml\n(.*?)^```$", page.read_text(), re.M | re.S)
        ]
        sweeps = [tomllib.loads(block) for block in blocks if "[sweep.over]" in block]
        assert len(sweeps) >= 2
        for sweep in sweeps:
            assert not [*self.SCHEMA.iter_errors(sweep)]
            assert Experiment.from_dict(sweep).sweep.over

    @pytest.mark.parametrize(
        ("over", "valid"),
        [
            ("'replication.alpha' = [1, 100]", True),
            ("training.lr = {low = 1e-4, high = 0.1, log = true}", True),
            ("[sweep.over.events.shake]\nepoch = [1, 2]", True),
            ("'replication.alpha' = {alpha = [1]}", False),
            ("replication.alpha = 1", False),
            ("replication.alpha = []", False),
            ("training.lr = {low = 1e-4, hihg = 0.1}", False),
        ],
    )
    def test_what_a_sweep_goes_over_is_lists_and_ranges(self, over: str, valid: bool) -> None:
        assert self.SCHEMA.is_valid(tomllib.loads(f"[sweep.over]\n{over}")) == valid


class TestFromPython:
    @pytest.mark.parametrize(
        ("make", "complaint"),
        [
            (lambda: Experiment(training={"epoch": 3}), "training.epoch is not a setting; did you mean training.epo"),
            (lambda: Experiment(seed=-1), "seed is -1; allowed: a whole number from 0 to 2,147,483,647"),
            (lambda: Experiment(sead=1), "sead is not a setting; did you mean seed?"),
            (lambda: type(Experiment().training)(epochs=0), "epochs is 0; allowed: a whole number from 1 to"),
            (lambda: Experiment().override("training.epoch=3"), "training.epoch is not a setting; did you mean"),
            (lambda: Experiment().override("training"), "override training: expected KEY=VALUE"),
        ],
    )
    def test_what_is_wrong_is_told_in_a_line(self, make: Callable[[], object], complaint: str) -> None:
        with pytest.raises(UserError) as error:
            make()
        assert str(error.value).startswith(complaint)
        assert len(str(error.value).splitlines()) == 1

    def test_one_assignment_is_one_text(self) -> None:
        assert Experiment().override("training.epochs=3").training.epochs == 3

    @pytest.mark.parametrize("number", [np.int64(3), np.uint8(3), torch.tensor(3)], ids=repr)
    def test_numbers_of_any_library_are_numbers(self, number: Any) -> None:
        chosen = Experiment(seed=number, training={"epochs": number, "lr": number / 10})
        assert (chosen.seed, chosen.training.epochs) == (3, 3)
        assert chosen.training.lr == pytest.approx(0.3)
        assert Experiment.from_dict(tomllib.loads(chosen.to_toml())) == chosen

    def test_an_experiment_that_is_another_does_not_call_itself_the_same(self) -> None:
        preset = load_preset("digits")
        assert preset.override(["particle.hidden=3", "training.lr=0.5"]).about == (
            "digits with particle.hidden = 3, training.lr = 0.5"
        )
        for same in ("training.epochs=3", "seed=4", "log.every=1", "name=mine", "particle.hidden=4"):
            assert preset.override(same).about == preset.about
        assert preset.override(["particle.hidden=3", "about=mine"]).about == "mine"
        with_term = preset.override("terms.l2.strength=0.1")
        assert with_term.about == "digits with terms.l2.strength = 0.1"
        assert with_term.override("terms.l2.strength=0.1").about == with_term.about
        assert preset.changes(with_term) == {"terms.l2": None}

    @pytest.mark.parametrize(
        ("settings", "name"),
        [
            ([], "digits"),
            (["training.epochs=3", "seed=1", "log.every=1"], "digits"),
            (["particle.hidden=3"], "digits-hidden-3"),
            (["particle.hidden=3", "replication.momentum=fresh"], "digits-hidden-3-momentum-fresh"),
            (["particle.hidden=3", "name=mine"], "mine"),
            (["task.name=arrays", "task.path=data/iris 2.npz", "body.width=3"], "iris-2-width-3"),
            (["task.name=add"], "add"),
            (["training.lr=1e-5"], "digits-lr-1e-05"),
            (["terms.l2.strength=0.1"], "digits-l2.strength-0.1"),
            (["terms.l2.strength=1e-5"], "digits-l2.strength-1e-05"),
            (["schedule.kind=cosine"], "digits-kind-cosine"),
            (["events.freeze.at=[2]", "events.freeze.share=0.3"], "digits-freeze.at--2--freeze.share-0.3"),
            (["events.rest.do=freeze"], "digits-rest.do-freeze"),
            (["events.freeze.do=freeze"], "digits-freeze.do-freeze"),
            (["start.run=runs/trunk"], "digits-run-runs-trunk"),
            (["pruning.densities=[0.5]"], "digits-densities--0.5"),
        ],
        ids=str,
    )
    def test_a_preset_with_settings_changed_is_named_after_them(self, settings: list[str], name: str) -> None:
        assert load_changed("digits", settings).name == name

    def test_a_file_with_settings_changed_keeps_its_name(self, tmp_path: Path) -> None:
        (tmp_path / "mine.toml").write_text("")
        assert load_changed(str(tmp_path / "mine.toml"), ["particle.hidden=3"]).name == "mine"

    def test_as_many_variants_as_are_sane(self) -> None:
        many = {f"v{number}": [f"training.epochs={number + 1}"] for number in range(100)}
        assert len(Experiment(comparison={"variants": many}).expand()) == 100
        with pytest.raises(UserError, match="allowed: a table of up to 100 entries"):
            Experiment(comparison={"variants": {**many, "more": []}})

    @pytest.mark.parametrize("path", [b"a\xff.npz", Path("a b.npz"), Path(os.fsdecode(b"\xfe/x.npz")), "12", "a\udcff"])
    def test_any_path_can_be_that_of_the_data(self, path: Any) -> None:
        chosen = Experiment(task={"name": "arrays", "path": path})
        again = Experiment.from_dict(tomllib.loads(chosen.to_toml()))
        assert again.task.path is not None
        assert expanded(again.task.path).absolute() == Path(os.fsdecode(path)).absolute()
