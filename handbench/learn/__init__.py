"""Stage 2: views of unlabelled hands in, a pre-trained encoder out."""
