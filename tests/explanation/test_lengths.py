"""Answers about texts of several lengths become one answer."""

import torch

from workbench.data.tokenizer import Tokenizer
from workbench.explanation.lengths import by_length, keys
from workbench.explanation.score import Score
from workbench.explanation.space import Space

CODEC = Tokenizer(("[PAD]", "[UNK]", "[CLS]", "a", "b"), 4)
X = torch.tensor([[2, 3, 4, 3], [2, 3, 0, 0], [2, 4, 4, 3], [2, 0, 0, 0]])


def merged(facts_of):
    score, seen = Score(lambda texts: [[0, 0]] * len(texts), "logit", codec=CODEC), []
    score.aim(X)

    def method(score, inputs):
        seen.append((inputs.rows.tolist(), inputs.n_groups))
        return inputs.x.float() + inputs.n_groups, facts_of(inputs.n_groups)

    values, facts = by_length(method, score, Space(X, codec=CODEC))
    return values, facts, seen


def test_rows_of_one_length_go_together_and_come_back_in_their_order():
    values, _, seen = merged(lambda d: {})
    assert seen == [([3], 0), ([1], 1), ([0, 2], 3)]
    assert torch.equal(values, X + torch.tensor([[3], [1], [3], [0]]))


def test_measured_facts_are_the_mean_over_rows_and_agreed_ones_stay():
    facts = merged(lambda d: {"error": float(d), "segments": "words", "n_samples": d})[1]
    assert facts == {"error": (0 + 1 + 2 * 3) / 4, "segments": "words"}
    facts = merged(lambda d: {"fit": 0.5} | ({"coalitions": "all"} if d < 3 else {}) if d else {})[1]
    assert facts == {"fit": 0.5}
    assert merged(lambda d: {"fit_low": 0.5 - d})[1] == {"fit_low": -2.5}


def test_rows_without_words_of_their_own_are_taken_at_once():
    seen = []
    by_length(
        lambda score, inputs: seen.append(inputs.n) or (inputs.x, {}),
        Score(len, "logit"),
        Space(torch.zeros(5, 3)),
    )
    assert seen == [5]


def test_draws_belong_to_the_place_in_the_call():
    space = Space(X, codec=CODEC)
    part = space.of(torch.tensor([3, 1]), X[[3, 1]])
    assert keys(part, 7, False) == [(7, 3), (7, 1)]
    assert keys(part, 7, True) == [(7,)]
