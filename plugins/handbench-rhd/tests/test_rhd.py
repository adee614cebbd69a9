"""RHD keeps handbench's contract, and gives back the hands that were written in its layout."""

import pickle

import numpy as np
import pytest
from handbench_rhd.dataset import RHD
from handbench_rhd.fixture import write_rhd

from handbench.errors import DataError
from handbench.plugins import discover
from handbench.testing import checks


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_rhd(tmp_path_factory.mktemp("rhd") / "RHD_published_v2")


def test_contract(root):
    for check in checks("dataset", "rhd", root=root):
        check()


def test_hands_come_back_as_they_were(root):
    owner = discover().find("dataset", "synthetic").target
    hands = owner(owner.Config(images=6, validation=1, test=3, size=320), root=None)
    written = [sample for sample in hands.samples(range(len(hands))) if sample.part != "validation"]
    read = RHD(RHD.Config(), root)
    assert len(read) == len(written) == 9
    for one, two in zip(written, read.samples(range(9)), strict=True):
        assert (one.side, one.part) == (two.side, two.part)
        for name in ("joints_2d", "joints_3d", "visible", "intrinsics", "mask"):
            np.testing.assert_allclose(getattr(one, name), getattr(two, name), atol=1e-9)
        assert (one.image == two.image).all()


def test_the_other_hand_can_be_asked_for(root):
    right = RHD(RHD.Config(hand="right"), root)
    failed = [sample for sample in right.samples(range(len(right))) if isinstance(sample, Exception)]
    left = [sample for sample in RHD(RHD.Config(), root).samples(range(len(right))) if sample.side == "left"]
    assert len(failed) == len(left)
    assert all("lies outside the picture" in str(error) for error in failed)


def test_what_is_no_rhd_is_named(tmp_path):
    with pytest.raises(DataError, match="needs its folder"):
        RHD(RHD.Config(), None)
    with pytest.raises(DataError, match="not RHD's layout"):
        RHD(RHD.Config(), tmp_path)
    (tmp_path / "training" / "color").mkdir(parents=True)
    with pytest.raises(DataError, match=r"anno_training\.pickle"):
        RHD(RHD.Config(), tmp_path)
    (tmp_path / "training" / "anno_training.pickle").write_bytes(pickle.dumps({0: {"xyz": np.zeros((21, 3))}}))
    with pytest.raises(DataError, match=r"picture 0 lacks uv_vis of shape \(42, 3\)"):
        RHD(RHD.Config(), tmp_path)
