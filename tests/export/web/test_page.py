"""The exported page in a real browser: what people do with it."""

import base64
import contextlib
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import chromium
from ugatit_tf.checkpoints.checkpoint import open_run
from ugatit_tf.data import crops, demo, images
from ugatit_tf.errors import RunError
from ugatit_tf.export import web
from ugatit_tf.export.web import litert
from ugatit_tf.inference import Translator

PHOTOS = sorted((Path(__file__).parents[3] / ".." / "shared" / "real" / "photos").glob("*"))
BROWSER = chromium.browser()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="needs Chromium and playwright")]


@pytest.fixture(scope="session")
def runtime():
    try:
        return litert.read("")
    except RunError as error:
        pytest.skip(str(error))


@pytest.fixture
def exported(tiny_config, save_generators, runtime, tmp_path):
    """Exports the page of a tiny run; returns its folder, the generators, and the run's checkpoint."""

    def export(**options):
        config = dataclasses.replace(tiny_config, **options)
        generators = save_generators(config)
        checkpoint = open_run(config)
        try:
            finders = web.read_finders(config)
        except RunError as error:
            pytest.skip(str(error))
        web.write(tmp_path / "web", config, checkpoint, generators, runtime=runtime, finders=finders)
        return tmp_path / "web", generators, checkpoint

    return export


@contextlib.contextmanager
def page_of(folder):
    with chromium.served(folder) as url, chromium.opened(BROWSER, url) as page:
        yield page


def until(page, holds):
    """Waits until something holds for the addresses that the page's service worker has kept."""
    for _ in range(600):
        kept = page.evaluate(
            "async () => (await (await caches.open(`page of ${location.href}`)).keys()).map((request) => request.url)"
        )
        if holds(kept):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"still {kept}")


def photo(width=300, height=200):
    return np.asarray(Image.fromarray(demo.draw("testA", 0, 256)).resize((width, height)))


def choose(page, *files):
    page.set_input_files("#files", [{"name": name, "mimeType": "", "buffer": data} for name, data in files])


def png(picture, **options):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", **options)
    return file.getvalue()


def translated_by_hand(checkpoint, direction, square):
    return Translator.of(checkpoint, direction)(square[np.newaxis])[0].astype(int)


@pytest.mark.parametrize(("channels", "light"), [(3, True), (1, True), (4, True), (3, False)])
def test_the_page_computes_both_directions_as_the_generators_do(exported, channels, light):
    folder, generators, _ = exported(img_ch=channels, light=light)
    pictures = images.with_channels(demo.draw("testA", 0, 32), channels)[np.newaxis]
    found = chromium.compare(BROWSER, folder, generators, {"A2B": pictures, "B2A": pictures})
    assert found.keys() == {"A2B", "B2A"}
    assert min(found.values()) >= 0.99  # WebAssembly rounds a few values to the next level
    other = chromium.compare(BROWSER, folder, {"A2B": generators["B2A"]}, {"A2B": pictures})
    assert other["A2B"] < 0.9  # another network's translation: the comparison can fail


def test_a_photo_is_turned_upright_and_cropped(exported):
    folder, _, checkpoint = exported()
    picture = photo()
    exif = Image.Exif()
    exif[0x112] = 6
    data = png(np.rot90(picture), exif=exif)
    with page_of(folder) as page:
        choose(page, ("photo.png", data))
        result = chromium.wait_for(page, "photo.png", 3)
        expected = translated_by_hand(checkpoint, "A2B", picture[:, 50:250])
        assert np.mean(np.abs(result - expected) <= 2) > 0.95

        page.focus(".square")
        page.keyboard.press("ArrowRight")  # by 2% of the longer side
        page.keyboard.press("-")
        page.wait_for_function("() => document.querySelector('article').matches(':not(.working)')")
        moved = chromium.wait_for(page, "photo.png", 3)
        region = crops.Region(156, 100, 194, 194)
        expected = translated_by_hand(checkpoint, "A2B", crops.cut(picture, region, 32))
        assert np.mean(np.abs(moved - expected) <= 2) > 0.95
        assert np.abs(moved - result.astype(int)).max() > 2

        page.check("input[value=B2A]")
        page.wait_for_function("() => document.querySelector('.compare + figcaption').textContent === 'B | A'")
        expected = translated_by_hand(checkpoint, "B2A", crops.cut(picture, region, 32))
        assert np.mean(np.abs(chromium.wait_for(page, "photo.png", 3) - expected) <= 2) > 0.95


