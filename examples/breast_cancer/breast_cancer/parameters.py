"""What a training run is steered by. A new version of the model is mostly another value here."""

STRENGTH = 1.0  # inverse of regularisation: smaller is a simpler model
SEED = 0  # of the split into rows to train on and rows kept for validation
KEPT = 0.2  # share of the rows that training never sees
