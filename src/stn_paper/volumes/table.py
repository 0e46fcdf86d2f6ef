"""3D to 2D, appendix A.3 of the paper: a digit somewhere in a volume, turned in space, is seen from one side only.

The network sums the volume over depth and reads the picture. A transformer can turn the volume before, so that the
digit faces the reader; the network without sees it as it happens to stand, at times edge-on.

The paper shows pictures and no error. Left open there and chosen here, for both networks alike:
    - volumes of 32 voxels along each side instead of 60: a seventh of the work.
    - the digit is 12 of its own pixels thick, turned by up to 90 degrees about an axis uniform on the sphere, and lies
      wholly inside.
    - the classifier is that of distorted MNIST; the localisation network has two convolutions as well, in 3D. The
      network without the transformer is the same network without it, so it is smaller by the localisation network.
      The localisation network has batch norm, the classifier has none, as elsewhere in the paper.
    - AdamW with one cycle, localisation network at the same learning rate; 5,000 training digits held out.

Source: Jaderberg et al. (2015), appendix A.3.
"""

from stn_lab.training.config import Budget

from ..classification import classify
from ..table import SMOKE, Claim, Estimates, Row, Table, load_digits
from .data import DigitVolumes
from .network import VolumeClassifier

COLUMN = "3D"


def cnn() -> Row:
    """The sum over depth, and a CNN."""
    return _row("CNN", transformed=False)


def st_cnn() -> Row:
    """The same behind a 3D affine transformer."""
    return _row("ST-CNN", transformed=True)


def _row(name: str, *, transformed: bool) -> Row:
    def build(scene: DigitVolumes, filters: int) -> VolumeClassifier:
        return VolumeClassifier(scene.side, filters, scene.classes, transformed=transformed)

    return Row(name, build)


def _halved(measured: Estimates) -> bool:
    return measured["ST-CNN", COLUMN].value <= 0.5 * measured["CNN", COLUMN].value


volumes = Table(
    name="volumes",
    title="3D to 2D: error on digits in volumes, %",
    source="Appendix A.3, which gives no numbers. Volumes of 32x32x32 here, 60x60x60 there.",
    columns={COLUMN: DigitVolumes()},
    rows=(cnn(), st_cnn()),
    load=load_digits,
    train=classify,
    budgets={
        "smoke": SMOKE,
        "quick": Budget(steps=3_000, batch_size=64, lr=4e-3, localiser_lr_scale=1.0, validations=6),
        "standard": Budget(steps=15_000, batch_size=128, lr=4e-3, localiser_lr_scale=1.0),
    },
    claims=(Claim("With the transformer the network makes at most half of the errors without", _halved),),
)