def test_several_at_once_and_a_sentence_for_what_is_no_picture(exported):
    folder, *_ = exported()
    with page_of(folder) as page:
        choose(page, ("notes.txt", b"no picture"), ("one.png", png(photo())), ("two.png", png(photo(40, 90))))
        page.wait_for_function("() => document.querySelectorAll('article:not(.working)').length === 2")
        assert page.locator("article h2").all_inner_texts() == ["two.png", "one.png"]
        (problem,) = page.locator("#problems li").all_inner_texts()
        assert problem.startswith("notes.txt is not a picture that this browser can read")
        page.locator("article").first.get_by_role("button", name="Remove").click()
        assert page.locator("article").count() == 1


def test_slider_heatmap_and_download(exported):
    folder, *_ = exported()
    with page_of(folder) as page:
        choose(page, ("photo.of.me.png", png(photo())))
        result = chromium.wait_for(page, "photo.of.me.png", 3)
        page.focus(".compare input")
        page.keyboard.press("ArrowRight")
        clip = "(canvas) => getComputedStyle(canvas).clipPath"
        assert page.eval_on_selector(".result", clip) == "inset(0px 0px 0px 51%)"
        shown = "() => document.querySelector('.compare canvas').toDataURL()"
        before = page.evaluate(shown)
        page.check("#heatmap")
        assert page.evaluate(shown) != before
        with page.expect_download() as download:
            page.get_by_role("button", name="Download PNG").click()
        assert download.value.suggested_filename == "photo.of.me-A2B.png"
        np.testing.assert_array_equal(images.load(Path(download.value.path()), None), result)


def with_browser(page, script):
    """Loads the page again, in a browser that has more."""
    page.add_init_script(script)
    page.reload()
    page.wait_for_function("() => document.querySelector('#status').textContent.startsWith('Ready')")


def test_sharing_where_the_browser_can(exported):
    folder, *_ = exported()
    with page_of(folder) as page:
        with_browser(
            page, "navigator.canShare = () => true; navigator.share = async (what) => { window.shared = what; }"
        )
        choose(page, ("me.png", png(photo())))
        chromium.wait_for(page, "me.png", 3)
        page.get_by_role("button", name="Share").click()
        page.wait_for_function("() => window.shared")
        assert page.evaluate("() => window.shared.files.map((file) => file.name)") == ["me-A2B.png"]


def two_faces():
    """A drawn picture of two faces, of different sizes."""
    picture = np.full((240, 460, 3), 120, np.uint8)
    for index, (left, top, size) in enumerate(((20, 20, 200), (270, 40, 160))):
        drawn = Image.fromarray(demo.draw("testA", index, 256)).resize((size, size))
        picture[top : top + size, left : left + size] = np.asarray(drawn)
    return picture


def settle(page, squares):
    """Waits until so many squares are translated, and returns what the network saw, int `[N, size, size, 3]`."""
    page.wait_for_function(
        "(count) => !document.querySelector('article.working')"
        " && document.querySelectorAll('.compare + figcaption:not(:empty)').length === count",
        arg=squares,
    )
    urls = page.eval_on_selector_all(".compare canvas:first-child", "(all) => all.map((canvas) => canvas.toDataURL())")
    return [images.load(io.BytesIO(base64.b64decode(url.partition(",")[2])), None, 3).astype(int) for url in urls]


def is_alike(seen, expected):
    return np.mean(np.abs(seen - expected) <= 3) > 0.99


