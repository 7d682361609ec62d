import dataclasses
import shutil
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from ugatit_tf.data import images, sizes, sources
from ugatit_tf.data.cache import ImageCache
from ugatit_tf.data.sources import tfds as tfds_source
from ugatit_tf.errors import RunError, UsageError

COUNTS = {"trainA": 7, "trainB": 4, "testA": 3, "photos": 3}


def picture(split, index, side=6):
    """A lossless picture that says which it is."""
    red = list(COUNTS).index(split) * 50
    return np.full((side, side, 3), (red, index * 20, 200), np.uint8)


class LocalPictures(tfds.core.GeneratorBasedBuilder):
    """Made from files in `folder`, as TFDS makes its own from what it has downloaded."""

    VERSION = tfds.core.Version("1.2.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in ("small", "other")]
    folder = None

    def _info(self):
        features = {
            "image": tfds.features.Image(),
            "mask": tfds.features.Image(shape=(None, None, 1)),
            "depth": tfds.features.Image(shape=(None, None, 1), dtype=np.float32),
            "label": tfds.features.ClassLabel(num_classes=2),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in COUNTS}

    def _generate_examples(self, split):
        for path in sorted((self.folder / split).iterdir()):
            mask = np.full((3, 3, 1), int(path.stem), np.uint8)
            yield (
                int(path.stem),
                {"image": str(path), "mask": mask, "depth": np.zeros((3, 3, 1), np.float32), "label": 0},
            )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data_dir with the set prepared in it, in three files a split."""
    LocalPictures.folder = tmp_path_factory.mktemp("files")
    for split, count in COUNTS.items():
        (LocalPictures.folder / split).mkdir()
        for index in range(count):
            Image.fromarray(picture(split, index)).save(LocalPictures.folder / split / f"{index:02d}.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    sideways = np.zeros((4, 6, 3), np.uint8)
    sideways[:, :3] = 255  # white on the left of the file is white at the top
    Image.fromarray(sideways).save(LocalPictures.folder / "photos" / "00.png", exif=exif)
    (LocalPictures.folder / "photos" / "01.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"damaged")
    folder = tmp_path_factory.mktemp("data_dir")
    for file_format in "tfrecord", "array_record":
        builder = LocalPictures(config="small", data_dir=folder / file_format)
        shards = tfds.download.DownloadConfig(num_shards=3)
        builder.download_and_prepare(file_format=file_format, download_config=shards)
    return folder


@pytest.fixture
def config(tiny_config, prepared):
    return dataclasses.replace(tiny_config, dataset="tfds:local_pictures/small", data_dir=str(prepared / "tfrecord"))


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_a_prepared_set_is_read_in_any_order(config, prepared, file_format, caplog):
    config = dataclasses.replace(config, data_dir=str(prepared / file_format))
    train_a, train_b, test_a = sources.open_splits(config, ("trainA", "trainB", "testA"))
    assert train_a.place == "tfds:local_pictures/small/1.2.0 trainA"
    assert train_a.names == tuple("0123456")
    assert [len(train_b), len(test_a)] == [4, 3]
    for index in (6, 0, 3, 3, 5):
        np.testing.assert_array_equal(train_a.read(index, 6), picture("trainA", index))
    np.testing.assert_array_equal(train_b.read(3, 9), picture("trainB", 3, side=9))
    assert sources.open_splits(dataclasses.replace(config, img_ch=1), ("testA",))[0].read(0, 8).shape == (8, 8, 1)
    assert not caplog.records


def test_tfds_itself_gives_the_same_pictures(config):
    (image_set,) = sources.open_splits(config, ("trainA",))
    own = tfds.load("local_pictures/small", split="trainA", data_dir=config.data_dir, shuffle_files=False)
    for index, example in enumerate(own):
        np.testing.assert_array_equal(image_set.read(index, 6), example["image"].numpy())


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_splits_parts_of_splits_and_features_are_chosen(config, prepared, file_format):
    query = "?A=trainA[2:5]&B=trainB[50%:]+trainA[:1]&testA=trainB[-1:]&image=mask"
    config = dataclasses.replace(config, dataset=config.dataset + query, data_dir=str(prepared / file_format))
    found = sources.open_splits(config, ("trainA", "trainB", "testA"))
    values = [[int(image_set.read(i, 3)[0, 0, 0]) for i in range(len(image_set))] for image_set in found]
    assert values == [[2, 3, 4], [2, 3, 0], [3]]


@pytest.mark.parametrize("query", ["", "?A=photos&B=trainB&image=mask"])
def test_small_pictures_of_a_set_without_files_are_no_warning(config, query):
    config = dataclasses.replace(config, dataset=config.dataset + query)
    assert config.img_size > 6
    assert sizes.find_warning(config, sources.open_splits(config, ("trainA", "trainB"))) is None


def test_pictures_are_turned_upright_and_damaged_ones_named(config):
    config = dataclasses.replace(config, dataset=config.dataset + "?A=photos")
    (photos,) = sources.open_splits(config, ("trainA",))
    upright = photos.read(0, 4)
    assert upright[0].min() == 255
    assert upright[-1].max() == 0
    with pytest.raises(images.UnreadableImageError, match=r"^tfds:local_pictures/small/1\.2\.0 photos 1: \S"):
        photos.read(1, 4)
    assert ImageCache(photos, 6, 3, None).read(1).tolist() == picture("photos", 2).tolist()


def test_a_split_that_is_missing_by_default_is_no_error_where_one_will_do(config):
    found = sources.open_splits(config, ("testA", "testB"), one_will_do=True)
    assert [len(image_set) for image_set in found] == [3, 0]
    with pytest.raises(
        RunError, match=r"1\.2\.0 testB \(no such split; \?testB= takes trainA, trainB, testA, photos\)"
    ):
        sources.open_splits(config, ("testA", "testB"))


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("tfds:local_pictures/small?A=train", "no split train; it has trainA, trainB, testA, photos, and parts"),
        ("tfds:local_pictures/small?A=trainA[:x]", r"no split trainA\[:x\]; it has"),
        ("tfds:local_pictures/small?image=label", r"no image feature label; \?image= takes image, mask\."),
        ("tfds:local_pictures/small?image=depth", "no image feature depth"),
        ("tfds:local_pictures/big", "local_pictures has no configuration big; it has small, other"),
        ("tfds:local_picture", "TFDS knows no local_picture, .*; similar are local_pictures"),
        ("tfds:qqqq", r"TFDS knows no qqqq, and none is prepared in --data_dir\.$"),
        ("tfds:local_pictures/small:9.9.9", r"cannot be loaded at version 9\.9\.9, only: 1\.2\.0\.$"),
        ("tfds:a b", "cannot be opened: TFDS knows no a b"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(config, dataset, message):
    with pytest.raises(RunError, match=message) as caught:
        sources.open_splits(dataclasses.replace(config, dataset=dataset), ("trainA", "trainB"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("dataset", ["tfds:", "tfds:?A=x", "tfds:x?A", "tfds:x?A=", "tfds:x?C=y", "tfds:x?A=y&"])
def test_a_name_that_cannot_be_understood_is_refused(config, dataset):
    with pytest.raises(UsageError, match="must be tfds:NAME, or"):
        sources.open_splits(dataclasses.replace(config, dataset=dataset), ("trainA",))


def test_what_is_not_there_yet_is_prepared(config, tmp_path, capfd):
    config = dataclasses.replace(config, dataset="tfds:local_pictures/other", data_dir=str(tmp_path / "new"))
    (test_a,) = sources.open_splits(config, ("testA",))
    np.testing.assert_array_equal(test_a.read(1, 6), picture("testA", 1))
    assert "Generating splits" in capfd.readouterr().err  # TFDS's own bar
    assert (tmp_path / "new" / "local_pictures" / "other" / "1.2.0" / "dataset_info.json").exists()


def test_a_failed_preparation_is_one_line(config, tmp_path, monkeypatch):
    def fail(self, split):
        yield 0, {"image": str(tmp_path / "gone.png")}

    monkeypatch.setattr(LocalPictures, "_generate_examples", fail)
    config = dataclasses.replace(config, dataset="tfds:local_pictures/other", data_dir=str(tmp_path))
    with pytest.raises(
        RunError, match="local_pictures/other cannot be prepared in .*/local_pictures/other/1.2.0: "
    ) as e:
        sources.open_splits(config, ("trainA",))
    assert "\n" not in str(e.value)


@pytest.mark.slow
def test_a_set_prepared_elsewhere_is_read_without_its_code(config):
    program = (
        "from ugatit_tf.config import Config; from ugatit_tf.data import sources;"
        f"config = Config(dataset='tfds:local_pictures/small', data_dir={config.data_dir!r});"
        "print(sources.open_splits(config, ('trainA',))[0].read(6, 1))"
    )
    root = Path(sources.__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[[[  0 120 200]]]\n"


def test_a_file_that_is_gone_or_cut_off_costs_its_images_only(config, prepared, tmp_path):
    shutil.copytree(prepared / "tfrecord", tmp_path / "copy")
    first, second, _ = sorted((tmp_path / "copy").rglob("*trainA.tfrecord*"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    (image_set,) = sources.open_splits(dataclasses.replace(config, data_dir=str(tmp_path / "copy")), ("trainA",))
    read, reasons = [], []
    for index in range(7):
        try:
            image_set.read(index, 6)
            read.append(index)
        except images.UnreadableImageError as error:
            reasons.append(str(error))
    assert read == [2, 3, 5, 6]
    assert ["No such file" in reason for reason in reasons] == [True, True, False]
    assert reasons[2].endswith("has 2 records")


def test_cycle_gan_with_made_up_pictures(tiny_config, tmp_path):
    config = dataclasses.replace(tiny_config, dataset="tfds:cycle_gan/horse2zebra", data_dir=str(tmp_path))
    builder = tfds.builder("cycle_gan/horse2zebra", data_dir=tmp_path, file_format="array_record")
    template = tfds.core.ShardedFileTemplate(
        builder.data_path, dataset_name=builder.name, filetype_suffix="array_record"
    )
    splits = [
        tfds.core.SplitInfo(name=name, shard_lengths=[5], num_bytes=1, filename_template=template.replace(split=name))
        for name in ("trainA", "trainB", "testA", "testB")
    ]
    builder.info.set_splits(tfds.core.SplitDict(splits))
    builder.data_path.mkdir(parents=True)
    builder.info.write_to_directory(builder.data_path)
    with tfds.testing.mock_data(num_examples=5, data_dir=str(tmp_path)):
        found = sources.open_splits(config, ("trainA", "trainB", "testA", "testB"))
        assert [image_set.names for image_set in found] == [tuple("01234")] * 4
        pictures = [found[0].read(index, 32) for index in range(5)]
    assert all(image.shape == (32, 32, 3) for image in pictures)
    assert len({image.tobytes() for image in pictures}) == 5


class Downloaded:
    """As much of a TFDS builder as its servers are found by."""

    def __init__(self, folder, *servers):
        self.name = "farther"
        self.info = self
        self.full_name = "farther/1.0.0"
        self.data_dir_root = folder
        self.url_infos = {f"{server}/{file}.zip": None for server in servers for file in "ab"}


@pytest.fixture
def servers():
    """Addresses: one where nobody listens, one where nobody answers, one that refuses every page."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        unused = closed.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as web:
        threading.Thread(target=web.serve_forever, args=(0.05,), daemon=True).start()
        ports = {"none": unused, "silent": silent.getsockname()[1], "refusing": web.server_port}
        yield {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        web.shutdown()


class Refusing(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_error(403)

    def log_message(self, *arguments):
        pass


def test_without_a_network_no_download_is_tried(tmp_path, servers, monkeypatch):
    monkeypatch.setattr(tfds_source, "_PATIENCE", 0.3)
    builder = Downloaded(tmp_path, servers["none"], servers["silent"])
    with pytest.raises(RunError) as caught:
        tfds_source._require_network(builder)
    assert str(caught.value).startswith(
        f"tfds:farther/1.0.0 is not prepared in {tmp_path}, and cannot be downloaded: no answer from "
        + ", ".join(sorted([servers["none"], servers["silent"]]))
    )
    assert "--data_dir" in str(caught.value)


def test_a_server_that_answers_anything_will_do(tmp_path, servers, monkeypatch):
    monkeypatch.setattr(tfds_source, "_PATIENCE", 10.0)
    tfds_source._require_network(Downloaded(tmp_path, servers["refusing"], servers["silent"]))


def test_what_needs_no_server_or_is_downloaded_already_is_left_to_tfds(tmp_path, servers):
    tfds_source._require_network(Downloaded(tmp_path))
    tfds_source._require_network(Downloaded(tmp_path, "gs://bucket"))
    (tmp_path / "downloads" / "farther").mkdir(parents=True)
    with pytest.raises(RunError):
        tfds_source._require_network(Downloaded(tmp_path, servers["none"]))
    (tmp_path / "downloads" / "farther" / "a.zip.INFO").write_text("{}")
    tfds_source._require_network(Downloaded(tmp_path, servers["none"]))


def test_a_run_without_network_ends_before_tfds_tries(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr(tfds_source, "_is_reached", lambda _: False)
    config = dataclasses.replace(tiny_config, dataset="tfds:cycle_gan/horse2zebra", data_dir=str(tmp_path))
    with pytest.raises(RunError, match="^tfds:cycle_gan/horse2zebra/3.0.0 is not prepared in .*efrosgans"):
        sources.open_splits(config, ("trainA", "trainB"))
    assert list(tmp_path.iterdir()) == []
