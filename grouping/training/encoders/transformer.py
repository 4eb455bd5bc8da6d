"""Transformer encoder: self-attention within each text of a row; heads read, compare or rank texts.

Source of the blocks: Vaswani et al., Attention is all you need, NeurIPS 2017, with learned positions, a
LayerNorm after the embedding and GELU as in BERT (Devlin et al., NAACL 2019). Source of the heads: Liu, He,
Chen and Gao, Multi-task deep neural networks for natural language understanding (MT-DNN), ACL 2019.

A row holds ``n_segments`` texts side by side, each of ``n_features / n_segments`` token numbers; 0 is
padding. All are encoded with the same weights, and none attends to another. Features are ``[rows,
n_segments * length, channels]``, and a position whose features are all 0 is padding: every stage takes no
notice of it and leaves it at 0, so that a text padded longer has the same features.

With ``u``, ``v`` the means over the tokens of two texts, and their comparison ``c = [u, v, |u - v|, u * v]``,
a task that reads one text is a linear map of ``u``, one that reads two is a linear map of ``c``, and a
ranking scores each candidate by one linear map of its ``c`` with the question; more texts are put side by
side. What differs from MT-DNN: texts of a pair are encoded apart, so that one pass serves all tasks, and
nothing is pre-trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional

from grouping.domain.tasks import Task, TaskKind
from grouping.errors import InvalidInputError
from grouping.recipes.encoders import Transformer
from grouping.training.blueprint import Encoder

PARAMETERS = "/encoder/parameters"
N_BUCKETS = 32
"""Token numbers are counted in this many classes where a row is routed by its inputs."""


@dataclass(frozen=True)
class TransformerEncoder(Encoder):
    """Encoder of texts by self-attention; see the module.

    Attributes:
        parameters: layout of the rows, and size of the blocks.
    """

    parameters: Transformer

    def __post_init__(self) -> None:
        segments, longest = self.parameters.n_segments, self.parameters.max_length
        if self.n_features % segments:
            raise InvalidInputError(
                f"A row of {self.n_features} tokens cannot hold {segments} texts of one length.",
                pointer=f"{PARAMETERS}/n_segments",
            )
        if self.n_features // segments > longest:
            raise InvalidInputError(
                f"A text has {self.n_features // segments} tokens, more than the {longest} of max_length.",
                pointer=f"{PARAMETERS}/max_length",
            )

    def stage(self, index: int, n_in: int, width: int) -> nn.Module:
        """Build a block; the first one comes after the embedding of the tokens."""
        block = TransformerBlock(width, self.parameters)
        return block if index else nn.Sequential(Embedding(width, self.parameters), block)

    def head(self, task: Task, width: int) -> nn.Module:
        """Build the head for what the task reads: one text, a pair, a question with candidates, or all."""
        n_segments = self.parameters.n_segments
        reads = self.parameters.segments_of(task)
        if task.kind is not TaskKind.RANKING:
            return ReadingHead(reads, n_segments, width, task.n_outputs)
        return RankingHead(reads, n_segments, width)

    def pointwise(self, n_in: int, n_out: int) -> nn.Module:
        """Build a linear layer, without a bias so that padding stays 0."""
        return nn.Linear(n_in, n_out, bias=False)

    def summary(self, features: Tensor) -> Tensor:
        """Compute the mean over all tokens of the row; padding does not count."""
        return mean_over_tokens(features)

    def gate_inputs(self, inputs: Tensor) -> Tensor:
        """Count the row's tokens of each of `N_BUCKETS` classes, as ``log(1 + count)``."""
        tokens = inputs.long()
        classes = functional.one_hot(tokens % N_BUCKETS, N_BUCKETS) * (tokens > 0).unsqueeze(-1)
        return classes.sum(dim=1).to(inputs.dtype).log1p()

    @property
    def n_gate_inputs(self) -> int:
        """Number of classes of tokens."""
        return N_BUCKETS

    def check_widths(self, hidden: tuple[int, ...]) -> None:
        """Refuse widths that are not all equal and a multiple of the number of heads."""
        self.parameters.check_widths(hidden)

    def scaled(self, hidden: tuple[int, ...], factor: Fraction) -> tuple[int, ...]:
        """Scale the widths to a whole number of units per head, at least 1."""
        n_heads = self.parameters.n_heads
        return tuple(n_heads * max(1, int(width * factor / n_heads)) for width in hidden)


