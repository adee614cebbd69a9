"""Stage 3: frozen features in, what can be read from them out; no pose labels needed."""
