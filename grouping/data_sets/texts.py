"""Inputs of a network from columns of free text: token numbers, by a tokenizer fitted to the training rows.

The tokenizer is byte-pair encoding (Sennrich, Haddow and Birch, Neural machine translation of rare words with
subword units, ACL 2016) of Hugging Face's ``tokenizers``. What is fitted is its JSON, and so plain data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    from tokenizers import Tokenizer

MOST_TOKENS = 128
"""Tokens of a text; a longer one is cut."""
VOCABULARY = 4_000
"""Different tokens, as many as the training rows give reasons for."""
LEAST_FREQUENT = 2
"""Times that two neighbouring tokens stand in the training rows before they become one."""
PADDING, UNKNOWN = "[PAD]", "[UNK]"
"""Special tokens, with the numbers 0 and 1."""


@dataclass(frozen=True)
class FittedTexts:
    """How columns of free text become token numbers, side by side.

    The number 0 is padding; a text that is missing is padding alone.

    Attributes:
        columns: names of the columns, each a text of the row.
        length: tokens of each text.
        vocabulary: number of token numbers, padding included.
        tokenizer: the fitted tokenizer, as ``tokenizers.Tokenizer.from_str`` reads it.
    """

    columns: tuple[str, ...]
    length: int
    vocabulary: int
    tokenizer: str

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each input."""
        return tuple(f"{column} token {n + 1}" for column in self.columns for n in range(self.length))

    @property
    def layout(self) -> dict[str, int]:
        """Parameters of the Transformer encoder that reads such rows."""
        return {"vocabulary": self.vocabulary, "n_segments": len(self.columns), "max_length": self.length}

    def apply(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """Return the token numbers of rows, ``[rows, len(names)]``."""
        inputs = np.zeros((len(frame), len(self.names)), dtype=np.float32)
        for place, column in enumerate(self.columns):
            for row, tokens in enumerate(_encoded(self._fitted, frame[column])):
                kept = tokens[: self.length]
                inputs[row, place * self.length : place * self.length + len(kept)] = kept
        return inputs

    @cached_property
    def _fitted(self) -> Tokenizer:
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self.tokenizer)


def fit_texts(frame: pd.DataFrame, columns: Sequence[str]) -> FittedTexts:
    """Fit one tokenizer to all texts of the training rows.

    Args:
        frame: the training rows alone.
        columns: names of the columns of text, at least one.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=LEAST_FREQUENT,
        special_tokens=[PADDING, UNKNOWN],
        show_progress=False,
    )
    texts = (str(text) for name in columns for text in frame[name].dropna())
    tokenizer.train_from_iterator(texts, trainer)
    lengths = [len(tokens) for name in columns for tokens in _encoded(tokenizer, frame[name])]
    length = max(1, min(MOST_TOKENS, max(lengths, default=1)))
    return FittedTexts(tuple(columns), length, max(2, tokenizer.get_vocab_size()), tokenizer.to_str())


def _encoded(tokenizer: Tokenizer, series: pd.Series[Any]) -> Iterator[list[int]]:
    """Yield the token numbers of each text; none where it is missing."""
    for text, is_missing in zip(series, series.isna(), strict=True):
        yield [] if is_missing else tokenizer.encode(str(text)).ids
