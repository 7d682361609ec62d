"""Translation of pictures: from files in folders of any depth to files of the same names."""

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
    """Translates pictures; what an earlier run made of the same file, in the same way, is left.

    Args:
        files: the pictures; what becomes of them is noted there, and printed.
        translator: makes the translations.
        cropper: makes the pictures square.

    Raises:
        RunError: where a result cannot be written.
    """
    work = Work(files, translator, cropper)
    made_by = f"{translator.identity} {translator.size} {dataclasses.replace(cropper, detector=None)}"
    left = list(files.left(made_by, lambda _: images.ENDINGS[files.output.image_format]))
    cuts = filter(None, parallel.in_order(work.cut, left))
    translations = itertools.chain.from_iterable(map(work.translate, parallel.in_batches(cuts, _BATCH_SIZE)))
    name, total = files.output.folder.name, len(files.paths)
    with tqdm(total=total, initial=total - len(left), desc=name, unit="image", disable=None) as bar:
        for is_written in parallel.in_order(work.write, translations):
            files.written += is_written
            bar.update()
        bar.update(total - bar.n)  # of which no square could be cut
    files.report()


@dataclasses.dataclass(frozen=True)
class Cut:
    """The square cut from a picture, or its translation: uint8 `[S, S, C]`; and from where in which picture."""

    job: Job
    square: np.ndarray
    region: Region
    height: int
    width: int


class Work:
    """The steps from a picture's file to its translation's; `cut` and `write` may be called from several threads."""

    def __init__(self, files: Files, translator: Translator, cropper: Cropper) -> None:
        self._files = files
        self._translator = translator
        self._cropper = cropper

    def cut(self, job: Job) -> Cut | None:
        """The square of a picture; None, and a problem, where that cannot be had."""
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
        """The translations of some squares, made as one batch."""
        outputs = self._translator(np.stack([cut.square for cut in cuts]))
        for cut, output in zip(cuts, outputs, strict=True):
            yield dataclasses.replace(cut, square=output)

    def write(self, cut: Cut) -> bool:
        """Writes a result; false, and a problem, where its picture does not allow it.

        Raises:
            RunError: where that fails.
        """
        output, job, result = self._files.output, cut.job, cut.square
        if output.paste_back:  # read again rather than kept: a batch of large pictures takes gigabytes
            try:
                picture = images.decode(job.path, self._translator.channels)
            except UnreadableImageError as error:  # it has gone meanwhile
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
        self._files.note(job)
        return True
