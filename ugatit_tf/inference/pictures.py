"""Translates pictures, from files in folders of any depth to files of the same names."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from ugatit_tf.data import crops, images, parallel
from ugatit_tf.data.crops import Cropper, NoFaceError, NoPersonError
from ugatit_tf.data.images import UnreadableImageError
from ugatit_tf.data.regions import Region
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
    made_by = f"{translator.identity} {translator.size} {cropper}"
    pending = list(files.pending(made_by, lambda _: images.ENDINGS[files.output.image_format]))
    cuts = itertools.chain.from_iterable(parallel.in_order(work.cut, pending))
    translations = itertools.chain.from_iterable(map(work.translate, parallel.in_batches(cuts, _BATCH_SIZE)))
    name, total = files.output.folder.name, len(files.paths)
    with tqdm(total=total, initial=total - len(pending), desc=name, unit="image", disable=None) as bar:
        of_pictures = (list(group) for _, group in itertools.groupby(translations, lambda cut: cut.job.path))
        for written in parallel.in_order(work.write, of_pictures):
            files.written += written
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

    def cut(self, job: Job) -> list[Cut]:
        """Returns the squares of a picture: one, or those of all faces; none, after adding a problem to the files."""
        try:
            picture = images.decode(job.path, self._translator.channels)
            find_all = self._files.output.all_faces
            found = self._cropper.find_all(picture) if find_all else [self._cropper.find(picture)]
            return self._squares(job, picture, [region for region, _ in found])
        except (NoFaceError, NoPersonError) as error:
            self._files.problems.append(f"{shown(job.path)}: {error}")
        except UnreadableImageError as error:
            self._files.problems.append(str(error))
        return []

    def _squares(self, job: Job, picture: np.ndarray, regions: Sequence[Region]) -> list[Cut]:
        """Returns the squares of the regions that show a person; raises a NoPersonError if there are none."""
        cuts, problem = [], None
        for region in regions:
            try:
                square = self._cropper.square(picture, region, self._translator.size)
            except NoPersonError as error:
                problem = error
                continue
            cuts.append(Cut(job, square, region, *picture.shape[:2]))
        if problem and not cuts:
            raise problem
        return cuts

    def translate(self, cuts: Sequence[Cut]) -> Iterator[Cut]:
        """Yields the translations of squares, computed as one batch."""
        outputs = self._translator(np.stack([cut.square for cut in cuts]))
        for cut, output in zip(cuts, outputs, strict=True):
            yield dataclasses.replace(cut, square=output)

    def write(self, cuts: Sequence[Cut]) -> int:
        """Writes the results of a picture and returns their number; adds a problem for each that cannot be written.

        Raises:
            RunError: A file cannot be written.
        """
        output, job = self._files.output, cuts[0].job
        if output.paste_back:  # reads the picture again: keeping a batch of large ones would take gigabytes
            try:
                picture = images.decode(job.path, self._translator.channels)
            except UnreadableImageError as error:  # the picture was deleted meanwhile
                self._files.problems.append(str(error))
                return 0
            return self._save(job, self._pasted(cuts, picture))
        written = 0
        for number, cut in enumerate(cuts, 1):
            result = cut.square
            if output.original_size:
                result = crops.enlarged(result, cut.region, cut.height, cut.width)
            own = self._files.numbered(job, number) if output.is_numbered else job
            if own:
                written += self._save(own, result)
        return written

    def _pasted(self, cuts: Sequence[Cut], picture: np.ndarray) -> np.ndarray:
        result = picture
        for cut in cuts:
            others = [other.region for other in cuts if other is not cut]
            result = crops.pasted(cut.square, cut.region, result, self._cropper.paste_mask(picture, cut.region, others))
        return result

    def _save(self, job: Job, result: np.ndarray) -> int:
        make_folder(job.target.parent)
        try:
            images.save(job.target, result, kind=self._files.output.image_format.upper())
        except ValueError as error:  # too large for JPEG
            self._files.problems.append(f"{shown(job.path)}: {error}")
            return 0
        self._files.record(job)
        return 1
