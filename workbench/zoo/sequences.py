"""Small networks of token numbers, written so that their attention can be read, pruned and made int8.

Attention weights pass through :class:`AttentionWeights`, where a forward hook reads them; query, key and
value are plain linear layers (``nn.MultiheadAttention`` hides its weights and has no int8 form).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

PAD = 0  # token number of padding, and of what is hidden
SMALL = 0.1  # deviation of a fresh embedding: with torch's 1 words are learnt several times as slowly


class AttentionWeights(nn.Module):
    """Turns scores into weights that sum to one over the last axis; padding gets none (Bahdanau et al. 2015)."""

    def forward(self, scores: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        """Return weights of the scores' shape; ``padding`` is True where there is no token."""
        return scores.masked_fill(padding, float("-inf")).softmax(-1)


class LSTMAttention(nn.Module):
    """A bidirectional LSTM with additive attention over its states (Yang et al. 2016).

    Parameters
    ----------
    vocabulary
        How many tokens there are; 0 is padding.
    n_classes
        How many logits.
    embedding, hidden
        Numbers a token; units of the LSTM in each direction, and of the layers behind it.
    dropout
        Of embeddings, and before each linear layer of the head, while it trains.
    """

    def __init__(self, vocabulary: int, n_classes: int, embedding: int = 32, hidden: int = 32,
                 dropout: float = 0.5) -> None:  # fmt: skip
        super().__init__()
        self.embedding = _embedding(vocabulary, embedding)
        self.drop1 = nn.Dropout(dropout)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True, bidirectional=True)
        self.energy = nn.Linear(2 * hidden, hidden)
        self.tanh = nn.Tanh()
        self.score = nn.Linear(hidden, 1, bias=False)
        self.weights = AttentionWeights()
        self.drop2 = nn.Dropout(dropout)
        self.fc1 = nn.Linear(2 * hidden, hidden)
        self.relu1 = nn.ReLU()
        self.drop3 = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits ``(n, class)`` of token numbers ``(n, length)``."""
        states, _ = self.lstm(self.drop1(self.embedding(x)))
        scores = self.score(self.tanh(self.energy(states))).squeeze(2)
        weights = self.weights(scores, x == PAD)
        summary = (weights.unsqueeze(2) * states).sum(1)
        return self.fc2(self.drop3(self.relu1(self.fc1(self.drop2(summary)))))


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward layer, each behind a norm and beside a shortcut (Xiong et al. 2020).

    Parameters
    ----------
    width, heads, feedforward
        Numbers a token; attention heads, which share them; hidden units of the feed-forward layer.
    dropout
        Of what is added to the stream, while it trains.
    """

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.per_head = width // heads  # heads are counted by the layers' sizes: some may leave
        self.norm1 = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.weights = AttentionWeights()
        self.out = nn.Linear(width, width)
        self.drop1 = nn.Dropout(dropout)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, feedforward)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(feedforward, width)
        self.drop2 = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        """Return the stream ``(n, length, width)`` with what this layer adds."""
        x = x + self.drop1(self.out(self._attended(self.norm1(x), padding)))
        return x + self.drop2(self.fc2(self.relu(self.fc1(self.norm2(x)))))

    def _attended(self, x: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        query, key, value = (self._by_head(layer(x)) for layer in (self.query, self.key, self.value))
        scores = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
        mixed = self.weights(scores, padding[:, None, None]) @ value
        return mixed.transpose(1, 2).flatten(2)

    def _by_head(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``(n, head, length, width / heads)``."""
        return x.unflatten(2, (-1, self.per_head)).transpose(1, 2)


class Transformer(nn.Module):
    """A small encoder of tokens; the logits are read at the first one, ``[CLS]`` (Vaswani et al. 2017).

    Parameters
    ----------
    input_shape
        ``(length,)``: each place has a position of its own.
    vocabulary
        How many tokens there are; 0 is padding.
    n_classes
        How many logits.
    layers, heads, width, feedforward
        How many encoder layers; attention heads; numbers a token; hidden units of the feed-forward layers.
    dropout
        Of embeddings and of what each layer adds, while it trains.
    """

    def __init__(self, input_shape: Sequence[int], vocabulary: int, n_classes: int, layers: int = 2,
                 heads: int = 2, width: int = 32, feedforward: int = 128, dropout: float = 0.3) -> None:  # fmt: skip
        super().__init__()
        self.embedding = _embedding(vocabulary, width)
        self.positions = _embedding(input_shape[0], width, padding=None)
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.ModuleList(EncoderLayer(width, heads, feedforward, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits ``(n, class)`` of token numbers ``(n, length)``."""
        padding = x == PAD
        stream = self.drop(self.embedding(x) + self.positions(torch.arange(x.shape[1], device=x.device)))
        for layer in self.encoder:
            stream = layer(stream, padding)
        return self.fc(self.norm(stream[:, 0]))


def _embedding(size: int, width: int, padding: int | None = PAD) -> nn.Embedding:
    """Return an embedding of small numbers, with zeros for padding."""
    embedding = nn.Embedding(size, width, padding_idx=padding)
    with torch.no_grad():
        embedding.weight.mul_(SMALL)
    return embedding
