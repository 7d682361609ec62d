"""Translation of pictures: from files in folders of any depth to files of the same names."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ugatit_tf.data import crops, images, parallel
from ugatit_tf.data.crops import Cropper, NoFaceError, Region
from ugatit_tf.data.images import UnreadableImageError
from ugatit_tf.errors import shown
from ugatit_tf.inference import Translator
from ugatit_tf.inference.jobs import Account, Job, Output, jobs
from ugatit_tf.system.files import make_folder

_BATCH_SIZE = 8


def translate(root: Path, paths: Sequence[str], output: Output, translator: Translator, cropper: Cropper) -> Account:
    """Translates pictures; what an earlier run made of the same file, in the same way, is left.

    Args:
        root: the folder that the pictures are in.
        paths: theirs, relative to it.
        output: what becomes of the translations.
        translator: makes them.
        cropper: makes the pictures square.

    Returns:
        What has become of them; printed too.

    Raises:
        RunError: where a result cannot be written.
    """
    account = Account("pictures", len(paths), output)
    work = Work(account, output, translator, cropper)
    made_by = f"{translator.identity} {translator.size} {dataclasses.replace(cropper, detector=None)}"
    all_jobs = jobs(root, paths, output, made_by, images.ENDINGS[output.image_format])
    left = [job for job in all_jobs if account.is_left(job, images.comment_of)]
    name = output.folder.name
    with tqdm(total=len(paths), initial=len(paths) - len(left), desc=name, unit="image", disable=None) as bar:
        for is_written in parallel.in_order(work.write, work.translate(parallel.in_order(work.cut, left), bar)):
            account.written += is_written
            bar.update()
    account.report()
    return account


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

    def __init__(self, account: Account, output: Output, translator: Translator, cropper: Cropper) -> None:
        self._account = account
        self._output = output
        self._translator = translator
        self._cropper = cropper

    def cut(self, job: Job) -> Cut | None:
        """The square of a picture; None, and a problem, where that cannot be had."""
        try:
            picture = images.decode(job.path, self._translator.channels)
            region, _ = self._cropper.find(picture)
        except NoFaceError as error:
            self._account.problems.append(f"{shown(job.path)}: {error}")
            return None
        except UnreadableImageError as error:
            self._account.problems.append(str(error))
            return None
        return Cut(job, crops.cut(picture, region, self._translator.size), region, *picture.shape[:2])

    def translate(self, cuts: Iterable[Cut | None], bar: tqdm) -> Iterator[Cut]:
        """The translations, made in batches; what is None only moves the bar."""
        for batch in parallel.in_batches(_present(cuts, bar), _BATCH_SIZE):
            outputs = self._translator(np.stack([cut.square for cut in batch]))
            for cut, output in zip(batch, outputs, strict=True):
                yield dataclasses.replace(cut, square=output)

    def write(self, cut: Cut) -> bool:
        """Writes a result; false, and a problem, where its picture does not allow it.

        Raises:
            RunError: where that fails.
        """
        output, job, result = self._output, cut.job, cut.square
        if output.paste_back:  # read again rather than kept: a batch of large pictures takes gigabytes
            try:
                picture = images.decode(job.path, self._translator.channels)
            except UnreadableImageError as error:  # it has gone meanwhile
                self._account.problems.append(str(error))
                return False
            result = crops.pasted(result, cut.region, picture)
        elif output.original_size:
            result = crops.enlarged(result, cut.region, cut.height, cut.width)
        make_folder(job.target.parent)
        try:
            images.save(job.target, result, kind=output.image_format.upper(), comment=job.mark)
        except ValueError as error:  # too large for JPEG
            self._account.problems.append(f"{shown(job.path)}: {error}")
            return False
        return True


def _present(cuts: Iterable[Cut | None], bar: tqdm) -> Iterator[Cut]:
    for cut in cuts:
        if cut is None:
            bar.update()
        else:
            yield cut
