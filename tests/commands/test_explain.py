"""``monoscope explain``: labels of a run, made once, beside a baseline, and shown only with the index they are of."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from monoscope.activations import TokenRows
from monoscope.commands.explain import ExplainCommand, explain_run
from monoscope.commands.explain.parts import MARKED
from monoscope.commands.explain.summary import median_interval
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Advance, Reporter
from monoscope.commands.run_folder import RunFolder
from monoscope.features import FeatureIndex
from monoscope.features.labels import METHODS, Labels
from monoscope.features.passages import passages
from monoscope.intervene.ablation import ablations
from monoscope.models import load_model

from .conftest import THEMES, Line


@pytest.fixture(scope="session")
def explained(complete_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A complete run with labels; not to be changed."""
    folder = RunFolder(tmp_path_factory.mktemp("explained") / "tiny")
    shutil.copytree(complete_run.path, folder.path)
    explain_run(ExplainCommand(run=folder.path, pattern_examples=3))
    return folder


@pytest.fixture
def explained_copy(explained: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of it, to spoil."""
    shutil.copytree(explained.path, tmp_path / "tiny")
    return RunFolder(tmp_path / "tiny")


def test_every_feature_is_described_once(line: Line, explained: RunFolder) -> None:
    result = line.json("explain", explained.path, "--pattern-examples", 3)
    index = FeatureIndex.open(explained.features)
    labels = Labels.open(result["labels"], index_hash=index.manifest.hash)
    assert result["n_features"] == len(labels) == index.n_features
    assert set(labels.manifest.parents) == {"dictionary", "features", "heldout", "model"}
    counts = dict.fromkeys(METHODS, 0)
    for feature, label in enumerate(labels):
        record = index.record(feature)
        assert label.feature == feature
        assert [each.method for each in label.descriptions] == [
            method for method in METHODS if method in {each.method for each in label.descriptions}
        ]
        for each in label.descriptions:
            counts[each.method] += 1
            assert each.text
            assert each.method != "planted" or (each.text in THEMES and each.scores["f1"] >= MARKED)
        top = [each for each in record.examples if each.kind == "top"]
        assert [each.position for each in label.effects] == [each.position for each in top[:3]]
        assert [len(each.loss) for each in label.effects] == [len(each.tokens) for each in top[:3]]
        assert len(label.patterns) <= 8
        assert not label.descriptions or record.n_active
    assert result["methods"] == counts
    assert result["effects"]["examples"] == sum(len(each.effects) for each in labels)
    assert result["planted"]["tried"] == len(THEMES)
    assert not explained.activations.exists()


def test_patterns_stand_beside_the_tokens_alone(line: Line, explained: RunFolder) -> None:
    result = line.json("explain", explained.path, "--pattern-examples", 3)
    patterns = result["patterns"]
    labels = Labels.open(result["labels"])
    assert patterns["features"] == sum(bool(each.patterns) for each in labels) > 0
    for name in ("precision", "recall", "correlation"):
        assert {"n", "median", "token_median", "difference", "interval"} == set(patterns[name])
    assert 0 < patterns["precision"]["n"] <= patterns["features"]
    assert 0 <= patterns["precision"]["median"] <= 1
    assert line("explain", explained.path, "--pattern-examples", 3) == 0
    assert "of the tokens alone" in line.err


def test_an_effect_is_the_ablation_of_its_row(explained: RunFolder) -> None:
    opened = OpenRun.at(explained.path, Reporter())
    index, labels = opened.features(), Labels.open(explained.labels)
    rows = TokenRows.open(index.folder / "rows")
    passage, context = passages(rows), rows.context
    lm, compared = load_model(opened.recipe.model, dtype="float32"), 0
    vocabulary = lm.vocabulary_strings()
    for feature in index.alive[:6].tolist():
        record = index.record(feature)
        for effect, example in zip(labels[feature].effects, record.examples, strict=False):
            row, at = divmod(example.position, context)
            whole = ablations(
                lm,
                opened.model_dictionary,
                torch.tensor([feature]),
                torch.from_numpy(rows.tokens[row : row + 1].astype(np.int64)),
                torch.tensor([at]),
            )
            first = example.start - row * context
            for place, value in enumerate(effect.loss):
                if first + place == 0:
                    assert value is None
                else:
                    assert value == pytest.approx(float(whole.loss[0, first + place]), abs=1e-4)
            goes_on = at + 1 < context and passage[example.position + 1] == passage[example.position]
            assert (effect.next is not None) == goes_on
            if goes_on:
                assert effect.next == pytest.approx(float(whole.loss[0, at + 1]), abs=1e-4)
            for named, by in (
                (effect.promoted, whole.promoted_by[0]),
                (effect.suppressed, whole.suppressed_by[0]),
            ):
                moved = by[by > 0] if named is effect.promoted else by[by < 0]
                assert [value for _, value in named] == pytest.approx(moved.tolist(), abs=1e-4)
                assert all(text in vocabulary for text, _ in named)
            compared += 1
    assert compared >= 12


def test_the_same_again_is_read_and_other_options_make_it_anew(line: Line, explained_copy: RunFolder) -> None:
    written = (explained_copy.labels / "labels.jsonl").stat().st_mtime_ns
    first = line.json("explain", explained_copy.path, "--pattern-examples", 3)
    assert (explained_copy.labels / "labels.jsonl").stat().st_mtime_ns == written
    less = line.json("explain", explained_copy.path, "--pattern-examples", 0, "--examples", 1)
    assert less["patterns"] is None
    assert less["methods"]["patterns"] == 0
    assert 0 < less["effects"]["examples"] < first["effects"]["examples"]
    assert less["methods"]["tokens"] == first["methods"]["tokens"]
    none = line.json("explain", explained_copy.path, "--pattern-examples", 0, "--examples", 0)
    assert none["effects"]["examples"] == 0


def test_the_card_has_descriptions_and_effects(line: Line, explained: RunFolder) -> None:
    feature = int(FeatureIndex.open(explained.features).alive[0])
    card = line.json("features", "show", explained.path, feature)
    label = Labels.open(explained.labels)[feature].to_json()
    assert {name: card[name] for name in label} == label
    assert card["examples"]
    assert line("features", "show", explained.path, feature) == 0
    assert "tokens: " in line.err
    assert "without it the loss of these tokens rises by" in line.err


def test_a_run_without_labels_has_the_card_it_had(line: Line, complete_run: RunFolder) -> None:
    feature = int(FeatureIndex.open(complete_run.features).alive[0])
    assert not {"descriptions", "effects"} & set(line.json("features", "show", complete_run.path, feature))


def test_a_search_says_by_which_method(line: Line, explained: RunFolder) -> None:
    labels = Labels.open(explained.labels)
    said = next(each for label in labels for each in label.descriptions if each.method == "patterns")
    word = next(part for part in said.text.replace("[", " ").replace("]", " ").split() if part.isalpha())
    found = line.json("features", "search", explained.path, word, "--by", "description", "--limit", 48)[
        "results"
    ]
    assert any(each["why"].startswith("patterns: ") for each in found)
    scores = [each["score"] for each in found]
    assert scores == sorted(scores, reverse=True)
    plain = FeatureIndex.open(explained.features).by_description(word, 48)
    assert {each.feature for each in plain} <= {each["feature"] for each in found}


def test_labels_of_an_index_that_changed_are_not_shown(line: Line, explained_copy: RunFolder) -> None:
    feature = int(FeatureIndex.open(explained_copy.features).alive[0])
    line.json("index", explained_copy.path, "--more-tokens", "200")
    assert "descriptions" not in line.json("features", "show", explained_copy.path, feature)
    assert "labels are left out" in line.err
    found = line.json("features", "search", explained_copy.path, "bridge", "--by", "description")["results"]
    assert {each["why"] for each in found} <= {"described so"}
    line.json("explain", explained_copy.path, "--pattern-examples", 0, "--examples", 0)
    assert "descriptions" in line.json("features", "show", explained_copy.path, feature)


class Stopper(Reporter):
    """Presses Ctrl-C while labels are written."""

    @contextmanager
    def stage(self, name: str, unit: str = "tokens") -> Iterator[Advance]:
        def advance(done: int, total: int) -> None:
            if name == "labels":
                raise KeyboardInterrupt

        yield advance


def test_an_interrupt_leaves_nothing_half(run_copy: RunFolder) -> None:
    with pytest.raises(KeyboardInterrupt):
        explain_run(ExplainCommand(run=run_copy.path, pattern_examples=0, examples=0), reporter=Stopper())
    assert not run_copy.labels.exists()
    assert not list(run_copy.path.glob(".labels*"))
    assert explain_run(ExplainCommand(run=run_copy.path, pattern_examples=0, examples=0))["n_features"] == 48


def test_what_cannot_be_explained(line: Line, run_copy: RunFolder, tmp_path: Path) -> None:
    for words, said in (
        (("--examples", "-1"), "--examples -1 is below 0"),
        (("--heldout-tokens", "0"), "--heldout-tokens 0 is below 1"),
        (("--precision", "float8"), "float8"),
    ):
        sentence, _ = line.refused(2, "explain", run_copy.path, *words)
        assert said in sentence
    shutil.rmtree(run_copy.features / "rows")
    sentence, hint = line.refused(2, "explain", run_copy.path)
    assert "made without its state" in sentence
    assert "keep_state" in hint
    line.json("explain", run_copy.path, "--pattern-examples", 0, "--examples", 0)
    shutil.rmtree(run_copy.features)
    sentence, _ = line.refused(2, "explain", run_copy.path)
    assert "holds no complete features" in sentence


def test_the_median_lies_between_two_of_the_values() -> None:
    random = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        low, high = median_interval(random.exponential(size=25))
        assert low is not None
        assert high is not None
        inside += low <= np.log(2) <= high
    assert 0.95 <= inside / 2000 <= 0.975
    assert median_interval(np.arange(5.0)) == [None, None]
    assert median_interval(np.zeros(0)) == [None, None]
    assert median_interval(np.arange(6.0)) == [0.0, 5.0]
