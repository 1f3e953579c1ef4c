import json
from pathlib import Path

import pytest

from explore.export.fake_index import read_records
from monoscope.commands import export as module
from monoscope.commands.export import ExportOptions, export
from monoscope.commands.run_folder import RunFolder
from monoscope.features import FeatureIndex

from .conftest import Line


@pytest.mark.parametrize("form", ["site", "neuronpedia", "circuit-tracer"])
def test_a_run_is_written_and_counted(line: Line, complete_run: RunFolder, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "deep" / "site"
    result = line.json("export", complete_run.path, "--to", folder, "--format", form)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert result == {
        "folder": str(folder),
        "format": form,
        "features": 48,
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
    }
    assert [path.name for path in folder.parent.iterdir()] == ["site"]


def test_cards_of_a_run_are_its_records(line: Line, complete_run: RunFolder, tmp_path: Path) -> None:
    line.json("export", complete_run.path, "--to", tmp_path / "site")
    content = json.loads((tmp_path / "site" / "manifest.json").read_text())["content"]
    index = FeatureIndex.open(complete_run.features)
    records = read_records(tmp_path / "site" / "cards", content["cards"])
    assert records == [index.record(feature).to_json() for feature in range(48)]
    assert content["address"] == "llama/blocks.1.resid_post/tiny"


def test_people_are_told_how_to_look_at_it(line: Line, complete_run: RunFolder, tmp_path: Path) -> None:
    assert line("export", complete_run.path, "--to", tmp_path / "site") == 0
    assert line.out == ""
    assert "48 features in" in line.err
    assert f"python -m http.server --bind 127.0.0.1 --directory {tmp_path / 'site'}" in line.err


def test_an_earlier_export_is_replaced_and_nothing_else(
    line: Line, complete_run: RunFolder, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    line.json("export", complete_run.path, "--to", folder)
    line.json("export", complete_run.path, "--to", folder, "--format", "circuit-tracer")
    assert not (folder / "index.html").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    for place in (mine, mine / "thesis.tex", complete_run.path):
        sentence, hint = line.refused(2, "export", complete_run.path, "--to", place)
        assert sentence == f"{place} is there and is no export"
        assert hint == "give --to a new folder"
    assert (mine / "thesis.tex").read_text() == "years of work"


def test_what_fails_leaves_the_earlier_export(
    monkeypatch: pytest.MonkeyPatch, complete_run: RunFolder, tmp_path: Path
) -> None:
    export(ExportOptions(run=complete_run.path, to=tmp_path / "site"))
    before = (tmp_path / "site" / "manifest.json").read_bytes()

    def interrupted(features: object, place: Path, advance: object, **options: object) -> None:
        (place / "half").write_text("")
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_site", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(ExportOptions(run=complete_run.path, to=tmp_path / "site"))
    assert (tmp_path / "site" / "manifest.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_what_is_no_run_or_has_no_index(line: Line, run_copy: RunFolder, tmp_path: Path) -> None:
    line.refused(2, "export", tmp_path / "nowhere", "--to", tmp_path / "site")
    (run_copy.features / "manifest.json").unlink()
    sentence, _ = line.refused(2, "export", run_copy.path, "--to", tmp_path / "site")
    assert "holds no complete features" in sentence
    sentence, _ = line.refused(2, "export", run_copy.path, "--to", tmp_path / "site", "--format", "tar")
    assert "--format" in sentence
    assert not (tmp_path / "site").exists()
