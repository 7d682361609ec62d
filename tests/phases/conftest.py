import pytest


@pytest.fixture
def the_error(capsys):
    """Checks that a command failed in one line, and returns that."""

    def check(code):
        assert code == 1
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return check
