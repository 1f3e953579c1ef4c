"""The text of a continuation, told as soon as it is certain, token by token."""

import re
from collections.abc import Sequence
from typing import Any, Protocol, final, runtime_checkable

from monoscope.models.vocabulary import ANCHOR, BYTES

BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
"""How tokenizers that fall back to bytes name one. A run of them is read as a whole, once it is over."""
INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""What decoders write for bytes that are no whole character, or not yet."""


@runtime_checkable
class Decodes(Protocol):
    """Whoever knows a tokenizer."""

    tokenizer: Any

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some tokens, special tokens left out."""
        ...


@final
class TextStream:
    """Turns tokens into text as they come.

    What :meth:`take` and then :meth:`finish` give is, joined, the continuation decoded at once with its prompt,
    ``decode(prompt + written)[len(decode(prompt)):]``, cut where the first stop string begins. Held back are characters
    of which bytes are missing and what may be the beginning of a stop string. Only the last few tokens are decoded
    again: a token costs the same after ten others and after ten thousand.
    """

    def __init__(self, lm: Decodes, prompt: Sequence[int], stop: Sequence[str] = ()) -> None:
        """A stream in which nothing is written yet.

        Args:
            lm: the model, for its tokenizer.
            prompt: the tokens that are continued.
            stop: the text ends before the first of these; none of them empty.
        """
        self.lm, self.stop = lm, tuple(stop)
        self.stopped = False
        """Whether a stop string was met; nothing comes after it."""
        self.tokenizer = lm.tokenizer.backend_tokenizer
        # Decoders drop the space before a text's first token: later ones are decoded after another.
        self.anchor: list[int] = self.tokenizer.encode(ANCHOR, add_special_tokens=False).ids[-1:]
        self.silent = {number for number, token in lm.tokenizer.added_tokens_decoder.items() if token.special}
        said = [token for token in prompt if self._speaks(token)]
        start = len(said)
        while start and (start == len(said) or not self._begins(said[start])):
            start -= 1
        self.begun = start > 0
        self.window = said[start:]
        self.given = len(self._text(self.window))
        self.held = ""
        self.certain = 0
        """Characters that are certain, whether given or held back for a stop string."""
        self.length = 0
        """Characters so far, those that are not certain included: where the next token's text begins."""

    def take(self, token: int) -> str:
        """Go on with a token: the text that is certain now and was not before."""
        if self.stopped or not self._speaks(token):
            return ""
        self.window.append(token)
        if self._is_byte(token):
            return ""
        text = self._text(self.window)
        certain = text.removesuffix(INCOMPLETE)
        new = certain[self.given :]
        self.given = max(self.given, len(certain))
        self.length = self.certain + len(new) + max(0, len(text) - self.given)
        if certain == text:
            self._forget(len(self.window), len(text))
        else:
            before = self._text(self.window[:-1])
            if before + self._text([token], begun=True) == text:
                self._forget(len(self.window) - 1, len(before))
        return self._until_stop(new)

    def finish(self) -> str:
        """The rest, when nothing more comes."""
        if self.stopped:
            return ""
        new = self._text(self.window)[self.given :]
        self.window, self.given = [], 0
        return self._until_stop(new, last=True)

    def _until_stop(self, new: str, last: bool = False) -> str:
        """What of the text held so far may be given, with the new text behind it."""
        self.held += new
        self.certain += len(new)
        found = [place for stop in self.stop if (place := self.held.find(stop)) >= 0]
        # An earlier place, at which a longer stop string may yet turn out to begin.
        possible = len(self.held) if last else self._possible()
        if found and min(found) <= possible:
            self.stopped = True
            given, self.held = self.held[: min(found)], ""
            return given
        given, self.held = self.held[:possible], self.held[possible:]
        return given

    def _possible(self) -> int:
        """The first place from which all that is held is the beginning of a stop string, and not the whole."""
        longest = max(map(len, self.stop), default=0)
        for place in range(max(0, len(self.held) - longest + 1), len(self.held)):
            tail = self.held[place:]
            if any(len(tail) < len(stop) and stop.startswith(tail) for stop in self.stop):
                return place
        return len(self.held)

    def _forget(self, tokens: int, length: int) -> None:
        """Decode the first tokens of the window no more; their text has that length."""
        self.begun = self.begun or tokens > 0
        self.window = self.window[tokens:]
        self.given = max(0, self.given - length)

    def _text(self, tokens: Sequence[int], begun: bool | None = None) -> str:
        """The text of tokens, as it stands behind others where there are any."""
        if not (self.begun if begun is None else begun):
            return self.lm.decode(tokens)
        return self.lm.decode([*self.anchor, *tokens])[len(ANCHOR) :]

    def _speaks(self, token: int) -> bool:
        """Whether the token stands for text."""
        return token not in self.silent and self.tokenizer.id_to_token(token) is not None

    def _is_byte(self, token: int) -> bool:
        return BYTE.fullmatch(self.tokenizer.id_to_token(token)) is not None

    def _begins(self, token: int) -> bool:
        """Whether a character begins with the token, whatever stands before it."""
        return not self._is_byte(token) and not self._text([token], begun=True).startswith(INCOMPLETE)


def token_bytes(lm: Decodes, token: int) -> bytes | None:
    """The bytes that a token stands for, a character's parts included; None where it stands for no text."""
    tokenizer = lm.tokenizer.backend_tokenizer
    piece = tokenizer.id_to_token(token)
    if piece is None:
        return None
    if BYTE.fullmatch(piece):
        return bytes([int(piece[3:5], 16)])
    anchor = tokenizer.encode(ANCHOR, add_special_tokens=False).ids[-1:]
    text = tokenizer.decode([*anchor, token], skip_special_tokens=True)[len(ANCHOR) :]
    if INCOMPLETE not in text:
        return text.encode() or None
    return bytes(BYTES[character] for character in piece) if set(piece) <= set(BYTES) else text.encode()
