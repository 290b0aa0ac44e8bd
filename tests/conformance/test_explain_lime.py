"""LIME's weights are those of the library, asked with the same masks."""

import numpy as np
import pytest
import torch
from lime.lime_image import LimeImageExplainer
from nets import NINE

import workbench as wb
from workbench.state import generator


class Drawn(np.random.RandomState):
    """A random state that answers with our masks."""

    def __init__(self, masks):
        super().__init__(0)
        self.masks = masks

    def randint(self, *_, **__):
        return self.masks.ravel()


@pytest.mark.parametrize("row", [0, 5])
@pytest.mark.parametrize(("n_samples", "width"), [(120, 0.25), (300, 0.8)])
def test_weights_are_those_of_lime_image_with_the_same_masks(lenet, digits, row, n_samples, width):
    e = wb.explain(
        lenet, digits.test[row], "lime", n_samples=n_samples, kernel_width=width, feature_mask=NINE, seed=2
    )
    target = int(e.target[0])

    def scores(images):
        grey = np.asarray(images, dtype=np.float32).mean(-1)[:, None]
        with torch.no_grad():
            return lenet.model(torch.tensor(grey)).numpy()

    masks = torch.randint(0, 2, (n_samples, 9), generator=generator(2)).numpy()
    explainer = LimeImageExplainer(kernel_width=width, random_state=Drawn(masks))
    theirs = explainer.explain_instance(
        digits.test.x[row, 0].astype(float), scores, labels=(target,), top_labels=None, hide_color=0, num_features=100,
        num_samples=n_samples, batch_size=64, segmentation_fn=lambda image: NINE[0, 0],
    )  # fmt: skip
    weights = dict(theirs.local_exp[target])
    ours = [e.values[0][NINE[0] == group].sum() for group in range(9)]
    np.testing.assert_allclose(ours, [weights[group] for group in range(9)], rtol=1e-3, atol=1e-4)
    assert e.settings["fit"] == pytest.approx(
        theirs.score[target] if isinstance(theirs.score, dict) else theirs.score, rel=1e-3
    )
