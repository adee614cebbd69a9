"""The pose stage: features go in; 2.5D poses, camera-frame hands and their scores come out.

`probe` fits a head on frozen features, `finetune` the whole network, `lifting` brings its output into the camera frame and
`refinement` improves its depth; `fitted` keeps the network, `released` runs PeCLR's own checkpoints;
`alignment` and `scoring` hold that against the truth; `estimator` joins them.
"""
