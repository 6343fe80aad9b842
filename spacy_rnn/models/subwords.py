"""Subword units by the library `tokenizers`: byte-pair encoding, or a unigram model."""

from collections import Counter
from functools import lru_cache
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Set

from ..errors import Errors

MODELS = ("bpe", "unigram")
# What the library writes for a space: see `bytes_of`.
SPACE = chr(0x100 + ord(" "))
# Tokens whose pieces are kept at hand.
CACHE_SIZE = 2**16


class Subwords:
    """Cuts tokens into pieces. Bytes are the alphabet, so no text is unknown.

    data (str): A tokenizer of the library, as JSON.
    """

    def __init__(self, data: str) -> None:
        library = _library()
        try:
            self._tokenizer = library.Tokenizer.from_str(data)
        except Exception as e:  # the library raises no other
            raise ValueError(Errors.E060.format(reason=f"subwords: {e}")) from e
        self.cut = lru_cache(maxsize=CACHE_SIZE)(self._cut)
        self._data = data

    def _cut(self, text: str) -> Sequence[str]:
        """RETURNS (Sequence[str]): The pieces of a token, as the library writes bytes."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).tokens)

    def all(self) -> Set[str]:
        """RETURNS (Set[str]): All pieces."""
        return set(self._tokenizer.get_vocab())

    def count(self, texts: Mapping[str, int]) -> List[str]:
        """RETURNS (List[str]): All pieces, those that occur most in the texts first."""
        counts: Dict[str, int] = Counter(dict.fromkeys(self.all(), 0))
        for text, n in texts.items():
            for piece in self._cut(text):
                counts[piece] += n
        return sorted(counts, key=lambda piece: (-counts[piece], piece))

    def join(self, pieces: Sequence[str]) -> str:
        """RETURNS (str): The text of pieces; bytes that make no character become U+FFFD."""
        return str(_decode(pieces))

    def __reduce__(self) -> Any:
        return Subwords, (self._data,)


def train_subwords(
    tokens: Mapping[str, int], subword_model: str, min_freq: int, max_size: int
) -> str:
    """Learn the pieces of tokens.

    tokens (Mapping[str, int]): Tokens with the space before them, and how often they occur.
    subword_model (str): "bpe" (Sennrich et al. 2016) or "unigram" (Kudo 2018).
    min_freq (int): With "bpe": pairs that are rarer are not joined.
    max_size (int): How many pieces, but at least the 256 bytes; 0 for no limit.
    RETURNS (str): The tokenizer, as JSON.
    """
    library = _library()
    if subword_model not in MODELS:
        expected = ", ".join(MODELS)
        raise ValueError(
            Errors.E009.format(what="subword_model", found=subword_model, expected=expected)
        )
    alphabet = library.pre_tokenizers.ByteLevel.alphabet()
    # Each further piece joins two that are there. The library reserves room for as many as it is
    # told, so it must not be told any large number.
    most = len(alphabet) + sum(len(token.encode("utf8")) for token in tokens)
    common = dict(
        vocab_size=max(min(max_size or most, most), len(alphabet)),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    if subword_model == "bpe":
        tokenizer = library.Tokenizer(library.models.BPE())
        trainer = library.trainers.BpeTrainer(min_frequency=min_freq, **common)
    else:
        tokenizer = library.Tokenizer(library.models.Unigram())
        trainer = library.trainers.UnigramTrainer(unk_token=None, **common)
    # Each token is cut by itself, and as it is: nothing crosses the bounds of spaCy's tokens.
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=False
    )
    tokenizer.train_from_iterator(_repeated(tokens), trainer)
    return str(tokenizer.to_str())


def _repeated(tokens: Mapping[str, int], size: int = 10_000) -> Iterator[List[str]]:
    """The tokens, each as often as it occurs, in lists of a bounded length."""
    batch: List[str] = []
    for token, count in sorted(tokens.items()):
        while count:
            n = min(count, size - len(batch))
            batch += [token] * n
            count -= n
            if len(batch) == size:
                yield batch
                batch = []
    yield batch


def _library() -> Any:
    try:
        import tokenizers
    except ImportError as e:
        raise ImportError(
            Errors.E008.format(what='unit = "subword"', module="tokenizers", extra="subword")
        ) from e
    return tokenizers


@lru_cache(maxsize=1)
def bytes_of() -> Dict[str, int]:
    """The byte that each character of the alphabet stands for: printable ones for themselves, and
    the others, in order, for the characters from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    table = {chr(byte): byte for byte in printable}
    table.update({chr(0x100 + i): byte for i, byte in enumerate(others)})
    return table


def _decode(pieces: Sequence[str]) -> str:
    table = bytes_of()
    return bytes(table[char] for piece in pieces for char in piece).decode("utf8", "replace")
