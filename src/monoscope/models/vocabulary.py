"""What each token of a tokenizer looks like on its own."""

from collections.abc import Sequence

from tokenizers import Tokenizer

ANCHOR = "a"
"""Tokens are decoded after this letter, because decoders drop the space before a text's first token."""


def readable_tokens(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """Each token as text, with its leading space.

    Bytes that are no whole character are written ``<0xE2>``, and numbers that no token has ``<512>``.
    """
    anchor = tokenizer.encode(ANCHOR, add_special_tokens=False).ids[-1:]
    start = len(tokenizer.decode(anchor, skip_special_tokens=False))
    texts = tokenizer.decode_batch([[*anchor, token] for token in ids], skip_special_tokens=False)
    return [_named(tokenizer, token, text[start:]) for token, text in zip(ids, texts, strict=True)]


def _named(tokenizer: Tokenizer, token: int, text: str) -> str:
    if text and "\N{REPLACEMENT CHARACTER}" not in text:
        return text
    piece = tokenizer.id_to_token(token)
    if piece is None:
        return f"<{token}>"
    if any(character not in BYTES for character in piece):
        return piece
    raw = bytes(BYTES[character] for character in piece)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "".join(f"<0x{byte:02X}>" for byte in raw)


def _byte_alphabet() -> dict[str, int]:
    """Character -> byte, as byte-level tokenizers write it: printable as itself, the others from 256."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


BYTES = _byte_alphabet()
