"""``monoscope evaluate RUN --analysis NAME``."""

from pathlib import Path

from monoscope.commands.run_folder import RunFolder

from .conftest import Line


def test_an_analysis_is_asked_kept_and_shown(line: Line, run_copy: RunFolder) -> None:
    result = line.json("evaluate", run_copy.path, "--analysis", "density")
    assert result["analysis"] == "density"
    assert 0 <= result["dead_share"] <= 1
    figure = Path(result["figure"])
    assert figure.read_text().startswith("<?xml")
    assert "never fire" in figure.read_text()
    assert "How often features fire" in run_copy.report.read_text()
    written = figure.stat().st_mtime_ns
    assert line.json("evaluate", run_copy.path, "--analysis", "density") == result
    assert figure.stat().st_mtime_ns == written
    again = line.json("evaluate", run_copy.path, "--analysis", "density", "--option", "common=0.5")
    assert again["common_share"] <= result["common_share"]
    assert figure.stat().st_mtime_ns != written
    assert line("evaluate", run_copy.path, "--analysis", "density") == 0
    assert "dead share" in line.err


def test_what_can_be_asked_is_listed(line: Line, run_copy: RunFolder) -> None:
    assert "density" in line.json("evaluate", run_copy.path, "--analysis", "list")["analyses"]
    assert line("evaluate", run_copy.path, "--analysis", "list") == 0
    assert "density" in line.err


def test_mistakes_are_named(line: Line, run_copy: RunFolder) -> None:
    for words, said in (
        (("--analysis", "colour"), "'colour' is no analysis"),
        (("--analysis", "density", "--option", "colour=1"), "has no option 'colour'"),
        (("--analysis", "density", "--option", "common"), "--option common has no value"),
        (("--analysis", "density", "--option", "common=rare"), "common is 'rare'"),
        (("--beside", run_copy.path), "--beside and --option belong to an analysis"),
        (("--analysis", "density", "--beside", run_copy.path / "no"), "is no run"),
    ):
        sentence, _ = line.refused(2, "evaluate", run_copy.path, *words)
        assert said in sentence
