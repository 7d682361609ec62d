"""The page's modules that repeat computations of Python, run by Node beside those."""

import json
import shutil
import subprocess

import numpy as np
import pytest

import drawn_faces
from drawn_faces import face_at
from ugatit_tf.config import KEEP
from ugatit_tf.data import crops, faces, regions
from ugatit_tf.data.content import around_content
from ugatit_tf.data.crops import Cropper
from ugatit_tf.data.faces import FaceDetector, PersonMask
from ugatit_tf.data.regions import Region
from ugatit_tf.export import web

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")

# As `drawn_faces.network` does.
NETWORK = """
const anchors = [[16, 2], [8, 6]].flatMap(([cells, each]) => Array.from({ length: cells * cells * each }, (_, at) => {
  const cell = Math.floor(at / each);
  return [((cell % cells) + 0.5) * 128 / cells, (Math.floor(cell / cells) + 0.5) * 128 / cells];
}));
async function network(floats) {
  const sums = [[0, 0, 0], [0, 0, 0], [0, 0, 0]];
  for (let at = 0; at < 128 * 128; at++) {
    const [red, green, blue] = [0, 1, 2].map((channel) => (floats[at * 3 + channel] + 1) * 127.5);
    const leads = [red - Math.max(green, blue), green - Math.max(red, blue), blue - Math.max(red, green)];
    for (let index = 0; index < 3; index++) {
      const weight = Math.max(0, leads[index] - 20);
      sums[index][0] += weight;
      sums[index][1] += weight * (at % 128 + 0.5);
      sums[index][2] += weight * (Math.floor(at / 128) + 0.5);
    }
  }
  const [numbers, logits] = [new Float32Array(896 * 16), new Float32Array(896).fill(-9)];
  if (sums.every(([weight]) => weight >= 200)) {
    const [a, b, m] = sums.map(([weight, x, y]) => [x / weight, y / weight]);
    const box = [((a[0] + b[0]) / 2 + m[0]) / 2, ((a[1] + b[1]) / 2 + m[1]) / 2];
    const size = 2.4 * Math.hypot(b[0] - a[0], b[1] - a[1]);
    const far = (at) => Math.hypot(anchors[at][0] - box[0], anchors[at][1] - box[1]);
    for (const at of [...anchors.keys()].sort((one, other) => far(one) - far(other)).slice(0, 3)) {
      const places = [box, [0, 0], a, b, box, m, a, b].flat();
      numbers.set(places.map((value, index) => value - anchors[at][index % 2]), at * 16);
      numbers.set([size, size], at * 16 + 2);
      logits[at] = 4;
    }
  }
  return [logits, numbers];
}
"""


