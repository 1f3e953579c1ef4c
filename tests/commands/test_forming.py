"""A feature forming while its dictionary is learnt."""

from pathlib import Path

import numpy as np
import pytest

from monoscope.commands.forming import LEAST, Forming
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.recipe import Recipe
from monoscope.commands.run import prepared
from monoscope.commands.run_folder import RunFolder
from monoscope.dictionaries.files import load
from monoscope.evaluate.analyses.activity import encoded
from monoscope.train import train


@pytest.fixture
def harvested(recipe: Recipe, tmp_path: Path) -> OpenRun:
    """A run whose dictionary is not begun yet."""
    opened = prepared(RunFolder(tmp_path / "run"), recipe, Reporter())
    opened.calibration()
    opened.training()
    return opened


def test_it_is_followed_from_checkpoint_to_checkpoint(harvested: OpenRun) -> None:
    forming = Forming(OpenRun.at(harvested.folder.path, Reporter()))
    assert forming() == {"feature": None, "snapshots": []}
    told = []
    recipe, out = harvested.recipe, harvested.folder.dictionary
    train(
        harvested.training(),
        recipe.dictionary,
        recipe.training,
        out=out,
        site=str(harvested.site),
        parents=harvested.parents,
        progress=lambda done, total: told.append(forming()),
    )
    during = [each for each in told if each["snapshots"]]
    assert during
    assert len(during[-1]["snapshots"]) > len(during[0]["snapshots"])
    last = forming()
    counts = [each["tokens"] for each in last["snapshots"]]
    assert counts == sorted(set(counts))
    assert 2 <= len(counts) <= 6
    assert counts[-1] == recipe.training.n_tokens
    assert last == forming()
    codes = encoded(load(out), forming.sample.x)[:, [last["feature"]]].toarray()[:, 0]
    newest = last["snapshots"][-1]
    assert newest["active"] == (codes > 0).sum() >= LEAST
    assert newest["looked_at"] == len(codes)
    for text in newest["texts"]:
        assert len(text["tokens"]) == len(text["activations"])
        assert text["activations"][text["peak"]] == max(text["activations"]) > 0


def test_it_is_the_one_that_marks_the_topic_best(harvested: OpenRun) -> None:
    forming = Forming(harvested)
    recipe = harvested.recipe
    dictionary = train(harvested.training(), recipe.dictionary, recipe.training, site=str(harvested.site))
    sample = forming.sample
    codes = encoded(dictionary, sample.x)
    about = sample.about("bridge")
    assert about[[word.strip() == "bridge" for word in sample.words]].all()
    active = codes.toarray() > 0
    both = (active & about[:, None]).sum(0)
    score = 2 * both / (active.sum(0) + about.sum())
    assert sample.clearest(codes, "bridge") == np.where(active.sum(0) >= LEAST, score, -1).argmax()
    # Without the topic in the text: the one whose activation is most on one word.
    alone = sample.clearest(codes, "no such words here at all zzz")
    assert 0 <= alone < dictionary.n_features


def test_a_run_that_was_never_seen_learning_has_none(complete_run: RunFolder) -> None:
    assert Forming(OpenRun.at(complete_run.path, Reporter()))() == {"feature": None, "snapshots": []}
