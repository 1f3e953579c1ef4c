"""Rows of tokens: a corpus as a language model reads it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int16, Int32, Int64, UInt

from monoscope.activations.tokenizing import TokenStream, token_stream
from monoscope.documents import Document
from monoscope.errors import BrokenInput, UnknownName, WrongUse, nearest
from monoscope.manifest import Manifest, content_hash, read_manifest, staged, write_manifest
from monoscope.models.language_model import LanguageModel

PADDING = -1
"""Document number of the tokens that fill up the last row."""
CONTEXT = 256
"""Tokens in a row, unless another number is asked for or the model has room for fewer."""

Tags = tuple[Int64[np.ndarray, " _"], Int16[np.ndarray, " _"]]
"""Flat positions, ascending, and the concept tagged there (its index in ``concepts``). A token with two
concepts has two entries."""


@dataclass(frozen=True, eq=False)
class TokenRows:
    """Tokens packed in rows of equal length, which document each came from, and what it is known to express.

    A *flat position* counts through all rows: ``row * context + token``. Arrays of an opened artefact are
    mapped from disk and read-only.
    """

    tokens: UInt[np.ndarray, "row token"]
    """Token ids: uint16 where the vocabulary allows it, else uint32."""
    document_ids: Int32[np.ndarray, "row token"]
    """Number of the document in the order given to ``pack``; -1 for padding."""
    special: tuple[int, ...]
    """Token ids that stand for no text (beginning, end, padding)."""
    concepts: tuple[str, ...]
    """Names of the concepts that are tagged, sorted."""
    tags: dict[str, Tags]
    """``mention`` and ``passage`` -> what is tagged so."""

    @property
    def context(self) -> int:
        """Tokens in a row."""
        return self.tokens.shape[1]

    @cached_property
    def usable(self) -> Bool[np.ndarray, "row token"]:
        """True where the token stands for text: neither padding nor special."""
        is_special = np.zeros(max(int(self.tokens.max()), *self.special, 0) + 1, dtype=bool)
        is_special[list(self.special)] = True
        return (self.document_ids != PADDING) & ~is_special[self.tokens]

    @cached_property
    def n_tokens(self) -> int:
        """Usable tokens."""
        return int(np.count_nonzero(self.usable))

    def tagged(self, concept: str, kind: str) -> Bool[np.ndarray, "row token"]:
        """True where ``concept`` is tagged as ``kind`` (``mention`` or ``passage``).

        Raises:
            UnknownName: no such concept is tagged in these rows, or there is no such kind.
        """
        if kind not in self.tags:
            raise UnknownName(f"{kind!r} is no kind of tag", f"kinds are {', '.join(self.tags)}")
        if concept not in self.concepts:
            hint = nearest(concept, self.concepts) if self.concepts else "these rows have no tags"
            raise UnknownName(f"the concept {concept!r} is not tagged in these rows", hint)
        positions, concept_ids = self.tags[kind]
        found = np.zeros(self.tokens.size, dtype=bool)
        found[positions[concept_ids == self.concepts.index(concept)]] = True
        return found.reshape(self.tokens.shape)

    @cached_property
    def hash(self) -> str:
        """Content hash of tokens, document numbers and tags."""
        names = f"{self.tokens.shape} {self.tokens.dtype} {self.special} {self.concepts}"
        return content_hash(
            names, *(np.ascontiguousarray(part).tobytes() for part in self._arrays().values())
        )

    def save(self, folder: Path) -> None:
        """Write an artefact of kind ``rows``: raw arrays and a manifest.

        Raises:
            OutOfSpace: the disk is full.
        """
        with staged(folder) as place:
            for name, part in self._arrays().items():
                (place / f"{name}.bin").write_bytes(np.ascontiguousarray(part).data)
            content = {
                "context": self.context,
                "rows": len(self.tokens),
                "token_dtype": self.tokens.dtype.name,
                "special": self.special,
                "concepts": self.concepts,
                "kinds": list(self.tags),
            }
            write_manifest(place, Manifest(kind="rows", content=content, hash=self.hash))

    @classmethod
    def open(cls, folder: Path) -> "TokenRows":
        """Map rows that were saved.

        Raises:
            MissingInput: there are none.
            BrokenInput: a file is missing or cut short.
        """
        content = read_manifest(folder, "rows").content
        shape = (content["rows"], content["context"])

        def array(name: str, dtype: str) -> np.ndarray:
            path = Path(folder) / f"{name}.bin"
            if path.is_file() and path.stat().st_size == 0:
                return np.empty(0, dtype=dtype)  # An empty file cannot be mapped.
            try:
                return np.memmap(path, dtype=dtype, mode="r")
            except (OSError, ValueError) as error:
                raise BrokenInput(
                    f"{path} cannot be mapped: {error}", f"delete {folder} and make it again"
                ) from error

        try:
            tokens = array("tokens", content["token_dtype"]).reshape(shape)
            document_ids = array("document_ids", "int32").reshape(shape)
        except ValueError as error:
            raise BrokenInput(
                f"the rows in {folder} are cut short: {error}", "delete them and make them again"
            ) from error
        tags = {
            kind: (array(f"{kind}_positions", "int64"), array(f"{kind}_concepts", "int16"))
            for kind in content["kinds"]
        }
        return cls(tokens, document_ids, tuple(content["special"]), tuple(content["concepts"]), tags)

    def _arrays(self) -> dict[str, np.ndarray]:
        """File name -> array."""
        arrays: dict[str, np.ndarray] = {"tokens": self.tokens, "document_ids": self.document_ids}
        for kind, (positions, concept_ids) in self.tags.items():
            arrays |= {f"{kind}_positions": positions, f"{kind}_concepts": concept_ids}
        return arrays


def pack(
    documents: Iterable[Document],
    lm: LanguageModel,
    *,
    context: int | None = None,
    n_tokens: int | None = None,
) -> TokenRows:
    """Tokenize documents and fill rows with them, one after the other, as in pre-training.

    A document is the model's beginning token, where it has one, and the tokens of its text. A document that
    does not fit goes on in the next row, which starts with the beginning token again. Attention is not kept
    apart between the documents of a row. The last row is filled up with padding, which nothing before it
    sees.

    A token is tagged with a span's concept when its characters, the space before a word left aside, overlap
    the span.

    Args:
        documents: read only as far as they are needed.
        lm: the model whose tokenizer is used.
        context: tokens in a row; None: 256, or the most the model can read.
        n_tokens: usable tokens (neither special nor padding) after which to stop; None: all.

    Raises:
        WrongUse: the context or the number of tokens cannot be had.
        BrokenInput: there are no documents, they hold no usable token or too many concepts, or the model's
            tokenizer does not know which characters a token stands for.
    """
    context = min(lm.context, CONTEXT) if context is None else context
    if not 2 <= context <= lm.context:
        raise WrongUse(
            f"rows of {context} tokens cannot be read by {lm.name}", f"give a context of 2 to {lm.context}"
        )
    if n_tokens is not None and n_tokens < 1:
        raise WrongUse(f"{n_tokens} tokens cannot be packed", "give 1 or more")
    stream = token_stream(documents, lm, n_tokens)
    if len(stream.concepts) > np.iinfo(np.int16).max:
        raise BrokenInput(f"the spans name {len(stream.concepts)} concepts", "name at most 32767")
    tokens, document_ids, flat = _cut(stream, context, lm)
    tags = {kind: _sorted_tags(pairs, flat, len(stream.concepts)) for kind, pairs in stream.tags.items()}
    rows = TokenRows(tokens, document_ids, tuple(sorted(lm.special_ids)), stream.concepts, tags)
    if not rows.n_tokens:
        raise BrokenInput(
            "the documents hold no token that stands for text", "give documents with words in them"
        )
    return rows


def _cut(
    stream: TokenStream, context: int, lm: LanguageModel
) -> tuple[UInt[np.ndarray, "row token"], Int32[np.ndarray, "row token"], Int64[np.ndarray, " position"]]:
    """Cut a stream: token ids, document numbers, and where each position of the stream went (flat)."""
    length = len(stream.tokens)
    places, leads = [], []
    place = 0
    while place < length:
        leads.append(0 if lm.bos_id is None or stream.begins[place] else 1)
        places.append(place)
        place += context - leads[-1]
    first, lead = np.array(places, dtype=np.int64), np.array(leads, dtype=np.int64)
    counts = np.diff(np.append(first, length))
    row = np.arange(len(first))
    flat = np.arange(length) + np.repeat(row * context + lead - first, counts)
    tokens = np.full(len(first) * context, min(lm.special_ids, default=0), dtype=stream.tokens.dtype)
    document_ids = np.full(len(tokens), PADDING, dtype=np.int32)
    tokens[flat], document_ids[flat] = stream.tokens, stream.document_ids
    if lm.bos_id is not None:
        continued = lead == 1
        tokens[row[continued] * context] = lm.bos_id
        document_ids[row[continued] * context] = stream.document_ids[first[continued]]
    return tokens.reshape(-1, context), document_ids.reshape(-1, context), flat


def _sorted_tags(
    pairs: Int64[np.ndarray, "_ 2"], flat: Int64[np.ndarray, " position"], n_concepts: int
) -> Tags:
    """Flat positions and concepts, each pair once, sorted by position, then by concept."""
    width = max(n_concepts, 1)
    # Nearly sorted already: much faster than numpy.unique, which hashes.
    keys = np.sort(flat[pairs[:, 0]] * width + pairs[:, 1], kind="stable")
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return keys // width, (keys % width).astype(np.int16)
