"""Synthetic hands: a Config goes in, photographs of hands with complete labels come out; nothing is downloaded.

In the order of the work: `config` the settings · `columns` random numbers for a batch · `rotations` · `rig` the hand's bones and
skin · `pose` angles, limits, shapes · `camera` where the hand stands · `skins`, `lights`, `occluders`, `backdrops`, `sensor` what
it looks like · `scene` all of that put together · `rasteriser`, `meshes`, `render` the picture · `dataset` the plugin.
"""
