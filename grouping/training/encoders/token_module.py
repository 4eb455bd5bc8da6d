"""Encoder of texts by a module that takes token numbers and an attention mask, as those of Hugging Face do.

For plug-ins, like `ModuleEncoder`. A row holds the token numbers of one text, 0 being padding::

    class BertEncoder(TokenModuleEncoder):
        variants = ((128,), (256,))

        def model(self, width: int) -> nn.Module:
            return BertModel(BertConfig(hidden_size=width, ...), add_pooling_layer=False)

        def load_weights(self, module: nn.Module, index: int, width: int) -> None:
            module.model.load_state_dict(load_file(f"bert-{width}.safetensors"))
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from grouping.errors import InvalidInputError
from grouping.training.encoders.module import ModuleEncoder
from grouping.training.encoders.transformer import mean_over_tokens


@dataclass(frozen=True)
class TokenModuleEncoder(ModuleEncoder):
    """Base of encoders of one stage that attend to the tokens of a text; see the module."""

    @abstractmethod
    def model(self, width: int) -> nn.Module:
        """Build the model, whose features have `width` channels.

        It is called with ``input_ids`` and ``attention_mask``, ``[rows, tokens]`` whole numbers, the mask 1
        for tokens and 0 for padding, and gives ``[rows, tokens, width]``, or an object with that as its
        ``last_hidden_state``.
        """

    def module(self, index: int, n_in: int, width: int) -> nn.Module:
        """Build the one stage."""
        if index:
            raise InvalidInputError(
                f"{type(self).__name__} is a network of one piece: give it one hidden width.",
                pointer="/hidden",
            )
        return MaskedModel(self.model(width))

    def summary(self, features: Tensor) -> Tensor:
        """Compute the mean over all tokens of the row; padding does not count."""
        return mean_over_tokens(features)


class MaskedModel(nn.Module):
    """Model of token numbers whose mask follows from the padding; features of padding are 0."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: Tensor) -> Tensor:
        """Compute features ``[rows, tokens, width]`` of rows of token numbers."""
        tokens = rows.long()
        mask = (tokens > 0).long()
        answer = self.model(input_ids=tokens, attention_mask=mask)
        features: Tensor = getattr(answer, "last_hidden_state", answer)
        return features * mask.unsqueeze(-1)
