"""Translates pictures, from files in folders of any depth to files of the same names."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from ugatit_tf.data import crops, images, parallel
from ugatit_tf.data.crops import Cropper, NoFaceError, Region
from ugatit_tf.data.images import UnreadableImageError
from ugatit_tf.errors import shown
from ugatit_tf.inference import Translator
from ugatit_tf.inference.jobs import Files, Job
from ugatit_tf.system.files import make_folder

_BATCH_SIZE = 8


def translate(files: Files, translator: Translator, cropper: Cropper) -> None:
    """Translates pictures. Results that an earlier command has made from the same files in the same way are kept.

    Args:
        files: the pictures; this function adds the problems and the number of results.
        translator: makes the translations.
        cropper: finds the square to translate in each picture.

    Raises:
        RunError: A result cannot be written.
    """
    work = Work(files, translator, cropper)
    made_by = f"{translator.identity} {translator.size} {dataclasses.replace(cropper, detector=None)}"
    pending = list(files.pending(made_by, lambda _: images.ENDINGS[files.output.image_format]))
    cuts = filter(None, parallel.in_order(work.cut, pending))
    translations = itertools.chain.from_iterable(map(work.translate, parallel.in_batches(cuts, _BATCH_SIZE)))
    name, total = files.output.folder.name, len(files.paths)
    with tqdm(total=total, initial=total - len(pending), desc=name, unit="image", disable=None) as bar:
        for is_written in parallel.in_order(work.write, translations):
            files.written += is_written
            bar.update()
        bar.update(total - bar.n)  # pictures that failed before their translation
    files.report()


@dataclasses.dataclass(frozen=True)
class Cut:
    """The square of a picture, before or after its translation.

    Attributes:
        job: the picture's job.
        square: the pixels, uint8 `[S, S, C]`.
        region: the region of the picture that the square was cut from.
        height: the height of the picture in pixels.
        width: the width of the picture in pixels.
    """

    job: Job
    square: np.ndarray
    region: Region
    height: int
    width: int


class Work:
    """The steps that translate a picture. Several threads may call `cut` and `write` at the same time."""

    def __init__(self, files: Files, translator: Translator, cropper: Cropper) -> None:
        self._files = files
        self._translator = translator
        self._cropper = cropper

    def cut(self, job: Job) -> Cut | None:
        """Returns the square of a picture; None if there is none, after adding a problem to the files."""
        try:
            picture = images.decode(job.path, self._translator.channels)
            region, _ = self._cropper.find(picture)
        except NoFaceError as error:
            self._files.problems.append(f"{shown(job.path)}: {error}")
            return None
        except UnreadableImageError as error:
            self._files.problems.append(str(error))
            return None
        return Cut(job, crops.cut(picture, region, self._translator.size), region, *picture.shape[:2])

    def translate(self, cuts: Sequence[Cut]) -> Iterator[Cut]:
        """Yields the translations of squares, computed as one batch."""
        outputs = self._translator(np.stack([cut.square for cut in cuts]))
        for cut, output in zip(cuts, outputs, strict=True):
            yield dataclasses.replace(cut, square=output)

    def write(self, cut: Cut) -> bool:
        """Writes a result and returns True; if the picture does not allow it, adds a problem and returns False.

        Raises:
            RunError: The file cannot be written.
        """
        output, job, result = self._files.output, cut.job, cut.square
        if output.paste_back:  # reads the picture again: keeping a batch of large ones would take gigabytes
            try:
                picture = images.decode(job.path, self._translator.channels)
            except UnreadableImageError as error:  # the picture was deleted meanwhile
                self._files.problems.append(str(error))
                return False
            result = crops.pasted(result, cut.region, picture)
        elif output.original_size:
            result = crops.enlarged(result, cut.region, cut.height, cut.width)
        make_folder(job.target.parent)
        try:
            images.save(job.target, result, kind=output.image_format.upper())
        except ValueError as error:  # too large for JPEG
            self._files.problems.append(f"{shown(job.path)}: {error}")
            return False
        self._files.record(job)
        return True
