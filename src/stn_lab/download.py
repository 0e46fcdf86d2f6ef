"""Where the files of a published data set lie: in `$STN_DATA/<name>`, or else in a cache that they are fetched into."""

import os
from collections.abc import Mapping
from pathlib import Path

from .errors import UserError


def folder_with(title: str, name: str, digests: Mapping[str, str | None], source: str) -> Path:
    """The folder that holds all files of a data set.

    Args:
        title: of the data set, for people.
        name: of its folder.
        digests: file name to SHA-256, or None where none is known; what is fetched is checked.
        source: address of the folder to fetch from.

    Raises:
        UserError: `STN_DATA` is not a folder, or the files are neither here nor to be fetched.
    """
    named = os.environ.get("STN_DATA")
    if named:
        if not Path(named).is_dir():
            raise UserError(f"STN_DATA is {named!r}, which is not a folder; make it, or unset STN_DATA")
        if all((Path(named) / name / file).is_file() for file in digests):
            return Path(named) / name
    import pooch

    pooch.get_logger().setLevel("WARNING")
    cache = pooch.os_cache("spatial-transformer") / name
    known = {file: digest and f"sha256:{digest}" for file, digest in digests.items()}
    store = pooch.create(path=cache, base_url=source, registry=known, retry_if_failed=1)
    try:
        for file in digests:
            store.fetch(file, progressbar=False)
    except Exception as error:  # a download fails in as many ways as there are networks
        raise UserError(
            f"{title} is not in $STN_DATA/{name} and cannot be fetched ({type(error).__name__}); put "
            f"{', '.join(digests)} into a folder '{name}' and set STN_DATA to the folder above it"
        ) from error
    return cache
