"""The experiments, one module each: `run(lab, models)` scores arms; `models` holds the checkpoints from which later ones start."""
