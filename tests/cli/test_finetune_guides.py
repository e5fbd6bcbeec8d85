"""The guides to YOLO and SAM run as they stand, on small images and small models."""

import ast
import re
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from segment_anything import sam_model_registry
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

from ..support.apart import run_apart

DOCS = Path(__file__).parents[2] / "docs"
YOLO, SAM = ((DOCS / f"finetune-{name}.md").read_text(encoding="utf-8") for name in ("yolo", "sam"))

# pycocotools decodes into an array of its own sort.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def steps(page):
    """The commands of a page and its blocks of Python in order, as pairs of which one is None."""
    for language, block in re.findall(r"^```(console|python)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        if language == "python":
            yield None, block
        else:
            yield from ((line.removeprefix("$ "), None) for line in block.splitlines())


@pytest.fixture
def do(run, widget, fitted, tmp_path, monkeypatch):
    """Run a command of a page, in a folder with the parts, some new images, and an inspector already."""
    shutil.copytree(widget, tmp_path / "widget")
    shutil.copytree(widget / "test/scratch", tmp_path / "new")
    shutil.copy(fitted, tmp_path / "widget.inspector")
    monkeypatch.chdir(tmp_path)

    def do(command):
        if command.startswith("knowngood "):
            status, _, err = run(*shlex.split(command)[1:], *["--help"] * ("knowngood fit" in command))
            assert status == 0, (command, err)

    return do


def test_the_guide_to_yolo_asks_for_what_there_is(do):
    package = Path(find_spec("ultralytics").origin).parent
    settings = yaml.safe_load((package / "cfg/default.yaml").read_text(encoding="utf-8"))
    models = {re.sub("(?=-|$)", "n", path.stem, count=1) for path in package.glob("cfg/models/26/*.yaml")}
    calls, tree = 0, ast.Module([], [])
    for command, block in steps(YOLO):
        if command:
            do(command)
        else:
            tree.body += compile(block, "finetune-yolo.md", "exec", ast.PyCF_ONLY_AST).body
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if getattr(call.func, "attr", "") in ("train", "val", "predict"):
            calls += 1
            assert {keyword.arg for keyword in call.keywords} <= {*settings, "stream"}
    assert calls == 4
    assert set(re.findall(r"(yolo26n[\w-]*)\.yaml", YOLO)) == {"yolo26n", "yolo26n-seg"} <= models
    assert Path("widget-yolo/data.yaml").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("outlines", [False, True])
def test_the_guide_to_yolo(do, tmp_path, outlines):
    smaller = {"epochs=100, imgsz=640, batch=8": "epochs=2, imgsz=96, batch=8, workers=0"}
    if outlines:
        smaller |= {"--format yolo ": "--format yolo-seg ", '"yolo26n.yaml"': '"yolo26n-seg.yaml"'}
    page, script = (
        YOLO,
        ["from ultralytics.cfg import entrypoint", "entrypoint('yolo settings mlflow=False')"],
    )
    for old, new in smaller.items():
        assert old in page
        page = page.replace(old, new)
    for command, block in steps(page):
        if command and command.startswith("yolo "):
            script.append(f"entrypoint({command!r})")
        elif command:
            do(command)
        else:
            script.append(block)
    Path("guide.py").write_text("\n".join(script), encoding="utf-8")
    out = run_apart("guide.py", home=tmp_path / "home", cwd=tmp_path)
    assert re.search(r"^mAP at an IoU of 0.5: [\d.]+  from 0.5 to 0.95: [\d.]+$", out, re.MULTILINE)
    rejects = re.search(
        r"^false rejects: \d+ of (\d+) good images\nescapes: \d+ of (\d+) defects$", out, re.MULTILINE
    )
    labels = [path.read_text() for path in Path("widget-yolo/labels/test").glob("*.txt")]
    assert [int(count) for count in rejects.groups()] == [labels.count(""), len(labels) - labels.count("")]
    with Image.open("001-boxes.jpg") as picture:
        assert picture.size == (96, 96)


def tiny(checkpoint):
    """A model as SAM is built, of which hardly anything is left."""
    encoder = ImageEncoderViT(64, 16, 3, 16, 1, 2, out_chans=32, use_rel_pos=True, global_attn_indexes=(0,))
    decoder = MaskDecoder(transformer_dim=32, transformer=TwoWayTransformer(1, 32, 2, 32))
    sam = Sam(encoder, PromptEncoder(32, (4, 4), (64, 64), 8), decoder).eval()
    sam.load_state_dict(torch.load(checkpoint) if Path(checkpoint).exists() else sam.state_dict())
    return sam


def test_the_guide_to_sam(do, monkeypatch, capsys):
    torch.manual_seed(0)
    monkeypatch.setitem(sam_model_registry, "vit_b", tiny)
    torch.save(tiny("none").state_dict(), "sam_vit_b_01ec64.pth")
    names = {}
    for command, block in steps(SAM):
        if command:
            do(command)
        else:
            assert block.count("lr=1e-4") == ("AdamW" in block)
            exec(compile(block.replace("lr=1e-4", "lr=1e-2"), "finetune-sam.md", "exec"), names)
    before = tiny("sam_vit_b_01ec64.pth").image_encoder.state_dict()
    assert all(
        (names["sam"].image_encoder.state_dict()[name] == values).all() for name, values in before.items()
    )
    assert min(names["score"](names["train"]).values()) > 0.4  # from 0.01: it learns these by heart
    assert names["verdict"].decision == "reject"
    for number in range(len(names["verdict"].regions())):
        with Image.open(f"001-region-{number}.png") as picture:
            assert picture.size == (96, 96)
