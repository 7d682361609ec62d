import subprocess
import sys
from pathlib import Path


def test_warnings_of_pillow_that_name_no_file_are_not_shown():
    program = (
        "import main, io, warnings\n"
        "from PIL import Image\n"
        "file = io.BytesIO()\n"
        "Image.new('L', (9, 9)).save(file, 'JPEG', exif=b'Exif\\0\\0II*\\0\\xff\\xff\\xff\\xff')\n"
        "Image.open(file).getexif()\n"
        "warnings.warn('others are')\n"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stderr == "<string>:6: UserWarning: others are\n"
