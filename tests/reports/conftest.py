import pytest

import chromium


@pytest.fixture
def browser():
    """Chromium of the system, driven by playwright."""
    path = chromium.browser()
    if path is None:
        pytest.skip("needs Chromium and playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
