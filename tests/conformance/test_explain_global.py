"""Views of the whole model are what the libraries give when they are called by hand."""

import numpy as np
import pytest
import shap
import torch
from captum.concept import TCAV, Classifier, Concept
from torch import nn

import workbench as wb
from workbench.explanation.concepts import _shares, _slopes
from workbench.explanation.score import Score
from workbench.explanation.space import Space

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def clouds():
    """Three clouds of points in five columns."""
    y = np.arange(60) % 3
    x = RNG.normal(size=(60, 5)) + (RNG.normal(size=(3, 5)) * 2)[y]
    return wb.from_arrays(x, y, class_names=["red", "green", "blue"])


def test_mean_shap_is_that_of_shap(clouds):
    mlp = wb.fit(wb.build("mlp", clouds, hidden=(12,)), clouds, epochs=10, lr=0.01, verbose=False)

    def logits(x):
        return mlp.model(torch.tensor(x, dtype=torch.float32)).detach().numpy()

    ours = wb.explain(mlp, clouds.test, "mean_shap", background=clouds.train[:10], data=clouds)
    explainer = shap.explainers.Exact(logits, shap.maskers.Independent(clouds.train.x[:10]))
    theirs = explainer(clouds.test.x).values  # (row, feature, class)
    np.testing.assert_allclose(ours.values, np.abs(theirs).mean(0).T, rtol=1e-4, atol=1e-5)


def test_captum_gives_the_same_share_along_the_same_direction(tmp_path):
    class Along(Classifier):
        """A classifier whose direction is the one that ours has found."""

        def __init__(self):
            pass

        def train_and_eval(self, dataloader, **_):
            return {}

        def weights(self):
            return torch.tensor(np.stack([way, -way]), dtype=torch.float32)

        def classes(self):
            return [0, 1]

    torch.manual_seed(0)
    curved = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)).eval()
    x, way = RNG.normal(size=(25, 4)).astype(np.float32), RNG.normal(size=6)
    score = Score(curved, "logit", differentiable=True)
    slopes = _slopes(score, Space(torch.tensor(x), labels=np.zeros(25, dtype=int)), 0, curved[0])
    sets = [
        Concept(i, f"c{i}", torch.utils.data.DataLoader(torch.rand(8, 4), batch_size=8)) for i in range(2)
    ]
    theirs = TCAV(curved, ["0"], classifier=Along(), save_path=str(tmp_path)).interpret(
        torch.tensor(x), [sets], target=0
    )
    share = theirs["0-1"]["0"]["sign_count"][0].item()
    assert 0.05 < share < 0.95
    assert _shares([slopes], way)[0] == pytest.approx(share)
