"""Nets and inputs for the tests of explanations: quick, and not all alike."""

import numpy as np
import pandas as pd
import pytest
import torch
from nets import Convolutional

import workbench as wb
from workbench.data.columns import Columns
from workbench.data.records import Data, Split
from workbench.data.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def tiny(digits):
    """An untrained LeNet-5 of a few channels; whoever changes it fails the test that looks."""
    return wb.build("lenet5", digits, channels=(3, 4), hidden=8, seed=1)


@pytest.fixture
def images(digits):
    """Five digits."""
    return digits.test.x[:5].copy()


@pytest.fixture
def convolutional():
    """A net with batch norm and dropout, left in train mode, with hooks and gradients of the user's own."""
    torch.manual_seed(0)
    net = Convolutional(channels=1).train()
    for _ in range(2):
        net(torch.rand(6, 1, 28, 28)).sum().backward()
    net.pool.eval()
    net.last.bias.requires_grad_(False)
    net.conv.register_forward_hook(lambda *_: None)
    return net


@pytest.fixture(scope="session")
def clouds():
    """Three clouds of points in five columns that are nearly lines apart."""
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    centres = rng.normal(size=(3, 5)) * 2
    return wb.from_arrays(rng.normal(size=(150, 5)) + centres[y], y, class_names=["red", "green", "blue"],
                          feature_names=["age", "income", "debt", "years", "rooms"])  # fmt: skip


@pytest.fixture(scope="session")
def mlp(clouds):
    """A trained net for the clouds."""
    return wb.fit(wb.build("mlp", clouds, hidden=(12,)), clouds, epochs=10, lr=0.01, verbose=False)


def split(x, y, rows, codec, texts=None):
    """Return chosen rows as a split that knows how to read them."""
    rows = np.asarray(rows)
    return Split(
        x[rows], y[rows], rows + 100, rows, texts=None if texts is None else texts[rows], codec=codec
    )


@pytest.fixture(scope="session")
def people():
    """A table of numbers, one of them sometimes missing, and categories: cooks and the young pay back."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "age": rng.integers(20, 70, 300).astype(float),
        "job": rng.choice(["cook", "smith", "tailor"], 300, p=[0.5, 0.3, 0.2]),
        "debt": rng.normal(1000, 300, 300),
        "married": rng.random(300) < 0.4,
    })  # fmt: skip
    frame.loc[rng.random(300) < 0.2, "debt"] = np.nan
    y = (
        ((frame["job"] == "cook") * 2 + (frame["age"] < 45) + rng.normal(0, 0.3, 300) > 1.2)
        .to_numpy()
        .astype(int)
    )
    codec = Columns.learned(frame[:200])
    x = codec.encoded(frame)
    parts = {name: split(x, y, rows, codec) for name, rows in
             {"train": range(200), "valid": range(200, 240), "test": range(240, 300)}.items()}  # fmt: skip
    return Data(
        "people", "table", **parts, feature_names=codec.names, class_names=("late", "paid"), codec=codec
    )


@pytest.fixture(scope="session")
def clerk(people):
    """A trained net for the people."""
    return wb.fit(wb.build("mlp", people, hidden=(16,)), people, epochs=8, lr=0.01, verbose=False)


GOOD, BAD = ("good", "great", "fine", "lovely"), ("bad", "poor", "dull", "awful")
FILL = ("the", "film", "was", "a", "story", "and", "cast", "plot")


@pytest.fixture(scope="session")
def reviews():
    """Short texts of one or two sentences; one word of each decides."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 260)
    texts = []
    for label in y:
        words = list(rng.choice(FILL, rng.integers(1, 9)))
        words.insert(rng.integers(0, len(words) + 1), str(rng.choice(GOOD if label else BAD)))
        if len(words) > 5:
            words.insert(3, ".")
        texts.append(" ".join(words))
    texts = np.array(texts, dtype=object)
    codec = Tokenizer.learned(list(texts[:200]), length=14)
    x = codec.encoded(texts)
    parts = {name: split(x, y, rows, codec, texts) for name, rows in
             {"train": range(200), "valid": range(200, 230), "test": range(230, 260)}.items()}  # fmt: skip
    return Data("reviews", "text", **parts, feature_names=(), class_names=("bad", "good"), codec=codec)


@pytest.fixture(scope="session")
def reader(reviews):
    """A trained LSTM with attention for the reviews."""
    net = wb.build("lstm_attention", reviews, embedding=8, hidden=16, dropout=0.0)
    return wb.fit(net, reviews, epochs=6, lr=0.01, batch_size=16, verbose=False)


@pytest.fixture(scope="session")
def transformer(reviews):
    """An untrained transformer of two layers and two heads."""
    return wb.build("transformer", reviews, layers=2, heads=2, width=8, feedforward=8, seed=3)


@pytest.fixture(scope="session")
def bag(reviews):
    """A pipeline that reads strings: words and pairs of words, and a linear model."""
    return wb.fit(wb.build("logistic", reviews), reviews)


@pytest.fixture(scope="session")
def column_pipeline(people):
    """A pipeline that was fitted on the data frame itself."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    parts = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["job", "married"]),
                                    (SimpleImputer(), ["age", "debt"]))  # fmt: skip
    return make_pipeline(parts, LogisticRegression(max_iter=5000)).fit(people.train.raw, people.train.y)
