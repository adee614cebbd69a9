"""Backbones: widths, any timm name, and weights from files that the tests write."""

import os
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from handbench.errors import RecipeError
from handbench.learn.backbones import timm_models
from handbench.learn.backbones.timm_models import TimmModel, model_names
from handbench.learn.backbones.tiny import Tiny
from handbench.learn.backbones.weights import load_weights, read_state


def test_tiny_maps_views_of_any_size_to_its_width() -> None:
    model = Tiny(Tiny.Config()).eval()
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, model.width) == model(torch.rand(2, 3, 32, 32)).shape


@pytest.mark.parametrize(("name", "width"), [("resnet18", 512), ("mobilenetv3_small_050", 1024), ("vit_tiny_patch16_224", 192)])
def test_timm_models_by_name(name: str, width: int) -> None:
    model = TimmModel(TimmModel.Config(model=name)).eval()
    assert model(torch.rand(1, 3, 64, 64)).shape[0] == 1
    assert model(torch.rand(2, 3, 64, 64)).shape[1] == model.width == width


def test_timm_input_is_normalised_with_the_models_own_statistics() -> None:
    model = TimmModel(TimmModel.Config(model="resnet18")).eval()
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    plain = model.model((images - model.mean[:, None, None]) / model.std[:, None, None])
    assert torch.allclose(model(images), plain, atol=1e-5)


def test_every_timm_name_is_known() -> None:
    names = model_names()
    assert {"resnet152", "resnet50.tv_in1k", "convnext_tiny"} <= set(names)


def test_weights_from_a_file_with_foreign_prefixes_and_a_classifier(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = timm.create_model("resnet18", num_classes=10)
    stored = {"state_dict": {f"module.encoder.{name}": value for name, value in source.state_dict().items()}, "epoch": 3}
    torch.save(stored, tmp_path / "theirs.pth")
    model = TimmModel(TimmModel.Config("resnet18", str(tmp_path / "theirs.pth")))
    assert torch.equal(model.model.conv1.weight, source.conv1.weight)


def test_our_own_encoder_reads_back(tmp_path: Path) -> None:
    torch.manual_seed(2)
    first = Tiny(Tiny.Config()).to(memory_format=torch.channels_last)
    save_file({name: value.contiguous() for name, value in first.state_dict().items()}, tmp_path / "tiny.safetensors")
    torch.manual_seed(3)
    second = Tiny(Tiny.Config(str(tmp_path / "tiny.safetensors")))
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read|is not a plain state dict"),
        (b"garbage" * 50, "cannot be read|is not a plain state dict"),
        (None, "is not a file"),
    ],
)
def test_unreadable_weights_are_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    for suffix in (".pth", ".safetensors"):
        path = tmp_path / f"weights{suffix}"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(RecipeError, match=message) as caught:
            read_state(path)
        assert str(path) in str(caught.value)


def test_weights_of_another_model_name_the_gaps(tmp_path: Path) -> None:
    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "r18.pth")
    with pytest.raises(RecipeError, match=r"do not fit the backbone: [0-9]+ tensors missing"):
        load_weights(Tiny(Tiny.Config()), tmp_path / "r18.pth")


def test_a_checkpoint_that_holds_code_is_refused_and_the_code_is_named(tmp_path: Path) -> None:
    torch.save({"model": os.system}, tmp_path / "code.pt")
    with pytest.raises(
        RecipeError, match=r"code\.pt is not a plain state dict: it asks for the code '\w+\.system', which is never run"
    ):
        read_state(tmp_path / "code.pt")


def test_peclrs_released_files_start_a_backbone(tmp_path: Path) -> None:
    """The plain encoders are torchvision's names under state_dict; the fine-tuned ones have a prefix, a pose head and more."""
    torch.manual_seed(4)
    source = timm.create_model("resnet18", num_classes=64)
    plain = {"state_dict": source.state_dict()}
    tuned = {f"backend_model.{name}": value for name, value in source.state_dict().items()}
    torch.save(plain, tmp_path / "plain.pth")
    torch.save({"state_dict": tuned | {"zroot_ref.zroot_ref.0.weight": torch.zeros(128, 64)}}, tmp_path / "tuned.pth")
    for name in ("plain", "tuned"):
        model = TimmModel(TimmModel.Config("resnet18", str(tmp_path / f"{name}.pth")))
        own = model.model.state_dict()
        assert all(torch.equal(own[name], source.state_dict()[name]) for name in own)


def test_weights_that_cannot_be_fetched_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **settings: object) -> None:
        assert settings["pretrained"]
        raise OSError("no route to host")

    monkeypatch.setattr(timm_models.timm, "create_model", offline)
    with pytest.raises(RecipeError, match=r"ImageNet weights of 'resnet18' cannot be fetched .* give --weights PATH"):
        TimmModel(TimmModel.Config("resnet18", "imagenet"))


def test_tiny_has_no_imagenet_weights() -> None:
    with pytest.raises(RecipeError, match=r"'tiny' has no ImageNet weights"):
        Tiny(Tiny.Config("imagenet"))
