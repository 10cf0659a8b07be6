"""Arrays, sequences and datasets for training."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import lamina
from comparing import assert_close
from lamina import layers, utils
from properties import examples

POSITIVE = st.integers(1, 4)


@given(st.lists(st.integers(0, 6), min_size=1), st.sampled_from([None, 7, 9]))
@examples(20)
def test_classes_become_the_vectors_of_keras(x, classes):
    np.testing.assert_array_equal(utils.to_categorical(x, classes), keras.utils.to_categorical(x, classes))
    column = np.array(x)[:, None]
    np.testing.assert_array_equal(utils.to_categorical(column, classes), keras.utils.to_categorical(column, classes))


def test_vectors_are_normalised_as_in_keras():
    x = np.random.default_rng(0).normal(size=(3, 4))
    x[1] = 0
    for order in (1, 2):
        assert_close(utils.normalize(x, 1, order), keras.utils.normalize(x, 1, order), rtol=1e-6)
        np.testing.assert_allclose(utils.normalize(x.T, 0, order), utils.normalize(x, 1, order).T)  # Keras fails along axis 0


@given(
    st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=4),
    st.sampled_from([None, 1, 3, 7]),
    st.sampled_from(["pre", "post"]),
    st.sampled_from(["pre", "post"]),
)
@examples(40)
def test_sequences_are_padded_as_in_keras(sequences, maxlen, padding, truncating):
    arguments = dict(maxlen=maxlen, padding=padding, truncating=truncating, value=-1)
    expected = keras.utils.pad_sequences(sequences, **arguments)
    found = utils.pad_sequences(sequences, **arguments)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@given(size=st.integers(1, 30), length=POSITIVE, stride=POSITIVE, rate=POSITIVE, batch=POSITIVE, with_targets=st.booleans())
@examples(60)
def test_windows_of_a_time_series(size, length, stride, rate, batch, with_targets):
    data, targets = np.arange(size), np.arange(size) * 10 if with_targets else None
    starts = [i for i in range(0, size, stride) if i + (length - 1) * rate < size]
    if not starts:
        with pytest.raises(ValueError, match="A window reaches over"):
            utils.timeseries_dataset_from_array(data, targets, length, stride, rate, batch)
        return
    dataset = utils.timeseries_dataset_from_array(data, targets, length, stride, rate, batch)
    batches = list(dataset)
    x = np.concatenate([part[0] if with_targets else part for part in batches])
    assert x.tolist() == [[i + k * rate for k in range(length)] for i in starts]
    assert len(batches) == len(dataset) and all(len(part[0] if with_targets else part) <= batch for part in batches)
    if with_targets:
        assert np.concatenate([part[1] for part in batches]).tolist() == [10 * i for i in starts]


def test_windows_can_be_shuffled_and_train_a_model():
    series = np.sin(np.arange(300) / 5).astype("float32")
    dataset = utils.timeseries_dataset_from_array(series[:-8], series[8:], 8, batch_size=32, shuffle=True, seed=3)
    first, second = list(dataset), list(dataset)
    assert not np.array_equal(first[0][0], second[0][0])
    seen = [np.sort(np.concatenate([y for _, y in part])) for part in (first, second)]
    np.testing.assert_array_equal(*seen)
    lamina.random.set_seed(0)
    model = lamina.Sequential([layers.Dense(1)])
    model.compile(lamina.optimizers.Adam(0.05), "mse")
    assert model.fit(dataset, epochs=20, verbose=0).history["loss"][-1] < 1e-2


@given(total=st.integers(2, 40), share=st.floats(0.1, 0.9), shuffle=st.booleans())
@examples(30)
def test_a_split_loses_no_sample(total, share, shuffle):
    x = {"a": np.arange(total), "b": np.arange(total) * 2}
    if not 1 <= round(total * share) < total:
        return
    left, right = utils.split_dataset(x, left_size=share, shuffle=shuffle, seed=1)
    assert len(left["a"]) == round(total * share)
    assert sorted([*left["a"], *right["a"]]) == list(range(total))
    np.testing.assert_array_equal(right["b"], 2 * right["a"])


@pytest.fixture
def pictures(tmp_path):
    for name, colour in (("dark", 10), ("light", 240)):
        (tmp_path / name).mkdir()
        for i in range(6):
            Image.new("RGB", (8 + i, 6), (colour, colour, i)).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_pictures_are_read_from_folders_and_train_a_model(pictures):
    training, held = utils.image_dataset_from_directory(
        pictures, image_size=(5, 4), batch_size=4, validation_split=0.25, subset="both", seed=1
    )
    assert training.class_names == ["dark", "light"] and (training.number, held.number) == (9, 3)
    for x, y in training:
        assert x.shape[1:] == (5, 4, 3) and x.dtype == np.float32
        np.testing.assert_allclose(x[..., 0], np.where(y == 0, 10, 240)[:, None, None] * np.ones((5, 4)))
    model = lamina.Sequential([layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(2)])
    model.compile("adam", lamina.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    assert model.fit(training, epochs=30, verbose=0, validation_data=held).history["val_accuracy"][-1] == 1


def test_labels_of_files(pictures):
    of = lambda **kwargs: utils.image_dataset_from_directory(pictures, shuffle=False, image_size=(2, 2), **kwargs)  # noqa: E731
    assert of(label_mode="binary")[0][1].tolist() == [[0.0]] * 6 + [[1.0]] * 6
    assert of(label_mode="categorical", class_names=["light", "dark"])[0][1].argmax(1).tolist() == [0] * 6 + [1] * 6
    assert of(labels=list(range(12)))[0][1].tolist() == list(range(12))
    assert of(labels=None, color_mode="grayscale")[0].shape == (12, 2, 2, 1)
    assert of(batch_size=None)[0][0].shape == (2, 2, 3)


def test_texts_are_read_from_folders_and_mapped(tmp_path):
    for name, text in (("bad", "rain rain"), ("good", "sun")):
        (tmp_path / name).mkdir()
        for i in range(3):
            (tmp_path / name / f"{i}.txt").write_text(f"{text} {i}")
    dataset = utils.text_dataset_from_directory(tmp_path, shuffle=False)
    texts, labels = dataset[0]
    assert texts.tolist()[0] == "rain rain 0" and labels.tolist() == [0, 0, 0, 1, 1, 1]
    vectorize = layers.TextVectorization(vocabulary=["rain", "sun"], output_mode="count")
    numbers = dataset.map(lambda x, y: (vectorize(x), y))
    np.testing.assert_array_equal(numbers[0][0][:, 1:], [[2, 0]] * 3 + [[0, 1]] * 3)


def test_one_seed_makes_all_draws_the_same():
    def draws():
        utils.set_random_seed(5)
        return np.random.rand(), float(lamina.random.normal(())), layers.Dense(2)(np.ones((1, 3)))

    for a, b in zip(draws(), draws(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "act, says",
    [
        (lambda _: utils.to_categorical([3], 3), "from 3 to 3"),
        (lambda _: utils.pad_sequences([[1]], padding="left"), "'pre' or 'post', not 'left'"),
        (lambda _: utils.pad_sequences([[[1, 2]], [[1]]]), "must have one shape"),
        (lambda _: utils.timeseries_dataset_from_array([1, 2], None, 0), "sequence_length must be a positive"),
        (lambda _: utils.split_dataset(np.arange(4)), "left_size or right_size"),
        (lambda _: utils.split_dataset(np.arange(4), 3, 3), "cannot be split"),
        (lambda _: utils.split_dataset((np.arange(4), np.arange(3)), 2), "same number of samples"),
        (lambda _: utils.set_random_seed(-1), "integer from 0"),
        (lambda path: utils.text_dataset_from_directory(path), "no files that end in"),
        (lambda path: utils.text_dataset_from_directory(path / "nowhere"), "There is no folder"),
        (lambda path: utils.text_dataset_from_directory(path, label_mode="one_hot"), "label_mode must be"),
        (lambda path: utils.image_dataset_from_directory(path, color_mode="rbg"), "Did you mean 'rgb'"),
        (lambda path: utils.image_dataset_from_directory(path, interpolation="cubic"), "Did you mean 'bicubic'"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(tmp_path, act, says):
    with pytest.raises(ValueError, match=says):
        act(tmp_path)
