import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import monoscope as ms
from monoscope.commands.index import index
from monoscope.commands.recipe import Recipe
from monoscope.commands.run_folder import RunFolder
from monoscope.dictionaries.files import load
from monoscope.errors import MismatchedArtefact
from monoscope.features import FeatureIndex, IndexOptions
from monoscope.manifest import read_manifest, write_manifest
from monoscope.models import LanguageModel

from .conftest import Line


def test_changed_options_make_the_index_anew(line: Line, run_copy: RunFolder) -> None:
    text = run_copy.recipe_file.read_text(encoding="utf-8")
    assert "top = 12\n" in text
    run_copy.recipe_file.write_text(text.replace("top = 12\n", "top = 3\n"), encoding="utf-8")
    before = FeatureIndex.open(run_copy.features)
    result = line.json("index", run_copy.path)
    after = FeatureIndex.open(run_copy.features)
    assert result["alive"] == len(after.alive) == len(before.alive)
    examples = after.record(int(after.alive[0])).examples
    assert len([each for each in examples if each.kind == "top"]) <= 3
    assert after.manifest.parents == before.manifest.parents
    assert not run_copy.activations.exists()


def test_an_index_of_an_older_version_is_made_anew(line: Line, run_copy: RunFolder) -> None:
    now = read_manifest(run_copy.features, "features")
    write_manifest(run_copy.features, replace(now, content=now.content | {"layout": 0}))
    assert line.json("index", run_copy.path)["alive"] == now.content["n_alive"]
    assert read_manifest(run_copy.features, "features").content == now.content


def test_a_corpus_is_harvested_for_a_notebook(
    tiny_llama: LanguageModel, complete_run: RunFolder, corpus_file: Path, recipe: Recipe
) -> None:
    dictionary = load(complete_run.dictionary)
    features = index(tiny_llama, dictionary, corpus_file, name="mine", options=IndexOptions(top=2))
    folder = features.folder
    assert features.address(3) == "llama/blocks.1.resid_post/mine#3"
    assert folder.is_dir()
    assert features.n_features == 48
    del features
    assert not folder.exists()


def test_activations_of_another_model_are_refused(
    tiny_llama: LanguageModel, tiny_gpt2: LanguageModel, complete_run: RunFolder, corpus_file: Path
) -> None:
    acts = ms.harvest(
        tiny_gpt2, corpus_file, site="blocks.1.resid_post", options=ms.HarvestOptions(n_tokens=300)
    )
    with pytest.raises(MismatchedArtefact, match="harvested from model"):
        index(tiny_llama, load(complete_run.dictionary), acts)


def test_a_run_without_a_dictionary(line: Line, run_copy: RunFolder) -> None:
    shutil.rmtree(run_copy.dictionary)
    sentence, _ = line.refused(2, "index", run_copy.path)
    assert "holds no complete dictionary" in sentence


def test_further_text_of_the_corpus_is_added(line: Line, run_copy: RunFolder) -> None:
    before = FeatureIndex.open(run_copy.features)
    n_tokens = before.manifest.content["n_tokens"]
    result = line.json("index", run_copy.path, "--more-tokens", "200")
    after = FeatureIndex.open(run_copy.features)
    assert result["n_tokens"] == after.manifest.content["n_tokens"] == n_tokens + 200
    assert result["peak_memory"] > 2**20
    feature = int(before.alive[0])
    assert after.record(feature).n_active >= before.record(feature).n_active
    assert after.statistics()["n_active"].sum() > before.statistics()["n_active"].sum()
    assert not run_copy.activations.exists()
    assert line.json("index", run_copy.path)["n_tokens"] == n_tokens + 200


def test_where_the_corpus_ends_no_text_is_added(line: Line, run_copy: RunFolder) -> None:
    line.json("index", run_copy.path, "--more-tokens", "10000000")
    sentence, _ = line.refused(1, "index", run_copy.path, "--more-tokens", "1")
    assert "no text beyond" in sentence
    sentence, _ = line.refused(2, "index", run_copy.path, "--more-tokens", "-1")
    assert "-1 tokens" in sentence