class Embedding(nn.Module):
    """Embedding of tokens: a vector per token plus one per position in its text, normalised."""

    def __init__(self, width: int, parameters: Transformer) -> None:
        super().__init__()
        self._n_segments = parameters.n_segments
        self.tokens = nn.Embedding(parameters.vocabulary, width)
        self.positions = nn.Embedding(parameters.max_length, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(parameters.dropout)
        nn.init.normal_(self.tokens.weight, std=width**-0.5)
        nn.init.normal_(self.positions.weight, std=0.1 * width**-0.5)

    def forward(self, inputs: Tensor) -> Tensor:
        """Embed token numbers, ``[rows, n_features]``, as features."""
        tokens = inputs.long()
        self._check(inputs, tokens)
        length = tokens.shape[1] // self._n_segments
        positions = self.positions.weight[:length].repeat(self._n_segments, 1)
        features: Tensor = self.dropout(self.norm(self.tokens(tokens) + positions))
        return features * (tokens > 0).unsqueeze(-1)

    def _check(self, inputs: Tensor, tokens: Tensor) -> None:
        size = self.tokens.num_embeddings
        # Costs are measured without values, and a graph has none while it is made.
        if inputs.device.type == "meta" or torch.compiler.is_exporting():
            return
        if bool(((tokens < 0) | (tokens >= size) | (tokens != inputs)).any()):
            raise InvalidInputError(
                f"The inputs are no token numbers from 0 to {size - 1}: raise the vocabulary to the largest "
                "number in the data plus 1, or choose another encoder.",
                pointer=f"{PARAMETERS}/vocabulary",
            )


class TransformerBlock(nn.Module):
    """Transformer block: attention, then a feed-forward layer, each with a residual and a normalisation.

    The last linear map of each starts at zero, so that a text is at first the mean of its words: with little
    data and nothing pre-trained, that is a better start than words mixed at random.
    """

    def __init__(self, width: int, parameters: Transformer) -> None:
        super().__init__()
        self._n_segments, self._n_heads = parameters.n_segments, parameters.n_heads
        self.queries, self.keys, self.values, self.joined = (nn.Linear(width, width) for _ in range(4))
        inner = width * parameters.feed_forward
        self.feed_forward = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.dropout = nn.Dropout(parameters.dropout)
        for last in (self.joined, self.feed_forward[-1]):
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        """Transform features to features of the same shape."""
        rows, positions, width = features.shape
        texts = features.reshape(rows * self._n_segments, -1, width)
        is_token = is_present(texts)
        texts = self.norms[0](texts + self.dropout(self._attention(texts, is_token)))
        texts = self.norms[1](texts + self.dropout(self.feed_forward(texts))) * is_token
        answer: Tensor = texts.reshape(rows, positions, width)
        return answer

    def _attention(self, texts: Tensor, is_token: Tensor) -> Tensor:
        n_texts, length, width = texts.shape

        def by_head(projection: nn.Module) -> Tensor:
            split: Tensor = projection(texts).reshape(n_texts, length, self._n_heads, -1)
            return split.transpose(1, 2)

        queries, keys, values = map(by_head, (self.queries, self.keys, self.values))
        logits = queries @ keys.transpose(2, 3) / (width // self._n_heads) ** 0.5
        # A large number and not infinity: a text of padding alone must not become not-a-number.
        logits = logits.masked_fill(~is_token.reshape(n_texts, 1, 1, length), -1e9)
        mixed = logits.softmax(dim=-1) @ values
        answer: Tensor = self.joined(mixed.transpose(1, 2).reshape(n_texts, length, width))
        return answer


class ReadingHead(nn.Module):
    """Head that reads one text, compares two, or reads several side by side, by a linear map."""

    def __init__(self, reads: tuple[int, ...], n_segments: int, width: int, n_outputs: int) -> None:
        super().__init__()
        self._reads, self._n_segments = list(reads), n_segments
        self.linear = nn.Linear(width * (4 if len(reads) == 2 else len(reads)), n_outputs)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Map the features of all texts to ``[rows, n_outputs]``."""
        texts = mean_of_texts(features, self._n_segments)[:, self._reads]
        together = compare(texts[:, :1], texts[:, 1:]) if len(self._reads) == 2 else texts
        outputs: Tensor = self.linear(together.flatten(1))
        return outputs


class RankingHead(nn.Module):
    """Head that scores the comparison of the question with each candidate by the same weights."""

    def __init__(self, reads: tuple[int, ...], n_segments: int, width: int) -> None:
        super().__init__()
        self._reads, self._n_segments = list(reads), n_segments
        # Without a bias: one that all candidates have in common changes no choice.
        self.linear = nn.Linear(4 * width, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map the features of all texts to ``[rows, candidates]``."""
        texts = mean_of_texts(features, self._n_segments)[:, self._reads]
        scores: Tensor = self.linear(compare(texts[:, :1].expand_as(texts[:, 1:]), texts[:, 1:]))
        return scores.squeeze(-1)


def is_present(features: Tensor) -> Tensor:
    """Return whether positions hold a token and not padding, ``[..., positions, 1]``."""
    return (features != 0).any(dim=-1, keepdim=True)


def mean_over_tokens(features: Tensor) -> Tensor:
    """Average ``[..., positions, channels]`` to ``[..., channels]``; 0 for a text of padding alone."""
    n_tokens = is_present(features).sum(dim=-2).clamp(min=1)
    return features.sum(dim=-2) / n_tokens


def mean_of_texts(features: Tensor, n_segments: int) -> Tensor:
    """Average the features of a stage to a vector per text, ``[rows, n_segments, channels]``."""
    rows, _, width = features.shape
    return mean_over_tokens(features.reshape(rows, n_segments, -1, width))


def compare(one: Tensor, other: Tensor) -> Tensor:
    """Concatenate two texts, their distance and their product: four times as many channels."""
    return torch.cat([one, other, (one - other).abs(), one * other], dim=-1)
