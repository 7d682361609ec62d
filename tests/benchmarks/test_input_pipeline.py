import math

from benchmarks import input_pipeline


def test_measures_real_files(tmp_path):
    row = input_pipeline.measure(tmp_path, file_px=24, img_size=32, count=5)
    assert {"file_px": 24, "img_size": 32}.items() <= row.items()
    assert all(0 < row[name] < math.inf for name in ("cold", "in_memory", "on_disk"))
    assert len(list(tmp_path.glob("24_32/train[AB]/*.jpg"))) == 2 * 5


def test_starts_on_as_many_files_as_it_says(tmp_path):
    large = input_pipeline.start_large_folder(tmp_path, files=50, steps=3)
    assert (large["files"], large["steps"]) == (50, 3)
    assert len(list(tmp_path.glob("large/train[AB]/*.jpg"))) == 2 * 50
    assert 0 < large["listed_s"] < large["started_s"] < math.inf
    assert all(math.isfinite(large[name]) for name in ("start_mb", "steps_mb"))
