import json
import shutil
from pathlib import Path

import pytest

from monoscope.commands.evaluate import evaluate
from monoscope.commands.recipe import Recipe
from monoscope.commands.run_folder import RunFolder
from monoscope.dictionaries.files import load
from monoscope.models import LanguageModel

from .conftest import Line

METRICS = {
    "fvu",
    "fve",
    "l0",
    "dead_share",
    "ce_clean",
    "ce_spliced",
    "ce_recovered_zero",
    "ce_recovered_mean",
    "kl",
}


def test_the_report_card_has_the_documented_keys(line: Line, complete_run: RunFolder) -> None:
    result = line.json("evaluate", complete_run.path)
    assert result["run"] == str(complete_run)
    assert METRICS | {"shrinkage"} <= set(result["metrics"])
    assert set(result["formulas"]) >= METRICS
    assert {"share_recovered", "share_neurons", "share_pca", "concepts"} <= set(result["recovery"])
    concept = result["recovery"]["concepts"]["bridge"]
    assert {"feature", "precision", "recall", "f1", "neuron_f1", "pca_f1"} <= set(concept)
    stored = json.loads((complete_run.evaluation / "report.json").read_text(encoding="utf-8"))
    assert result == {"run": str(complete_run), **stored}
    assert line("evaluate", complete_run.path) == 0
    assert "neurons" in line.err


def test_evaluated_again_the_numbers_are_the_same(line: Line, run_copy: RunFolder) -> None:
    before = json.loads((run_copy.evaluation / "report.json").read_text(encoding="utf-8"))
    shutil.rmtree(run_copy.evaluation)
    after = line.json("evaluate", run_copy.path)
    assert after["metrics"] == before["metrics"]
    assert after["recovery"] == before["recovery"]


def test_for_a_notebook(
    tiny_llama: LanguageModel, complete_run: RunFolder, corpus_file: Path, recipe: Recipe
) -> None:
    dictionary = load(complete_run.dictionary)
    found = evaluate(tiny_llama, dictionary, corpus_file, options=recipe.evaluation)
    stored = json.loads((complete_run.evaluation / "report.json").read_text(encoding="utf-8"))
    # Rows are longer here than in the run, so that the model has seen more before each token.
    assert found["metrics"]["fvu"] == pytest.approx(stored["metrics"]["fvu"], abs=0.1)
    assert set(found["recovery"]["concepts"]) == {"bridge", "dog", "king"}


def test_a_dictionary_of_another_model_is_refused(line: Line, run_copy: RunFolder) -> None:
    path = run_copy.dictionary / "manifest.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["parents"]["model"] = "0123456789abcdef"
    path.write_text(json.dumps(record), encoding="utf-8")
    sentence, _ = line.refused(1, "evaluate", run_copy.path)
    assert "made from model 0123456789abcdef" in sentence


def test_a_dictionary_of_another_width_is_refused(line: Line, run_copy: RunFolder) -> None:
    from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
    from monoscope.dictionaries.files import save

    own = load(run_copy.dictionary)
    options = AutoencoderOptions(n_features=48, sparsifier=TopK(4))
    wide = SparseAutoencoder.initialise(40, options, seed=0, site=own.site, model_hash=own.model_hash)
    wide.max_activation.fill_(1.0)
    save(wide, run_copy.dictionary)
    sentence, _ = line.refused(1, "evaluate", run_copy.path)
    assert sentence
    sentence, _ = line.refused(
        1, "steer", run_copy.path, "--feature", 1, "--clamp", 2, "--prompt", "the king"
    )
    assert "width 40" in sentence
