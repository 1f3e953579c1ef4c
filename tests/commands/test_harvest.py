import tomllib
from collections.abc import Callable
from pathlib import Path

from monoscope.activations import ActivationStore

from .conftest import Line


def test_two_sites_in_one_pass(
    line: Line, tiny_model_folder: Callable[[str], Path], corpus_file: Path, tmp_path: Path
) -> None:
    model = tiny_model_folder("gpt2")
    words = [
        "harvest",
        "--model",
        model,
        "--corpus",
        corpus_file,
        "--tokens",
        900,
        "--out",
        tmp_path / "acts",
    ]
    words += ["--site", "blocks.0.resid_post", "--site", "transformer.h.1.mlp"]
    result = line.json(*words)
    assert list(result["sites"]) == ["blocks.0.resid_post", "blocks.1.mlp_out"]
    store = ActivationStore.open(tmp_path / "acts")
    assert result["n_tokens"] == store.n_tokens == 900
    assert result["hash"] == store.hash
    origin = tomllib.loads((tmp_path / "acts" / "source.toml").read_text(encoding="utf-8"))
    assert origin == {"model": str(model), "corpus": str(corpus_file)}
    written = (tmp_path / "acts" / "blocks.0.resid_post.bin").stat().st_mtime_ns
    assert line(*words) == 0
    assert (tmp_path / "acts" / "blocks.0.resid_post.bin").stat().st_mtime_ns == written


def test_no_site(
    line: Line, tiny_model_folder: Callable[[str], Path], corpus_file: Path, tmp_path: Path
) -> None:
    model = tiny_model_folder("llama")
    sentence, hint = line.refused(
        2, "harvest", "--model", model, "--corpus", corpus_file, "--out", tmp_path / "acts"
    )
    assert sentence == "no site to harvest is named"
    assert "blocks.0.resid_pre to blocks.2.resid_post" in hint
