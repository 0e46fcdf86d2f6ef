"""`stn backends`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Backends:
    """Say which implementations of the operators run here, and why others do not."""

    def __call__(self) -> None:
        import torch
        from rich.console import Console
        from rich.table import Table

        from spatial_transformer.backends import BACKENDS

        devices = [torch.device("cpu")] + [torch.device("cuda", i) for i in range(torch.cuda.device_count())]
        table = Table("backend", "device", "runs", "what it is")
        for backend in BACKENDS:
            for device in devices:
                reason = backend.unavailable(device)
                table.add_row(backend.name, str(device), "yes" if reason is None else f"no: {reason}", backend.summary)
        Console(highlight=False).print(table)
