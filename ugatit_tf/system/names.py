"""Names for files that are made out of others."""

import os
from collections import Counter
from collections.abc import Sequence

_LONGEST = 240  # bytes: what is written under the name has an ending too, and 255 are the limit


def unique_names(paths: Sequence[str]) -> tuple[str, ...]:
    """Names for files: their stems; where several share one, also their folder and ending.

    Lines are added should even that clash. A name that is too long for a file system is cut and gets a number.
    """
    names_alone = (path.rpartition("/")[2] for path in paths)
    stems = [name.rpartition(".")[0] or name for name in names_alone]
    counts = Counter(stems)
    taken: set[str] = set()
    names = []
    for number, (path, stem) in enumerate(zip(paths, stems, strict=True)):
        name = stem if counts[stem] == 1 else "_".join(path.replace("/", "_").rsplit(".", 1))
        if len(os.fsencode(name)) > _LONGEST:
            name = f"{os.fsencode(name)[: _LONGEST - 10].decode(errors='ignore')}_{number}"
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    return tuple(names)
