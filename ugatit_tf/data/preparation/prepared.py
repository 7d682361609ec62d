"""Manages the folder of a prepared dataset, remembers the survey of each picture, and reads how a dataset was made."""

import dataclasses
import json
import logging
import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ugatit_tf.config import KEEP, Config
from ugatit_tf.data.preparation.survey import Picture, Recipe
from ugatit_tf.data.sources import folder
from ugatit_tf.errors import RunError, reason, shown
from ugatit_tf.system.files import make_folder, stamp, write_atomically

_log = logging.getLogger(__name__)

SPLITS = ("trainA", "trainB", "testA", "testB")
REPORT = "report.json"

_HIDDEN = ".prepare"
_VERSION = 2  # since version 2, a survey has the fingerprints of the mirror image
_SECONDS_BETWEEN_SAVES = 30.0


class PreparedFolder:
    """The folder `<dataset_dir>/<dataset>/`, with a hidden folder in it that remembers the work done.

    Squares are made in the hidden folder and moved into the splits at the end. The splits do not change before.

    Args:
        root: the folder; it may be missing.

    Attributes:
        making: the folder in which squares are made.

    Raises:
        RunError: The splits hold pictures that no earlier run has put there, or the hidden state cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.making = root / _HIDDEN / "making"
        self._state = root / _HIDDEN / "state.json"
        self._known: dict[str, tuple[list[int], str, Picture]] = {}
        self._files: set[str] = set()
        self._load()
        self._check_others()
        self._saved = time.monotonic()

    def make_folders(self) -> None:
        """Makes the missing folders; raises a RunError if that fails."""
        for place in (self.making, *(self._root / split for split in SPLITS)):
            make_folder(place)

    def known(self, path: str, recipe: Recipe) -> Picture | None:
        """Returns an earlier run's survey of a file by this recipe; None if there is none, or the file has changed."""
        then, identity, picture = self._known.get(path, (None, "", None))
        return picture if identity == recipe.identity and then == stamp(path) else None

    def remember(self, picture: Picture, recipe: Recipe) -> None:
        """Remembers the survey of a file for the next run; saves all surveys every 30 seconds."""
        self._known[picture.path] = stamp(picture.path), recipe.identity, picture
        if time.monotonic() - self._saved > _SECONDS_BETWEEN_SAVES:
            self.save()

    def save(self) -> None:
        """Writes the surveys to disk.

        Raises:
            RunError: The file cannot be written.
        """
        known = {path: (*rest, dataclasses.asdict(picture)) for path, (*rest, picture) in self._known.items()}
        state = {"version": _VERSION, "files": sorted(self._files), "known": known}
        write_atomically(self._state, json.dumps(state).encode())
        self._saved = time.monotonic()

    def squares(self) -> dict[str, Path]:
        """Returns the files of the squares that exist, made or placed, by their keys."""
        placed = (self._root / name for name in self._files)
        files = [*self.making.iterdir(), *(path for path in placed if path.exists())]
        return {path.stem.rpartition("-")[2]: path for path in files}

    def trained(self, domain: str) -> set[str]:
        """Returns the keys of the pictures that an earlier run has put among the training pictures of a domain."""
        files = (Path(name) for name in self._files if name.startswith(f"train{domain}/"))
        return {path.stem.rpartition("-")[2] for path in files}

    def place(self, plan: Mapping[str, str], paths: Collection[str]) -> None:
        """Moves squares into the splits, and deletes those that earlier runs have put there and the plan lacks.

        Args:
            plan: the keys of squares by their files, such as "trainA/NAME-KEY.png".
            paths: the pictures whose surveys are kept for the next run.

        Raises:
            RunError: A file cannot be moved or deleted. The next run completes the work.
        """
        squares = self.squares()
        before, self._files = self._files, self._files | set(plan)
        self._known = {path: known for path, known in self._known.items() if path in paths}
        self.save()  # before a file is moved: the next run then knows all files as its own, even if this one is killed
        try:
            for name, key in plan.items():
                if squares[key] != self._root / name:
                    squares[key].replace(self._root / name)
            for name in before - set(plan):
                (self._root / name).unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"cannot put the pictures into {self._root}: {error}") from error
        self._files = set(plan)
        self.save()
        shutil.rmtree(self.making, ignore_errors=True)

    def _load(self) -> None:
        try:
            state = json.loads(self._state.read_bytes())
            self._files = set(state["files"])
            if state["version"] == _VERSION:
                self._known = {path: (*rest, _picture(facts)) for path, (*rest, facts) in state["known"].items()}
        except FileNotFoundError:
            return
        except OSError as error:
            raise RunError(f"cannot read {self._state}: {reason(error)}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunError(f"{self._state} is damaged ({error!r}). Move {self._root} away to begin anew.") from error

    def _check_others(self) -> None:
        for split in SPLITS:
            found, _ = folder.list_images(self._root / split)
            others = [path for path in found if f"{split}/{path}" not in self._files]
            if others:
                raise RunError(
                    f"{self._root / split} holds {len(others)} pictures that --phase prepare did not make, such as "
                    f"{shown(others[0])}: move them away, or give another --dataset."
                )


def _picture(facts: Mapping[str, Any]) -> Picture:
    return Picture(**{name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()})


def settings(config: Config) -> dict[str, Any] | None:
    """Returns the flags with which the dataset was prepared; None if it was not, or its report cannot be read."""
    try:
        found = json.loads((config.dataset_root / REPORT).read_bytes())["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def with_prepared_crop(config: Config, domain: str, export: Mapping[str, Any] | None = None) -> Config:
    """Returns the configuration with a crop and a background for a domain: its own, or else those of its network.

    It logs where a crop or background comes from that the configuration does not name.

    Args:
        config: the configuration of the run.
        domain: "A" or "B".
        export: what an export says of its input, as `treatment` returns it, or an empty mapping; None: the run's
            dataset says it.
    """
    known = _prepared(config, domain) if export is None else export
    origin = f"{config.dataset_root} was prepared" if export is None else "the network's signature.json says"
    if not known:
        if not config.crop_of(domain):
            _log.info(
                "Crop of %s: center, as neither --crop nor a dataset made by --phase prepare says otherwise.", domain
            )
        return config
    filled = _filled(config, domain, known)
    if not config.crop_of(domain):
        _log.info("Crop of %s: %s, as %s.", domain, filled.crop_of(domain), origin)
    if filled.background_of(domain) not in (config.background_of(domain) or KEEP, KEEP):
        _log.info("Background of %s: %s, as %s.", domain, filled.background_of(domain), origin)
    return filled


def treatment(config: Config, domain: str) -> dict[str, Any]:
    """Returns how a run's pictures of a domain become squares: by its flags, or else as its dataset was prepared.

    Returns:
        `crop`, `face_margin`, `content_share` and `background`, as the flags of these names.
    """
    filled = _filled(config, domain, _prepared(config, domain))
    return {
        "crop": filled.crop_of(domain) or "center",
        "face_margin": filled.face_margin,
        "content_share": filled.content_share,
        "background": filled.background_of(domain) or KEEP,
    }


def _prepared(config: Config, domain: str) -> dict[str, Any]:
    """Returns what the report of the dataset says of a domain, in the form of `treatment`; {} without a report."""
    found = settings(config)
    if found is None:
        return {}
    own = {"crop": found[f"crop_{domain}"], "background": found.get(f"background_{domain}", KEEP)}
    return own | {name: found[name] for name in ("face_margin", "content_share") if name in found}


def _filled(config: Config, domain: str, known: Mapping[str, Any]) -> Config:
    """Returns the configuration with what is known of a network's pictures and its flags do not say."""
    values = {}
    if not config.crop_of(domain) and "crop" in known:
        values["crop"] = known["crop"]
        for name in ("face_margin", "content_share"):  # a report of an earlier version lacks some
            if getattr(config, name) == getattr(Config, name):
                values[name] = known.get(name, getattr(Config, name))
    if not config.background_of(domain) and "background" in known:
        values["background"] = known["background"]
    return dataclasses.replace(config, **values)
