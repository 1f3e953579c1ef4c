"""The same text in the tokens of two models."""

import json
import shutil
from pathlib import Path

import numpy as np
import torch

from conftest import TEXT
from monoscope.activations.rows import pack
from monoscope.documents import Document
from monoscope.evaluate.analyses.alignment import Reading, ends, same_text
from monoscope.models import LanguageModel, load_model

DOCUMENTS = [Document(text) for text in TEXT]


def wordwise(lm: LanguageModel, folder: Path) -> LanguageModel:
    """The same model with a tokenizer that knows fewer merges, so that its tokens are shorter."""
    shutil.copytree(lm.folder, folder / "other")
    path = folder / "other" / "tokenizer.json"
    written = json.loads(path.read_text())
    written["model"]["merges"] = written["model"]["merges"][:60]
    path.write_text(json.dumps(written))
    return load_model(folder / "other", device="cpu", dtype="float32")


def test_models_of_one_tokenizer_read_the_same_tokens(tiny_llama: LanguageModel) -> None:
    rows = pack(DOCUMENTS, tiny_llama, context=32)
    a, b = same_text(tiny_llama, rows, tiny_llama, 10**6)
    for each in (a, b):
        assert np.array_equal(each.rows.tokens, rows.tokens)
        assert np.array_equal(each.places, np.arange(rows.n_tokens))
    few, _ = same_text(tiny_llama, rows, tiny_llama, 5)
    assert few.rows.tokens.shape == (1, 32)


def test_other_tokens_are_compared_where_both_end(tiny_llama: LanguageModel, tmp_path: Path) -> None:
    coarse = wordwise(tiny_llama, tmp_path)
    rows = pack(DOCUMENTS, tiny_llama, context=32)
    a, b = same_text(tiny_llama, rows, coarse, 10**6)
    assert 20 < len(a.places) == len(b.places) < max(a.rows.n_tokens, b.rows.n_tokens)
    for places in zip(a.places, b.places, strict=True):
        read = [
            "".join(each.lm.token_strings(each.rows.tokens[each.rows.usable][: place + 1].tolist())).replace(
                " ", ""
            )
            for each, place in zip((a, b), places, strict=True)
        ]
        assert read[0] == read[1]


def test_a_character_of_several_bytes_ends_once(tiny_llama: LanguageModel) -> None:
    documents = [Document("a€b"), Document("no €")]
    found = ends(tiny_llama, documents)
    n_bytes = len("€".encode())
    assert found[found >= 0].tolist() == [1, 2, 3, *found[n_bytes + 2 :][found[n_bytes + 2 :] >= 0].tolist()]
    assert (found < 0).sum() == 2 * (n_bytes - 1)
    assert found[-1] == len("a€b") + len("no €")


def test_readings_hold_what_passes_and_what_comes_next(tiny_llama: LanguageModel) -> None:
    rows = pack(DOCUMENTS, tiny_llama, context=32)
    reading, told = Reading(tiny_llama, rows, np.arange(rows.n_tokens)), []
    found = reading.activations(["blocks.1.resid_post"], told.append)["blocks.1.resid_post"]
    assert sum(told) == rows.n_tokens == len(found)
    tokens = torch.from_numpy(rows.tokens.astype(np.int64))
    whole = tiny_llama.activations(tokens, ["blocks.1.resid_post"])
    (values,) = whole.values()
    assert torch.allclose(found, values[torch.from_numpy(rows.usable)], atol=1e-5)
    following = np.full(rows.tokens.shape, -2, np.int64)
    following[rows.usable] = reading.next_tokens
    for row, place in zip(*np.nonzero(rows.usable), strict=True):
        inside = place + 1 < rows.context and rows.usable[row, place + 1]
        same = inside and rows.document_ids[row, place + 1] == rows.document_ids[row, place]
        assert following[row, place] == (int(rows.tokens[row, place + 1]) if same else -1)
