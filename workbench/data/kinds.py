"""The words for each kind of input: the story of a page or a notebook is one, its units are three."""

from __future__ import annotations

from dataclasses import dataclass


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
    hiding
        What that method does, as subject and verb of a sentence.
    noise
        What stands for noise in such an input.
    """

    name: str
    noun: str
    part: str
    parts: str
    primary: str
    hiding: str
    noise: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind("image", "images", "region", "regions", "occlusion", "hiding each part of the image changes its answer",
             "noise of 0.3 of their range"),
        Kind("table", "rows", "column", "columns", "feature_ablation", "hiding each column changes its answer",
             "a tenth of their columns from another row"),
        Kind("text", "texts", "word", "words", "feature_ablation", "hiding each word changes its answer",
             "a tenth of their words from another text"),
    )
}  # fmt: skip
