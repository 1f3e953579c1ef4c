import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from monoscope.commands import stages
from monoscope.commands.dials import Dials, turned
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.recipe import Recipe
from monoscope.commands.run import RunOptions, prepared, run
from monoscope.commands.run_folder import RunFolder
from monoscope.dictionaries.files import load
from monoscope.errors import MismatchedArtefact, UnknownSite, WrongUse
from monoscope.manifest import is_complete

from .conftest import Line


def test_a_run_makes_every_artefact_and_deletes_its_activations(complete_run: RunFolder) -> None:
    for folder in (
        complete_run.dictionary,
        complete_run.features,
        complete_run.evaluation,
        complete_run.showcase,
    ):
        assert is_complete(folder), folder
    assert complete_run.complete
    assert not complete_run.activations.exists()
    manifest = complete_run.manifest()
    assert set(manifest.parents) == {"model", "tokenizer", "corpus"}
    assert set(manifest.content["stages"]) == {"harvest", "train", "index", "evaluate", "showcase", "report"}
    hidden = [path.name for path in complete_run.path.iterdir() if path.name.startswith(".")]
    assert hidden == [".lock"]


def test_the_result_has_the_documented_keys(complete_run: RunFolder) -> None:
    result = run(RunOptions(out=complete_run.path))
    assert {"run", "report", "seconds", "stages", "evaluation"} <= set(result)
    assert list(result["stages"]) == ["harvest", "train", "index", "evaluate", "showcase", "report"]
    metrics = result["evaluation"]["metrics"]
    assert 0 < metrics["fvu"] < 1
    assert metrics["fve"] == pytest.approx(1 - metrics["fvu"])
    assert 0 < metrics["l0"] <= 4
    assert set(result["evaluation"]["baselines"]) == {"neurons", "pca", "ica", "random"}
    assert set(result["evaluation"]["recovery"]["concepts"]) == {"bridge", "dog", "king"}
    assert metrics["fvu"] < result["evaluation"]["baselines"]["random"]["fvu"]


def test_run_again_does_nothing(complete_run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in complete_run.path.rglob("*") if path.name != ".lock"}

    def forbidden(*_: object) -> None:
        raise AssertionError("a complete run needs no model")

    monkeypatch.setattr("monoscope.commands.run.load_model", forbidden)
    monkeypatch.setattr("monoscope.commands.open_run.load_model", forbidden)
    run(RunOptions(out=complete_run.path))
    after = {path: path.stat().st_mtime_ns for path in complete_run.path.rglob("*") if path.name != ".lock"}
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed <= {"manifest.json", complete_run.name}, changed


def test_the_page_shows_the_run(complete_run: RunFolder) -> None:
    page = complete_run.report.read_text(encoding="utf-8")
    for anchor in ("idea", "steer", "features", "report-card", "concepts", "training", "details"):
        assert f'id="{anchor}"' in page, anchor
    assert "http-equiv" not in page.split("<title>")[0].replace("Content-Security-Policy", "").lower() or (
        'http-equiv="refresh"' not in page
    )


def test_a_recipe_is_read_as_it_was_written(recipe: Recipe, complete_run: RunFolder) -> None:
    assert complete_run.recipe() == recipe


def test_other_options_are_refused_by_name(line: Line, complete_run: RunFolder) -> None:
    sentence, hint = line.refused(2, "run", "--out", complete_run.path, "--n-features", 64)
    assert "dictionary.n_features = 48, and now it is 64" in sentence
    assert "--out" in hint
    sentence, _ = line.refused(2, "run", "--out", complete_run.path, "--site", "blocks.0.resid_post")
    assert "site = 'blocks.1.resid_post', and now it is 'blocks.0.resid_post'" in sentence


def test_another_name_of_the_same_site_is_no_other_option(line: Line, complete_run: RunFolder) -> None:
    assert line("run", "--out", complete_run.path, "--site", "blocks.1.hook_resid_post") == 0, line.err


def test_a_missing_artefact_alone_is_made_again(run_copy: RunFolder) -> None:
    before = run_copy.features.joinpath("manifest.json").read_bytes()
    shutil.rmtree(run_copy.evaluation)
    result = run(RunOptions(out=run_copy.path))
    assert result["evaluation"]["metrics"]["fvu"] > 0
    assert run_copy.features.joinpath("manifest.json").read_bytes() == before
    assert not run_copy.activations.exists()


def test_an_index_of_another_dictionary_is_refused(run_copy: RunFolder) -> None:
    path = run_copy.features / "manifest.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["parents"]["dictionary"] = "0123456789abcdef"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(MismatchedArtefact, match="0123456789abcdef"):
        run(RunOptions(out=run_copy.path))


def test_a_changed_corpus_is_refused(recipe: Recipe, tmp_path: Path, run_copy: RunFolder) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"text": "quite another text"}\n{"text": "and one more"}\n', encoding="utf-8")
    run_copy.recipe_file.write_text(
        run_copy.recipe_file.read_text(encoding="utf-8").replace(recipe.corpus, str(other)), encoding="utf-8"
    )
    shutil.rmtree(run_copy.evaluation)
    with pytest.raises(MismatchedArtefact, match="made from corpus"):
        run(RunOptions(out=run_copy.path))


def test_the_middle_block_is_read_unless_another_is_named(
    tiny_model_folder: Callable[[str], Path], corpus_file: Path, tmp_path: Path
) -> None:
    dials = Dials(model=str(tiny_model_folder("llama")), corpus=str(corpus_file), tokens=1000, seed=3)
    opened = prepared(RunFolder(tmp_path / "run"), turned(Recipe(), dials), Reporter())
    assert opened.recipe.site == "blocks.1.resid_post"
    assert opened.recipe.harvest.n_tokens == 1000
    assert {opened.recipe.training.seed, opened.recipe.index.seed, opened.recipe.evaluation.seed} == {3}


def test_a_folder_of_something_else_is_left_alone(recipe_file: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(WrongUse, match="holds no run"):
        run(RunOptions(recipe=recipe_file, out=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_unknown_site_names_the_nearest_and_leaves_nothing(
    line: Line, recipe_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    _, hint = line.refused(2, "run", recipe_file, "--site", "blocks.1.resid_pots", "--out", out)
    assert "blocks.1.resid_post" in hint
    assert not out.exists()
    options = RunOptions(recipe=recipe_file, out=out, dials=Dials(site="blocks.9.resid_post"))
    with pytest.raises(UnknownSite):
        run(options)


def test_two_runs_in_one_folder_are_kept_apart(line: Line, complete_run: RunFolder) -> None:
    with complete_run.held():
        sentence, _ = line.refused(2, "run", "--out", complete_run.path)
    assert "is working on" in sentence


def test_a_full_disk_is_said_and_the_run_goes_on_after(
    line: Line, recipe_file: Path, tmp_path: Path, complete_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("monoscope.dictionaries.files.save_file", full)
        sentence, hint = line.refused(1, "run", recipe_file, "--out", tmp_path / "run")
    assert "is full" in sentence
    assert "run the same command again" in hint
    run(RunOptions(out=tmp_path / "run"))
    assert load(tmp_path / "run" / "dictionary").hash == load(complete_run.dictionary).hash


def test_every_stage_of_a_complete_run_is_done(complete_run: RunFolder) -> None:
    opened = OpenRun.at(complete_run.path, Reporter())
    assert [stage.name for stage in stages.stages_of(opened.recipe) if stage.is_done(opened)] == [
        "harvest",
        "train",
        "index",
        "evaluate",
        "showcase",
    ]
