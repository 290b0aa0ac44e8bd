"""Maps of a comparison: of our methods, of the reader's own function, ready made; and against the second class."""

from dataclasses import replace

import captum.attr
import numpy as np
import pytest
import torch

import workbench as wb
from workbench.errors import BadInput
from workbench.evaluation.maps import is_ready

FAST = {"occlusion": {"window": 7, "strides": 7}}


@pytest.fixture(scope="module")
def few(digits):
    return digits.subset(train=400, valid=40, test=120)


@pytest.fixture(scope="module")
def nets(trained, few):
    return [
        trained("mlp", few, sizes={"hidden": [16]}, epochs=4, lr=3e-3, seed=seed).model for seed in range(3)
    ]


def compared(nets, data, methods, **options):
    settings = {"references": [nets[2]], "n": 20, "verbose": False, **options}
    return wb.compare(nets[0], nets[1], data, methods={**FAST, **methods}, **settings)


def by_hand(model, x, target):
    return captum.attr.Saliency(model).attribute(x.requires_grad_(), target=target, abs=False)


def test_a_function_of_ones_own_is_compared_as_a_method_is(nets, few, unchanged):
    with unchanged(nets[0]), unchanged(nets[1]):
        c = compared(nets, few, {"by_hand": by_hand, "saliency": {"abs": False}}, output="logit")
    for column, runs in c.of("saliency").items():
        assert c.of("by_hand")[column] == pytest.approx(runs, abs=1e-5), column
    assert wb.Comparison._row(c, "by_hand", "cosine")["role"] == "secondary"


def test_explanations_that_are_ready_are_compared_too(nets, few, tmp_path):
    rows = few.test[:20]
    target = wb.explain(nets[0], rows, "saliency").target
    made = [
        wb.explain(net, rows, "saliency", abs=False, target=target, output="centred_logit") for net in nets
    ]
    pair = compared(nets, few, {"mine": made[:2], "saliency": {"abs": False}})
    assert pair.of("mine")["compressed"] == pytest.approx(pair.of("saliency")["compressed"], abs=1e-6)
    assert np.isnan(pair.table().set_index("method").loc["mine", "references"]).all()
    assert "own noise is not known" in pair.index("mine").reason
    whole = {"before": made[0], "after": made[1], "self": made[0], "references": [made[2]]}
    full = compared(nets, few, {"mine": whole})
    assert full.index("mine").value == pytest.approx(pair.index("saliency").value, abs=1e-6)
    again = wb.Comparison.load(pair.save(tmp_path / "c.safetensors"))
    assert again.table().equals(pair.table())
    assert "mine" in pair.to_html(tmp_path / "c.html").read_text("utf-8")


def test_the_runner_up_is_the_originals_for_both(nets, few):
    c = compared(nets, few, {})
    assert list(c.facts["methods"]) == ["occlusion", "occlusion:runner_up"]
    rows = few.test[:20]
    with torch.no_grad():
        order = nets[0](torch.tensor(rows.x)).argsort(1, descending=True).numpy()
    maps = [
        wb.explain(net, rows, "occlusion", target=order[:, 0], output="logit", **FAST["occlusion"]).values
        - wb.explain(net, rows, "occlusion", target=order[:, 1], output="logit", **FAST["occlusion"]).values
        for net in nets[:2]
    ]
    one, other = (m.reshape(20, -1) for m in maps)
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert c.of("occlusion:runner_up")["compressed"][0] == pytest.approx(cosine, abs=1e-4)


def test_of_two_classes_the_contrast_is_the_centred_logit_itself():
    x = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    data = wb.from_arrays(x, (x[:, 0] > 0).astype(int))
    glass = wb.fit(wb.build("logistic", data), data)
    c = wb.compare(glass, glass, data, references=0, n=20, verbose=False)
    assert list(c.facts["methods"]) == ["feature_ablation"]


def test_methods_that_were_trained_on_decide_nothing(nets, few):
    step = {"step": "prune", "trained_on": ["occlusion", "saliency"]}
    report = wb.prune(nets[0], 0.5).report
    after = wb.Compressed(nets[1], report, nets[0], (step,))
    c = wb.compare(
        nets[0],
        after,
        few,
        methods={"saliency": {"abs": False}},
        sham=nets[0],
        references=[nets[2]],
        n=20,
        verbose=False,
    )
    assert c.facts["primary"] == "kernel_shap" and c.facts["trained_on"] == ["occlusion", "saliency"]
    table = c.table().set_index("method")
    assert table.loc["saliency", "trained_on"].all() and not table.loc["kernel_shap", "trained_on"].any()
    assert "saliency" not in set(c.secondary()["method"])


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({"mine": ("before", "after")}, "are a str"),
        ({"mine": {"before": None}}, "lack 'after'"),
        ({"mine": {"before": None, "after": None, "shem": None}}, "column 'shem'"),
        ({"my map": by_hand}, "called 'my map'"),
        ({"mine": lambda model, x, target: np.full((20, 3), np.nan)}, "or NaN"),
        ({"mine": lambda model, x, target: np.zeros(20)}, "shape \\(20,\\)"),
    ],
)
def test_what_is_no_map_is_refused_with_its_name(nets, few, methods, said):
    with pytest.raises(BadInput, match=said):
        compared(nets, few, methods)


def test_maps_of_other_rows_or_classes_are_refused(nets, few):
    e = wb.explain(nets[0], few.test[:20], "saliency")
    with pytest.raises(BadInput, match="the first 20 test rows"):
        compared(nets, few, {"mine": (e[:10], e[:10])})
    with pytest.raises(BadInput, match="the first 20 test rows"):
        compared(nets, few, {"mine": (e[::-1], e[::-1])})
    other = replace(e, target=(e.target + 1) % 10)
    with pytest.raises(BadInput, match="other classes in 20 rows"):
        compared(nets, few, {"mine": (e, other)})


def test_options_are_no_maps():
    assert not is_ready({"window": 7}) and is_ready(("a", "b")) and is_ready({"before": 1})
