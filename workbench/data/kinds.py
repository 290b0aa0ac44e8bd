"""The words for each kind of input: the story of a page or a notebook is one, its units are three."""

from __future__ import annotations

from dataclasses import dataclass

HIDDEN = 0.3  # share of the parts that a masked input lacks
SWAPPED = 0.1  # share of the columns or words of a noisy input that come from elsewhere
NOISE = 0.3  # deviation of a noisy image's noise, in ranges of the image
MOVED = 14  # a shifted image is moved by one part in this of its side
NUDGED = 0.1  # a shifted number is moved by so many deviations of its column


@dataclass(frozen=True)
class Kind:
    """How an input of a kind is spoken of, and which end point is fixed for it.

    Attributes
    ----------
    noun
        What the rows are called: "images".
    part, parts
        What is hidden at a time: "region".
    primary
        The method whose maps are the primary end point of a comparison.
    secondary
        Methods that are compared beside it by default, where all models can be explained by them.
    hiding
        What that method does, as subject and verb of a sentence.
    speaks
        How a picture shows what speaks for an answer, as subject of "speaks for".
    absent
        What stands for a part that is hidden.
    noise
        What stands for noise in such an input.
    shift
        What stands for a shift of such an input.
    """

    name: str
    noun: str
    part: str
    parts: str
    primary: str
    secondary: tuple[str, ...]
    hiding: str
    speaks: str
    absent: str
    noise: str
    shift: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind("image", "images", "region", "regions", "occlusion", ("integrated_gradients", "grad_cam"),
             "hiding each part of the input changes its answer", "red",
             "a baseline of zero", f"noise of {NOISE:g} of their range", f"are moved by a {MOVED}th of their side"),
        Kind("table", "rows", "column", "columns", "feature_ablation", ("integrated_gradients",),
             "hiding each column changes its answer", "what lies right of zero",
             "the training mean", f"{SWAPPED:.0%} of the columns, at least one, taken from other rows",
             f"have each number moved by {NUDGED:g} of its deviation"),
        Kind("text", "texts", "word", "words", "feature_ablation", ("integrated_gradients", "attention"),
             "hiding each word changes its answer", "red",
             "padding", f"{SWAPPED:.0%} of the words, at least one, exchanged", "have two neighbouring words in each other's place"),
    )
}  # fmt: skip
