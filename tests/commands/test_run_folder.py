import json
import os
from pathlib import Path

import pytest

from monoscope.commands.recipe import Recipe
from monoscope.commands.run_folder import RunFolder, read_record, write_record, write_text
from monoscope.errors import BrokenInput, MismatchedArtefact, MissingInput, WrongUse
from monoscope.manifest import is_complete

PARENTS = {"model": "m", "corpus": "c"}


def test_a_run_is_begun_once_and_taken_up_after(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert not folder.begun
    folder.begin(Recipe(), PARENTS)
    folder.record(stages={"harvest": 3.0})
    manifest = folder.begin(Recipe(), PARENTS)
    assert manifest.content == {"status": "running", "stages": {"harvest": 3.0}}
    assert folder.recipe() == Recipe()
    assert not folder.complete
    folder.record(status="complete")
    assert folder.complete


def test_other_parents_are_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.begin(Recipe(), PARENTS)
    with pytest.raises(MismatchedArtefact, match="made from model m, and this model is n"):
        folder.begin(Recipe(), PARENTS | {"model": "n"})


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("nowhere", "monoscope run --out makes one"),
        ("run/dictionary", "give the run that it lies in"),
        (".", "it holds the runs run"),
    ],
)
def test_a_folder_that_is_no_run_says_what_it_is(tmp_path: Path, place: str, hint: str) -> None:
    RunFolder(tmp_path / "run").begin(Recipe(), PARENTS)
    (tmp_path / "run" / "dictionary").mkdir()
    with pytest.raises(MissingInput) as caught:
        RunFolder(tmp_path / place).recipe()
    assert hint in caught.value.hint


def test_activations_go_when_the_run_is_complete(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.begin(Recipe(), PARENTS)
    (folder.activations / "training").mkdir(parents=True)
    folder.tidy()
    assert folder.activations.exists()
    folder.record(status="complete", keep_activations=True)
    folder.tidy()
    assert folder.activations.exists()
    folder.record(keep_activations=False)
    folder.tidy()
    assert not folder.activations.exists()


def test_the_status_says_whether_anybody_works_on_it(complete_run: RunFolder, run_copy: RunFolder) -> None:
    assert complete_run.status == "complete"
    run_copy.record(status="running")
    assert run_copy.status == "stopped"
    with run_copy.held():
        assert run_copy.status == "running"
    assert run_copy.status == "stopped"
    with run_copy.held():
        """Looking let go."""


def test_a_held_run_says_by_whom(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.held(), pytest.raises(WrongUse, match=f"process {os.getpid()} is working"), folder.held():
        pass
    with folder.held():
        pass


def test_records_are_artefacts(tmp_path: Path) -> None:
    write_record(tmp_path / "evaluation", "evaluation", "report.json", {"fvu": 0.2, "é": None})
    assert is_complete(tmp_path / "evaluation")
    assert read_record(tmp_path / "evaluation" / "report.json") == {"fvu": 0.2, "é": None}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(tmp_path / "other", "evaluation", "report.json", {"fvu": float("nan")})
    assert not (tmp_path / "other").exists()
    (tmp_path / "evaluation" / "report.json").write_text("{", encoding="utf-8")
    with pytest.raises(BrokenInput):
        read_record(tmp_path / "evaluation" / "report.json")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "glimpse.json"
    write_text(path, json.dumps({"a": 1}))

    def broken(self: Path, target: Path) -> None:
        raise OSError("no")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="no"):
        write_text(path, "half")
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["glimpse.json"]
