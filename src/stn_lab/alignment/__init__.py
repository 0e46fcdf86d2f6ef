"""Images and volumes of a person laid on one another: what is behind `stn align`."""