def test_each_face_gets_its_square_on_the_runs_background(exported):
    folder, _, checkpoint = exported(crop_A="face", background_A="white")
    cropper = crops.Cropper.of(checkpoint.config, "A", "center")
    picture = two_faces()
    regions = [region for region, _ in cropper.find_all(picture)]
    assert len(regions) == 2
    with page_of(folder) as page:
        page.set_viewport_size({"width": 390, "height": 844})
        choose(page, ("two.png", png(picture)))
        seen = settle(page, 2)
        for one, region in zip(seen, regions, strict=True):
            assert is_alike(one, cropper.square(picture, region, 32))
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
        turn = "(square) => square.style.transform"
        assert page.eval_on_selector(".square", turn).startswith(f"rotate({regions[0].angle:.1f}")

        page.uncheck("#background input")
        page.wait_for_function("() => !document.querySelector('article.working')")
        for one, region in zip(settle(page, 2), regions, strict=True):
            assert is_alike(one, crops.cut(picture, region, 32))
        page.check("#background input")
        settle(page, 2)

        page.locator(".square").first.focus()
        page.keyboard.press("ArrowRight")  # by 2% of the longer side
        moved = dataclasses.replace(regions[0], x=regions[0].x + 0.02 * 460)
        assert is_alike(settle(page, 2)[0], cropper.square(picture, moved, 32))
        page.get_by_role("button", name="Add a square").click()
        assert len(settle(page, 3)) == 3
        page.get_by_role("button", name="Remove square 1").click()
        assert is_alike(settle(page, 2)[0], cropper.square(picture, regions[1], 32))


def test_a_picture_without_a_face_is_cropped_in_the_middle_and_says_so(exported):
    folder, _, _ = exported(crop_A="face", background_A="white")
    picture = np.random.default_rng(0).integers(100, 110, (200, 300, 3), dtype=np.uint8)
    with page_of(folder) as page:
        choose(page, ("plain.png", png(picture)))
        (seen,) = settle(page, 1)
        assert is_alike(seen, images.resize(picture[:, 50:250], 32))
        assert page.inner_text("figcaption").startswith("No face was found, so the square is in the middle.")
        assert "No person was found here" in page.inner_text(".compare + figcaption")


FIND = """async ([name, data]) => {
    const { open } = await import("/browser-engine.js");
    const { Picture, decode } = await import("/picture.js");
    window.engine ??= await open(await (await fetch("settings.json")).json(), "A2B", () => {});
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    const picture = new Picture(await decode(new File([bytes], name)), 3);
    return (await window.engine.findSquares({ picture }, "A2B")).map(({ x, y, width }) => [x, y, width]);
}"""


@pytest.mark.skipif(not PHOTOS, reason="takes photographs of people, which are not part of the project")
def test_squares_on_photographs_are_pythons(exported):
    folder, _, checkpoint = exported(crop_A="face")
    cropper = crops.Cropper.of(checkpoint.config, "A", "center")
    worst = []
    with page_of(folder) as page:
        for path in PHOTOS:
            regions = [cropper.around(face) for face in cropper.detector.all(images.decode(path))]
            found = page.evaluate(FIND, [path.name, base64.b64encode(path.read_bytes()).decode()])
            assert len(found) == len(regions)
            for region in regions:
                own = np.array([region.x, region.y, region.width])
                worst.append(min(np.abs(np.subtract(each, own)).max() for each in found) / region.width)
    assert max(worst) < 0.01  # measured: 0.26 %


def test_pasted_and_taken_pictures(exported):
    folder, *_ = exported()
    with page_of(folder) as page:
        page.evaluate(
            """(data) => {
                const clipboardData = new DataTransfer();
                const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
                clipboardData.items.add(new File([bytes], "pasted.png"));
                document.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
            }""",
            base64.b64encode(png(photo())).decode(),
        )
        chromium.wait_for(page, "pasted.png", 3)
        page.evaluate(
            """() => {
                const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
                const context = canvas.getContext("2d");
                setInterval(() => context.fillRect(0, 0, Math.random() * 64, 48), 20);
                const stream = canvas.captureStream();
                window.tracks = stream.getTracks();
                navigator.mediaDevices.getUserMedia = () => Promise.resolve(stream);
            }"""
        )
        page.click("#camera")
        page.wait_for_function("() => document.querySelector('video').videoWidth === 64")
        page.click("button[value=take]")
        chromium.wait_for(page, "camera.png", 3)
        assert page.evaluate("() => window.tracks.map((track) => track.readyState)") == ["ended"]
        page.click("#camera")
        page.wait_for_selector("dialog[open]")
        page.click("button[value=cancel]")
        assert page.locator("article").count() == 2


