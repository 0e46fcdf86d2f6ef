"""A trained network, ready to be shown files: which model of the run, where it runs, and what it is known by."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..models.saved import SPEC, WEIGHTS, SavedModel
from ..runs.folder import RunFolder
from ..runs.saved import best_of, load_model
from .looking import Answers, Looker, device_of
from .ranks import Rank
from .reading import Pictures, Reader

CHUNK_PIXELS = 2**24  # of each channel, as the network sees them, that are done together
MOST = 256  # files


@dataclass(frozen=True)
class Applied:
    """A network that is shown files.

    Attributes:
        run: its folder.
        model: the network.
        looker: asks it.
        reader: reads for it.
        rank: of this process.
    """

    run: Path
    model: SavedModel
    looker: Looker
    reader: Reader
    rank: Rank

    def look(self, pictures: Pictures) -> Answers | None:
        """None where no picture could be read."""
        return self.looker.look(pictures) if len(pictures.sizes) else None

    @property
    def chunk_size(self) -> int:
        """How many files are done together."""
        height, width = self.model.preprocessing.size
        return max(1, min(MOST, CHUNK_PIXELS // (height * width)))

    def identity(self) -> dict[str, Any]:
        """What its answers depend on, for a job that is not to go on with another network."""
        label = self.model.spec["model"]["label"]
        folder = RunFolder(self.run).model(label)
        digest = blake2b((folder / SPEC).read_bytes() + (folder / WEIGHTS).read_bytes(), digest_size=16)
        return {"model": label, "weights": digest.hexdigest(), "grey": not self.reader.refuses_colour}


def apply(run: Path, model: SavedModel, rank: Rank, *, device: str, grey: bool, crops: bool = False) -> Applied:
    """A model of a run, as `Looker` and `Reader` take it."""
    looker = Looker(model, device_of(device, rank.local), crops=crops)
    return Applied(run, model, looker, Reader(model.preprocessing, grey=grey), rank)


def load_looking(run: Path, label: str | None) -> SavedModel:
    """A model with a transformer that looks at the image; without a label the best of these.

    Raises:
        UserError: there is none.
    """
    results = RunFolder.open(run).results()
    looking = [name for name in results if name.startswith("st-") and "@" not in name]
    if label is None and looking:
        label = best_of({name: results[name] for name in looking})
    model = load_model(run, label)
    if model.network.transformer is None:
        helps = f"take --model {' or '.join(looking)}" if looking else "train one: stn train --model st-resnet"
        raise UserError(
            f"{model.spec['model']['label']} of {run} has no transformer that looks at the image, and so no region to "
            f"cut out; {helps}"
        )
    return model
