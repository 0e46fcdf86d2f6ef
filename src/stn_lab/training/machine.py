"""From what a person says of the machine to Lightning's Fabric, which knows devices, processes and precision."""

import warnings

from lightning.fabric import Fabric

from ..errors import UserError
from .config import Machine


def fabric_of(machine: Machine) -> Fabric:
    """Fabric as asked for; no process has been started yet.

    Raises:
        UserError: the machine cannot be used so; says why.
    """
    _hush_lightning()
    try:
        return Fabric(
            accelerator=machine.accelerator,
            devices=machine.devices,
            num_nodes=machine.nodes,
            strategy=machine.strategy,
            precision=machine.precision,
        )
    except Exception as error:  # Lightning's checks raise many types; all of them concern the machine
        raise UserError(f"this machine cannot be used as asked: {' '.join(str(error).split())}") from error


def check_machine(machine: Machine, batch_size: int) -> None:
    """Refuse a machine that cannot be used, before anything is written.

    Args:
        machine: where to train.
        batch_size: images per step, which the devices must be able to share evenly.

    Raises:
        UserError: naming the reason.
    """
    devices = fabric_of(machine).world_size
    if batch_size % devices:
        raise UserError(
            f"--batch-size {batch_size} cannot be shared evenly by {devices} devices; take a multiple of {devices}"
        )


def _hush_lightning() -> None:
    """Silence Lightning's advice to developers; what the person training should know is said by this package."""
    warnings.filterwarnings("ignore", module=r"lightning\.")