def test_no_request_leaves_the_origin_and_none_could(exported):
    folder, *_ = exported()
    with page_of(folder) as page:
        asked = []
        page.context.on("request", lambda request: asked.append(request.url))
        page.reload()
        page.wait_for_function("() => document.querySelector('#status').textContent.startsWith('Ready')")
        choose(page, ("photo.png", png(photo())))
        chromium.wait_for(page, "photo.png", 3)
        origin = page.evaluate("() => location.origin")
        assert len(asked) > 10
        assert {url for url in asked if not url.startswith((f"{origin}/", f"blob:{origin}/"))} == set()
        refused = "(url) => fetch(url, { mode: 'no-cors' }).then(() => false, () => true)"
        assert page.evaluate(refused, "http://localhost:9/") is True
        # Nor is it the network that refuses: the policy says so.
        page.evaluate(
            "() => document.addEventListener('securitypolicyviolation', (e) => (window.broken = e.blockedURI))"
        )
        page.evaluate(refused, origin.replace("127.0.0.1", "localhost"))
        page.wait_for_function("() => window.broken")


@pytest.mark.parametrize(("options", "files"), [({}, 2), ({"crop_A": "face", "background_A": "white"}, 4)])
def test_after_the_first_visit_it_works_without_the_server(exported, options, files):
    folder, _, checkpoint = exported(**options)
    picture = demo.draw("testA", 0, 32)
    with contextlib.ExitStack() as server, contextlib.ExitStack() as browser:
        url = server.enter_context(chromium.served(folder))
        page = browser.enter_context(chromium.opened(BROWSER, url))
        until(page, lambda kept: sum("/weights/" in url for url in kept) == files)
        server.close()
        page.goto("about:blank")
        page.goto(url)
        page.wait_for_function("() => document.querySelector('#status').textContent.startsWith('Ready')")
        for direction in ("A2B", "B2A"):
            page.check(f"input[value={direction}]")
            chromium.drop(page, f"{direction}.png", picture)
            result = chromium.wait_for(page, f"{direction}.png", 3)
            if options and direction == "A2B":
                assert "could not" not in page.inner_text("article")
                continue
            assert np.mean(np.abs(result - translated_by_hand(checkpoint, direction, picture)) <= 2) >= 0.99


def test_weights_of_an_earlier_export_are_forgotten(exported):
    folder, *_ = exported()
    with page_of(folder) as page:
        page.evaluate(
            "async () => { const store = await caches.open(`page of ${location.href}`);"
            "await store.put('weights/A2B-old.tflite', new Response('')); }"
        )
        until(page, lambda kept: any("-old" in url for url in kept))
        page.reload()
        until(page, lambda kept: not any("-old" in url for url in kept))


def test_a_network_that_cannot_be_loaded_is_told(exported):
    folder, *_ = exported()
    next((folder / "weights").glob("A2B-*")).write_bytes(b"nonsense")
    with pytest.raises(AssertionError, match="The network could not be loaded"), page_of(folder):
        pass


@pytest.mark.parametrize(("tolerance", "by"), [("2", "WebGPU"), ("-1", "wasm on")])
def test_webgpu_is_taken_where_it_agrees_with_wasm(exported, monkeypatch, tolerance, by):
    folder, *_ = exported()
    script = (folder / "worker.js").read_text()
    assert "const TOLERANCE = 2;" in script
    (folder / "worker.js").write_text(script.replace("const TOLERANCE = 2;", f"const TOLERANCE = {tolerance};"))
    software = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--use-vulkan=swiftshader")
    flags = [flag for flag in chromium.FLAGS if flag != "--disable-gpu"]
    monkeypatch.setattr(chromium, "FLAGS", (*flags, *software, "--enable-features=Vulkan"))
    with page_of(folder) as page:
        if page.evaluate("() => navigator.gpu.requestAdapter()") is None:
            pytest.skip("this Chromium has no WebGPU in software")
        assert f"in this browser, by {by}" in page.inner_text("#status")
