"""Words of captum, shap and LIME: taken where they count the same thing as ours, else refused with the conversion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import BadInput

# (method, their word) -> our option, which counts the same thing.
SAME = {
    ("lime", "num_samples"): "n_samples",
    ("kernel_shap", "nsamples"): "n_samples",
    ("permutation_shap", "npermutations"): "n_samples",
    ("partition_shap", "max_evals"): "n_samples",
    ("gradient_shap", "nsamples"): "n_samples",
    ("smooth_grad", "nt_samples"): "n_samples",
    ("smooth_grad", "stdevs"): "stdev",
}
# (method, their word) -> what to pass instead, where it counts something else for this method.
OTHERWISE = {
    ("lime", "num_features"): "All groups are fitted: read the first k of them with e.top(k)",
    ("shapley_sampling", "nsamples"): "shap counts evaluations and we count orders: n_samples = nsamples // groups",
    ("shapley_sampling", "max_evals"): "n_samples counts orders, of about one evaluation a group: n_samples = max_evals // groups",
    ("permutation_shap", "max_evals"): "n_samples counts permutations, of 2 x groups + 1 evaluations for shap: "
                                       "n_samples = max_evals // (2 x groups + 1)",
    ("permutation_shap", "nsamples"): "n_samples counts permutations, of about 2 x groups evaluations: n_samples = nsamples // (2 x groups)",
    ("kernel_shap", "max_evals"): "n_samples counts coalitions without the two ends: n_samples = max_evals - 2",
    ("kernel_shap", "l1_reg"): "Every group is estimated, none is selected away: leave it out",
    ("tree_shap", "feature_perturbation"): "A background makes it interventional, none tree_path_dependent: pass background=, or leave it out",
    ("tree_shap", "approximate"): "Saabas' approximation is method='decision_path'",
    ("linear_shap", "feature_perturbation"): "Columns are exchanged one by one (interventional): leave it out",
    ("occlusion", "sliding_window_shapes"): "window counts the trailing axes, without the channel: window=(rows, columns)",
}  # fmt: skip
# Their word -> what to pass instead, whatever the method.
ANYWHERE = {
    "perturbations_per_eval": "It counts perturbed copies of all n inputs, batch_size rows: batch_size = perturbations_per_eval x n",
    "internal_batch_size": "Pass batch_size=, the rows of one forward",
    "additional_forward_args": "Pass forward_kwargs=, a dict of names",
    "random_state": "Pass seed=",
    "random_seed": "Pass seed=",
    "labels": "Pass target=, one class a row, or one for all",
    "top_labels": "Pass target=, one class at a time",
    "hide_color": "Pass baselines=, what stands for a hidden group",
    "segmentation_fn": "Pass feature_mask=, the segments themselves",
    "mask_value": "Pass baselines=, what stands for a hidden group",
    "model_output": "Pass output=",
    "link": "Pass output=, such as 'logit' or 'probability'",
    "check_additivity": "It is always checked: e.delta is the gap. Leave it out",
    "feature_selection": "All groups are fitted: read the first k of them with e.top(k)",
}


def in_our_words(method: str, options: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return options by our names.

    Parameters
    ----------
    method
        Name of the method.
    options
        As they were passed.
    known
        The method's own options: a word that is one of them is ours.

    Raises
    ------
    BadInput
        A word of a library's that counts something else, or one beside ours for the same thing.

    Examples
    --------
    >>> in_our_words("lime", {"num_samples": 50}, {"n_samples": 1000})
    {'n_samples': 50}
    """
    out: dict[str, Any] = {}
    for word, value in options.items():
        ours = word if word in known else SAME.get((method, word), word)
        instead = OTHERWISE.get((method, word), ANYWHERE.get(word))
        if word not in known and instead is not None:
            raise BadInput(
                f"{method} was given {word}={value!r}, a word of another library", "our word for it", instead
            )
        if ours in out:
            raise BadInput(
                f"{method} was given {ours} twice, once as {word!r}", "one of the two words", f"Keep {ours}"
            )
        out[ours] = value
    return out
