"""The program of the documentation, on the tiny model."""

from pathlib import Path

import monoscope as ms
from monoscope.models import LanguageModel


def test_the_program_in_the_documentation(tiny_llama: LanguageModel, corpus_file: Path) -> None:
    lm = tiny_llama
    corpus = ms.read_corpus(corpus_file)
    acts = ms.harvest(
        lm, corpus, site="blocks.2.resid_post", options=ms.HarvestOptions(n_tokens=1500, context=64)
    )
    options = ms.AutoencoderOptions(n_features=32, sparsifier=ms.TopK(4))
    sae = ms.train(acts, options, ms.TrainOptions(n_tokens=3000, batch=250))
    feats = ms.index(lm, sae, acts)
    bridge = feats.search("bridge")[0]
    plain = lm.generate("Once upon a time", n_tokens=12)
    with ms.steer(lm, sae, {bridge.id: ms.Clamp(40)}):
        assert lm.generate("Once upon a time", n_tokens=12) != plain
    assert lm.generate("Once upon a time", n_tokens=12) == plain
