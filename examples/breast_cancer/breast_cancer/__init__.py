"""The breast cancer model: its data, its features, its training."""
