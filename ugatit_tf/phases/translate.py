"""`--phase translate`: translates pictures and videos with a run's checkpoint or another trained network."""

import dataclasses
from pathlib import Path

from ugatit_tf.config import Config
from ugatit_tf.direction import Direction
from ugatit_tf.errors import UsageError
from ugatit_tf.options import (
    PhaseOptions,
    at_least,
    check_image_format,
    checkpoint_option,
    image_format,
    model_option,
    one_of,
    option,
    path_option,
    threads_option,
    unset_or,
)


@dataclasses.dataclass(frozen=True)
class Options(PhaseOptions):
    """The files to translate, the network, and the form of the results."""

    input: str = path_option("", "Picture or video to translate, or a folder of them, at any depth")
    output: str = path_option("", "Folder of the results; they go to its subfolder A2B or B2A")
    direction: str = option(
        "",
        "Direction of translation; by default, the one that the export was made for, or else A2B",
        unset_or(one_of(tuple(Direction))),
    )
    model: str = model_option()
    checkpoint: str = checkpoint_option()
    original_size: bool = option(False, "Scale results to the size that the translated square had in the picture")
    paste_back: bool = option(False, "Paste results back into their pictures")
    faces: str = option(
        "",
        "With --crop face, which faces of a picture are translated; by default, all with --paste_back, and else the "
        "largest",
        unset_or(one_of(("all", "largest"))),
    )
    image_format: str = image_format()
    smooth: float = option(
        0.0,
        "Reduce flicker in videos: averaging time in seconds, such as 0.1; 0 turns it off",
        at_least(0),
    )
    overwrite: bool = option(False, "Replace files in the output folder that are not results of the same pictures")
    threads: str = threads_option()

    @property
    def needs_run(self) -> bool:
        return not self.model

    def validate(self, config: Config) -> None:
        super().validate(config)
        if not (self.input and self.output):
            raise UsageError("--phase translate needs --input and --output.")
        check_image_format(self.image_format, config.img_ch)


def run(config: Config, options: Options) -> None:
    """Writes `<output>/{A2B or B2A}/NAME.png` in the subfolders of the input; results of videos are videos.

    Raises:
        UsageError: Input and output overlap, or a package that reads videos is needed and missing.
        RunError: There are no files or no network, a network that finds faces or people cannot be fetched, or a result
            cannot be written. It is also raised after all work is done if some files could not be translated.
    """
    from ugatit_tf.checkpoints.checkpoint import open_run
    from ugatit_tf.data.crops import Cropper
    from ugatit_tf.data.preparation import prepared
    from ugatit_tf.inference import Translator, direction_of, jobs, load_generator, pictures, treatment_of, videos
    from ugatit_tf.system import device, share

    direction = Direction(options.direction or "A2B")
    if options.model:
        direction = direction_of(options.model, options.direction)
    output = jobs.Output(
        Path(options.output) / direction,
        options.image_format,
        options.original_size,
        options.paste_back,
        options.overwrite,
        options.faces == "all" or (options.paste_back and not options.faces),
    )
    found_pictures, found_videos, others = jobs.find(Path(options.input), output)
    if others:
        print(jobs.passed_over(others))
    export = treatment_of(options.model) if options.model else None
    crop = prepared.with_prepared_crop(config, direction.source, export)
    crop.validate()  # a file says it that anyone may write
    # The device is prepared first, because TensorFlow takes no settings after a face detector has run on it.
    print(f"Device: {device.prepare(device.Threads.parse(options.threads), precision=config.precision)}")
    share.keep_freed_memory()
    cropper = Cropper.of(crop, direction.source, "center")
    if options.paste_back:
        cropper = cropper.with_mask(config.assets)
    if options.model:
        translator = load_generator(options.model, direction, options.checkpoint)
    else:
        translator = Translator.of(open_run(config, which=options.checkpoint), direction)
    print(f"Translating with {options.model or translator.name}")
    check_image_format(output.image_format, translator.channels)
    if found_pictures.paths:
        pictures.translate(found_pictures, translator, cropper)
    if found_videos.paths:
        videos.translate(found_videos, translator, cropper, smooth=options.smooth)
    jobs.check_all(found_pictures, found_videos)
