"""Runs in an environment with repeng: its directions on given states, and its reading and writing of gguf files.

    python in_repeng.py STATES.npz VECTOR.gguf OUT.npz OUT.gguf

``states`` is ``[2 pair, d_model]``, positive and negative in turn; OUT.gguf is VECTOR.gguf, read and written again.
"""

import sys

import numpy as np
import repeng
from repeng import extract

STATES, VECTOR, OUT, COPY = sys.argv[1:]
states = np.load(STATES)["states"]
inputs = [repeng.DatasetEntry("", "")] * (len(states) // 2)
extract.batched_get_hiddens = lambda *_: {1: states.copy()}
extract.model_layer_list = lambda _: [None, None]
directions = {
    method: extract.read_representations(None, None, inputs, hidden_layers=[1], method=method)[1]
    for method in ("pca_diff", "pca_center")
}
np.savez(OUT, **directions)
repeng.ControlVector.import_gguf(VECTOR).export_gguf(COPY)