@pytest.fixture
def run(tmp_path):
    """Runs a script with the page's modules and a picture; returns what it gives to `answer`."""
    for path in web.PAGE.glob("*.js"):
        shutil.copy(path, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')

    def with_picture(picture, script):
        (tmp_path / "picture").write_bytes(picture.tobytes())
        height, width, channels = picture.shape
        (tmp_path / "run.js").write_text(
            'import { readFileSync, writeFileSync } from "node:fs";\n'
            'import { Pixels, sample } from "./regions.js";\n'
            'const bytes = new Uint8ClampedArray(readFileSync("picture"));\n'
            f"const picture = new Pixels(bytes, {width}, {height}, {channels});\n"
            "const joined = (parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));\n"
            'const answer = (...parts) => writeFileSync("answer", joined(parts));\n' + script
        )
        done = subprocess.run(["node", "run.js"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return (tmp_path / "answer").read_bytes()

    return with_picture


def in_javascript(region):
    values = {name: getattr(region, name) for name in ("x", "y", "width", "height", "angle", "beyond")}
    return json.dumps(values | {"exact": region.is_exact})


def noise(height, width, channels):
    """A picture of cells of eight pixels, with some noise."""
    random = np.random.default_rng(0)
    cells = random.integers(20, 236, (-(-height // 8), -(-width // 8), channels))
    picture = np.kron(cells, np.ones((8, 8, 1), int))[:height, :width]
    return (picture + random.integers(-20, 20, picture.shape)).astype(np.uint8)


REGIONS = [
    Region(100, 100, 60.3, 60.3, 12.5, "reflection", is_exact=True),
    Region(30, 60, 190.7, 190.7, -31, "reflection", is_exact=True),
    Region(20, 30, 333.3, 333.3, 5, "#203040", is_exact=True),
    Region(150, 50, 900, 900, 0, "reflection", is_exact=True),
    Region(40, 40, 20, 20, 44, "white", is_exact=True),
]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_squares_have_the_same_pixels(run, channels):
    picture = noise(97, 211, channels)
    list_ = ", ".join(map(in_javascript, REGIONS))
    data = run(picture, f"answer(...[{list_}].map((region) => sample(picture, region, 64)));")
    squares = np.frombuffer(data, np.uint8).reshape(len(REGIONS), 64, 64, channels)
    for found, region in zip(squares.astype(int), REGIONS, strict=True):
        expected = regions.sample(picture, region, 64).astype(int)
        off = np.abs(found - expected)
        if channels == 4:  # colours are rounded in other ways, the more transparent the coarser
            off = off * expected[..., 3:] / 255
        assert off.max() <= (3 if channels == 4 else 0)


def test_faces_are_found_and_framed_alike(run):
    drawn = [face_at(110, 120, 26), face_at(520, 90, 20, -15), face_at(450, 330, 14), face_at(20, 300, 40, 20)]
    picture = drawn_faces.draw(420, 640, *drawn)
    script = 'import { around, findFaces } from "./faces.js";\n' + NETWORK
    script += "const found = await findFaces(picture, network);\n"
    found = json.loads(run(picture, script + "answer(JSON.stringify(found.map((face) => around(face, 0.25))));"))
    expected = [faces.around(face, 0.25) for face in FaceDetector(drawn_faces.network).all(picture)]
    assert len(found) == len(expected) >= 3
    for one, region in zip(found, expected, strict=True):
        assert (one["beyond"], one["exact"]) == (region.beyond, region.is_exact)
        off = np.subtract([one[name] for name in ("x", "y", "width")], [region.x, region.y, region.width])
        assert np.abs(off).max() < 1e-4 * region.width  # float32 in one, float64 in the other
        assert one["angle"] == pytest.approx(region.angle, abs=0.01)


def test_a_head_that_is_turned_away_is_framed_alike(run):
    face = drawn_faces.Face((100, 100), (108, 116), (104, 158), 110, 130, 120)
    face_ = "{ leftEye: [100, 100], rightEye: [108, 116], mouth: [104, 158] }"
    script = f'import {{ around }} from "./faces.js";\nanswer(JSON.stringify(around({face_}, 0.5)));'
    found, region = json.loads(run(noise(8, 8, 3), script)), faces.around(face, 0.5)
    assert [found[name] for name in ("x", "y", "width", "angle")] == pytest.approx(
        [region.x, region.y, region.width, region.angle]
    )


@pytest.mark.parametrize(("channels", "size"), [(3, 300), (1, 256), (4, 256)])
def test_people_are_laid_over_the_background_alike(run, channels, size):
    row, column = np.mgrid[:300, :400]
    picture = noise(300, 400, channels)
    picture[np.hypot(row - 160, column - 180) < 100] //= 4  # one person, and a smaller part beside
    picture[(column > 350) & (row < 40)] //= 4
    if channels == 4:
        picture[..., 3] = 255
    region = Region(180, 150, 330, 330, 7, "reflection", is_exact=True)

    def network(inputs):
        return [1 - inputs[..., :1]]

    cropper = Cropper("face", 0.5, "center", background="#e0c0a0", mask=PersonMask(network))
    pixels, mask = cropper.masked(picture, region, size)
    script = f"""
        import {{ onGround, personMask, withinPicture }} from "./mask.js";
        const region = {in_javascript(region)};
        const pixels = sample(picture, region, {size});
        const network = async (floats) => [Float32Array.from({{ length: 65536 }}, (_, at) => 1 - floats[at * 3])];
        const mask = withinPicture(await personMask(pixels, {channels}, {size}, network), region, picture, {size});
        answer(mask.map((value) => Math.round(value * 255)), onGround(pixels, {channels}, mask, "#e0c0a0"));
    """
    data = np.frombuffer(run(picture, script), np.uint8)
    off = np.abs(data[: size * size].reshape(size, size) - 255.0 * mask)
    assert np.mean(off <= 3) > 0.99
    assert 0.1 < mask.mean() < 0.9
    laid = data[size * size :].reshape(size, size, channels)
    assert np.mean(np.abs(laid.astype(int) - cropper.on_background(pixels, mask, size)) <= 3) > 0.99
    assert cropper.background != KEEP


@pytest.mark.parametrize("channels", [1, 3])
def test_content_is_framed_alike(run, channels):
    picture = np.full((300, 700, channels), 200, np.uint8)
    picture[40:200, 300:420] = noise(160, 120, channels) // 2
    script = 'import { aroundContent } from "./content.js";\nanswer(JSON.stringify(aroundContent(picture, 0.8)));'
    region = around_content(picture, 0.8)
    assert json.loads(run(picture, script)) == json.loads(in_javascript(region))
    assert json.loads(run(picture[:30], script)) is None
    assert crops.around_content(picture[:30], 0.8) is None
