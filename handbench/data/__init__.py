"""Datasets, packing, pools and splits: photographs and labels go in, batches of uniform crops and sets of rows come out."""
