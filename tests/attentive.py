"""Small nets with attention as people write it, untrained: patches, words, columns, and Hugging Face's interface."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


def encoder(width: int = 8, layers: int = 2, **options: Any) -> nn.TransformerEncoder:
    """Return torch's own encoder, which takes its fast path in evaluation mode."""
    with warnings.catch_warnings():  # It says where it will not nest tensors.
        warnings.simplefilter("ignore")
        return nn.TransformerEncoder(
            nn.TransformerEncoderLayer(width, 2, 16, batch_first=True, **options), layers
        )


class Patches(nn.Module):
    """A vision transformer: patches by a convolution, ``special`` tokens of its own, torch's encoder, three logits."""

    def __init__(
        self, patch: int = 7, side: int = 28, special: int = 1, behind: bool = False, body: Any = None
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cut = nn.Conv2d(1, 8, patch, patch)
        self.special, self.behind = special, behind
        self.own = nn.Parameter(torch.randn(1, special, 8))
        self.places = nn.Parameter(torch.randn(1, (side // patch) ** 2 + special, 8))
        self.body, self.last = body or encoder(), nn.Linear(8, 3)
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens, own = self.cut(x).flatten(2).transpose(1, 2), self.own.expand(len(x), -1, -1)
        tokens = self.body(torch.cat([tokens, own] if self.behind else [own, tokens], 1) + self.places)
        return self.last(tokens.mean(1) if not self.special else tokens[:, -1 if self.behind else 0])


class Squares(Patches):
    """The same with patches cut by hand: no convolution tells how large they are."""

    def __init__(self, patch: int = 7, **options: Any) -> None:
        super().__init__(patch, **options)
        self.patch, self.cut = patch, nn.Linear(patch * patch, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = F.unfold(x, self.patch, stride=self.patch).transpose(1, 2)
        own = self.own.expand(len(x), -1, -1)
        return self.last(self.body(torch.cat([own, self.cut(patches)], 1) + self.places)[:, 0])


class Words(nn.Module):
    """Words through torch's encoder with its padding mask; two logits, read at the first token or at the mean of all."""

    def __init__(self, vocabulary: int, mean: bool = False, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.embedding, self.places = nn.Embedding(vocabulary, 8, padding_idx=0), nn.Embedding(20, 8)
        self.body, self.last, self.mean = encoder(**options), nn.Linear(8, 2), mean
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.embedding(x) + self.places(torch.arange(x.shape[1], device=x.device))
        tokens = self.body(tokens, src_key_padding_mask=x == 0)
        return self.last(tokens.mean(1) if self.mean else tokens[:, 0])


class Tokens(nn.Module):
    """A table with a token a column, beside one of the model's own, which stands first or last."""

    def __init__(self, columns: int, behind: bool = False) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.width, self.bias = nn.Parameter(torch.randn(columns, 8)), nn.Parameter(torch.randn(columns, 8))
        self.own, self.behind = nn.Parameter(torch.randn(1, 1, 8)), behind
        self.attention, self.last = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 2)
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens, own = x[..., None] * self.width + self.bias, self.own.expand(len(x), -1, -1)
        tokens = torch.cat([tokens, own] if self.behind else [own, tokens], 1)
        out, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return self.last(out[:, -1 if self.behind else 0])


class OwnAttention(nn.Module):
    """Self-attention as many write it: "softmax" by hand, "fused" by torch's product, or "tuple", which returns weights."""

    def __init__(self, how: str, heads: int = 2, width: int = 8) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.how, self.heads, self.mixing = how, heads, nn.Linear(width, 3 * width)
        self.normed = nn.Softmax(dim=-1)

    def forward(self, x: torch.Tensor) -> Any:
        q, k, v = self.mixing(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if self.how == "fused":
            return x + F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5
        weights = (
            scores.exp() / scores.exp().sum(-1, keepdim=True) if self.how == "tuple" else self.normed(scores)
        )
        out = x + (weights @ v).transpose(1, 2).flatten(2)
        return (out, weights) if self.how == "tuple" else out


class First(nn.Module):
    """Hands on the first of what a layer returns."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)[0]


@dataclass
class Output:
    """What a model of Hugging Face returns."""

    logits: torch.Tensor
    attentions: tuple[torch.Tensor, ...] | None = None


class Mixing(nn.Module):
    """Attention without a name that tells, and without a softmax of torch's."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = OwnAttention("tuple")
        self.mixing, self.heads, self.how = self.inside.mixing, 2, "tuple"
        del self.inside

    def forward(self, x: torch.Tensor) -> Any:
        return OwnAttention.forward(self, x)


class Hugging(nn.Module):
    """The interface of Hugging Face by hand: a config, ``output_attentions``, and an object with ``logits``."""

    def __init__(self, vocabulary: int, layer: Any = Mixing) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.config = SimpleNamespace(output_attentions=False)
        self.words = nn.Embedding(vocabulary, 8)
        self.layers, self.last = nn.ModuleList([layer(), layer()]), nn.Linear(8, 2)
        self.asked: list[Any] = []

    def forward(self, input_ids: torch.Tensor, output_attentions: bool | None = None) -> Output:
        self.asked.append(output_attentions)
        x, found = self.words(input_ids), []
        for layer in self.layers:
            x, weights = layer(x)
            found.append(weights)
        return Output(self.last(x[:, 0]), tuple(found) if output_attentions else None)


class Logits(nn.Module):
    """Hands on the logits of what a model returns, as its users do."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x).logits
