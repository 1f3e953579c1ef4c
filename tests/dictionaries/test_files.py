"""Dictionaries on disk."""

import json
from pathlib import Path

import pytest
import torch

from monoscope.dictionaries import AutoencoderOptions, JumpReLU, ReLU, SparseAutoencoder, TopK
from monoscope.dictionaries.files import FILE, load, save
from monoscope.errors import BrokenInput, MissingInput
from monoscope.manifest import read_manifest


def made(sparsifier: TopK | ReLU) -> SparseAutoencoder:
    options = AutoencoderOptions(n_features=12, sparsifier=sparsifier)
    dictionary = SparseAutoencoder.initialise(
        5, options, seed=0, site="blocks.1.resid_post", model_hash="feed"
    )
    dictionary.density.uniform_(generator=torch.Generator().manual_seed(0))
    return dictionary


@pytest.mark.parametrize("sparsifier", [TopK(3), JumpReLU(0.25)])
def test_what_is_loaded_is_what_was_saved(tmp_path: Path, sparsifier: TopK | ReLU) -> None:
    dictionary = made(sparsifier)
    save(dictionary, tmp_path / "d")
    again = load(tmp_path / "d")
    assert again.options == dictionary.options
    assert (again.site, again.model_hash, again.hash) == ("blocks.1.resid_post", "feed", dictionary.hash)
    for name, tensor in dictionary.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_the_manifest_says_what_made_it(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_text("{}\n")
    save(
        made(TopK(3)),
        tmp_path / "d",
        parents={"activations": "beef"},
        options={"training": {"n_tokens": 9}},
        seeds={"training": 4},
        files=[log],
    )
    manifest = read_manifest(tmp_path / "d", "dictionary")
    assert manifest.parents == {"model": "feed", "activations": "beef"}
    assert manifest.options == {"training": {"n_tokens": 9}}
    assert manifest.seeds == {"training": 4}
    assert manifest.content["dictionary"] == {"n_features": 12, "sparsifier": {"name": "topk", "k": 3}}
    assert manifest.content["d_model"] == 5
    assert (tmp_path / "d" / "metrics.jsonl").read_text() == "{}\n"


def test_saving_again_replaces(tmp_path: Path) -> None:
    save(made(TopK(3)), tmp_path / "d")
    save(made(TopK(4)), tmp_path / "d")
    assert load(tmp_path / "d").options.sparsifier == TopK(4)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_what_is_missing_or_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        load(tmp_path / "nowhere")
    save(made(TopK(3)), tmp_path / "d")
    path = tmp_path / "d" / FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BrokenInput, match="hash"):
        load(tmp_path / "d")
    path.write_bytes(whole[:100])
    with pytest.raises(BrokenInput, match="no readable dictionary"):
        load(tmp_path / "d")
    path.write_bytes(whole)
    manifest = json.loads((tmp_path / "d" / "manifest.json").read_text())
    manifest["content"]["dictionary"]["sparsifier"] = {"name": "topk", "k": 4}
    (tmp_path / "d" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BrokenInput, match="hash"):
        load(tmp_path / "d")
