"""The laboratory: data, networks, training, reports and the `stn` command, on top of `spatial_transformer`."""
