"""A small corpus, and a dictionary whose features on it are known: everything can be counted by hand."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from monoscope.activations import ActivationStore, TokenRows
from monoscope.dictionaries import SparseAutoencoder
from monoscope.features import IndexOptions, logit_weights
from monoscope.manifest import Manifest, write_manifest

SITE = "blocks.0.resid_post"
VOCABULARY = [
    *("<bos>", " bridge", " Bridge", " bridges", " towers", " fog", " the", " and", " sau", "salito"),
    *(".", "\n", " red", " dog", " ran", " home", " café", ">>>", " a", " was"),
]
CONTEXT = 16
D_MODEL = 16
N_FEATURES = 12
WORD, TOPIC, DEAD, RARE, PIECE, SIGN = range(6)
"""Features that fire on «bridge», anywhere in texts about it, nowhere, on three tokens, on «salito», on «>>>»."""
OPTIONS = IndexOptions(
    top=5,
    intervals=3,
    per_interval=2,
    window_before=4,
    window_after=2,
    tokens_kept=6,
    logits_kept=4,
    neighbours_kept=3,
)


@dataclass(frozen=True)
class World:
    """The corpus, the dictionary, and the codes that were planted."""

    store: ActivationStore
    dictionary: SparseAutoencoder
    codes: np.ndarray
    """What the dictionary gives for every flat position, ``[position, n_features]``; 0 where nothing is stored."""

    @property
    def tokens(self) -> np.ndarray:
        return self.store.rows.tokens.reshape(-1)

    @property
    def usable(self) -> np.ndarray:
        return self.store.rows.usable.reshape(-1)

    @property
    def documents(self) -> np.ndarray:
        return self.store.rows.document_ids.reshape(-1)


def write_documents(seed: int) -> tuple[list[list[int]], list[bool]]:
    """Forty texts of random words; every fourth is about the bridge."""
    random = np.random.default_rng(seed)
    ordinary, about_it = np.arange(6, len(VOCABULARY)), np.array([1, 1, 2, 3, 4, 5])
    texts, about = [], [number % 4 == 0 for number in range(40)]
    for is_about in about:
        words = random.choice(ordinary, random.integers(5, 40))
        if is_about:
            chosen = random.random(len(words)) < 0.4
            words[chosen] = random.choice(about_it, int(chosen.sum()))
        words[1:][words[:-1] == 8] = 9
        texts.append(words.tolist())
    return texts, about


def pack_rows(texts: list[list[int]]) -> TokenRows:
    """Texts behind one another, each after a <bos>, as is each row's beginning; the last row is padded."""
    tokens: list[int] = []
    documents: list[int] = []
    for number, text in enumerate(texts):
        for word in [0, *text]:
            if len(tokens) % CONTEXT == 0 and word != 0:
                tokens.append(0)
                documents.append(number)
            tokens.append(word)
            documents.append(number)
    padding = -len(tokens) % CONTEXT
    return TokenRows(
        tokens=np.array(tokens + [0] * padding, np.uint16).reshape(-1, CONTEXT),
        document_ids=np.array(documents + [-1] * padding, np.int32).reshape(-1, CONTEXT),
        special=(0,),
        concepts=(),
        tags={},
    )


def plant_codes(rows: TokenRows, about: list[bool], seed: int) -> np.ndarray:
    """Codes for every usable token."""
    random = np.random.default_rng(seed)
    tokens, documents = rows.tokens[rows.usable], rows.document_ids[rows.usable]
    strength = random.uniform(0.3, 2.0, (len(tokens), N_FEATURES))
    codes = np.where(random.random(strength.shape) < 0.15, strength, 0.0)
    codes[:, WORD] = np.where(np.isin(tokens, (1, 2)), strength[:, WORD] + 1, 0)
    topical = np.array(about)[documents] & (random.random(len(tokens)) < 0.8)
    codes[:, TOPIC] = np.where(topical, 2 * strength[:, TOPIC], 0)
    codes[:, PIECE] = np.where(tokens == 9, strength[:, PIECE], 0)
    codes[:, SIGN] = np.where(tokens == 17, strength[:, SIGN], 0)
    codes[:, DEAD] = 0
    codes[:, RARE] = 0
    codes[random.choice(len(tokens), 3, replace=False), RARE] = (1.0, 1.5, 0.4)
    return codes.astype(np.float32)


def write_store(folder: Path, rows: TokenRows, x: Tensor) -> ActivationStore:
    """An activation store of float32 with one site."""
    folder.mkdir()
    rows.save(folder / "rows")
    x.numpy().astype("<f4").tofile(folder / f"{SITE}.bin")
    content = {"n_tokens": len(x), "dtype": "float32", "sites": {SITE: {"width": x.shape[1]}}}
    parents = {"model": "m0", "corpus": "c0"}
    write_manifest(folder, Manifest(kind="activations", content=content, parents=parents, hash="a0"))
    return ActivationStore.open(folder)


@dataclass(frozen=True)
class Unembedding:
    """A last norm and an unembedding that know the corpus' words: feature WORD promotes «towers»."""

    matrix: Tensor
    gain: Tensor

    def weights(self, directions: Tensor) -> Tensor:
        return logit_weights(directions, self.matrix, self.gain, True)
