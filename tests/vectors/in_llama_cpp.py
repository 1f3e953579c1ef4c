"""Runs in an environment with llama-cpp-python: logits of a model under a control vector, to an ``.npz``.

    python in_llama_cpp.py MODEL.gguf VECTOR.gguf TOKENS.json LOGITS.npz

The vector is read by ggml's own reader and laid out as ``common_control_vector_load`` does, which the library does not
export. One array for each strength: ``[token, vocabulary]``.
"""

import ctypes
import json
import sys

import llama_cpp as lc
import numpy as np
from llama_cpp._ggml import libggml as ggml


class Parameters(ctypes.Structure):
    """``struct gguf_init_params``."""

    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.POINTER(ctypes.c_void_p)))


ggml.gguf_init_from_file.restype = ctypes.c_void_p
ggml.gguf_init_from_file.argtypes = [ctypes.c_char_p, Parameters]
ggml.gguf_get_n_tensors.restype = ctypes.c_int64
ggml.gguf_get_n_tensors.argtypes = [ctypes.c_void_p]
ggml.gguf_get_tensor_name.restype = ctypes.c_char_p
ggml.gguf_get_tensor_name.argtypes = [ctypes.c_void_p, ctypes.c_int64]
ggml.ggml_get_tensor.restype = ctypes.c_void_p
ggml.ggml_get_tensor.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
ggml.ggml_nelements.restype = ctypes.c_int64
ggml.ggml_nelements.argtypes = [ctypes.c_void_p]
ggml.ggml_get_data_f32.restype = ctypes.POINTER(ctypes.c_float)
ggml.ggml_get_data_f32.argtypes = [ctypes.c_void_p]


def directions(path: str) -> dict[int, np.ndarray]:
    """Number -> direction, as ggml reads the file."""
    context = ctypes.c_void_p()
    file = ggml.gguf_init_from_file(path.encode(), Parameters(False, ctypes.pointer(context)))
    assert file, "ggml does not read the file"
    found = {}
    for number in range(ggml.gguf_get_n_tensors(file)):
        name = ggml.gguf_get_tensor_name(file, number)
        tensor = ggml.ggml_get_tensor(context, name)
        size = ggml.ggml_nelements(tensor)
        found[int(name.decode().partition(".")[2])] = np.ctypeslib.as_array(
            ggml.ggml_get_data_f32(tensor), (size,)
        ).copy()
    return found


def logits(model: str, vector: str, tokens: list[int], strength: float) -> np.ndarray:
    """Logits at every token, with everything in float32."""
    loaded = lc.llama_model_load_from_file(model.encode(), lc.llama_model_default_params())
    assert loaded, "llama.cpp does not load the model"
    options = lc.llama_context_default_params()
    options.n_ctx = options.n_batch = options.n_ubatch = 128
    options.n_threads = options.n_threads_batch = 1
    options.type_k = options.type_v = 0
    options.flash_attn_type = 0
    context = lc.llama_init_from_model(loaded, options)
    n_blocks, width = lc.llama_model_n_layer(loaded), lc.llama_model_n_embd(loaded)
    if strength:
        table = np.zeros((n_blocks, width), np.float32)
        for number, direction in directions(vector).items():
            table[number - 1] = direction * np.float32(strength)
        pointer = table.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        assert not lc.llama_set_adapter_cvec(context, pointer, table.size, width, 1, n_blocks)
    batch = lc.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for place, token in enumerate(tokens):
        batch.token[place], batch.pos[place] = token, place
        batch.n_seq_id[place], batch.seq_id[place][0], batch.logits[place] = 1, 0, 1
    assert not lc.llama_decode(context, batch)
    size = lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(loaded))
    rows = [
        np.ctypeslib.as_array(lc.llama_get_logits_ith(context, i), (size,)).copy() for i in range(len(tokens))
    ]
    return np.stack(rows)


if __name__ == "__main__":
    MODEL, VECTOR, TOKENS, OUT = sys.argv[1:]
    with open(TOKENS) as file:  # noqa: PTH123 - this environment's own style does not matter
        TASK = json.load(file)
    np.savez(OUT, **{str(s): logits(MODEL, VECTOR, TASK["tokens"], s) for s in TASK["strengths"]})
