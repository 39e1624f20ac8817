"""The service under a path of another site, behind a real nginx: page, captions, search, documents, health."""

import json

import pytest
import requests
from playwright.sync_api import expect

from benchmarks.server import running_server
from tests.pictures import encoded, photograph
from tests.web.conftest import DESKTOP, opened
from tests.web.gestures import caption, choose, wait_until
from tests.web.nginx import nginx

# The path is taken off and told in a header; it is passed on as it came, and the service was told of it when started.
_LOCATIONS = """
location /captions/ {{
    proxy_pass {url}/;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Prefix /captions;
}}
location /its/own/ {{
    proxy_pass {url};
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
}}
"""
PATHS = ("/captions/", "/its/own/")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "coffee.jpg").write_bytes(encoded(photograph("coffee"), "JPEG"))
    record = {"path": "coffee.jpg", "caption": "a cup of coffee on a table"}
    (folder / "results.jsonl").write_text(json.dumps(record) + "\n")
    settings = {"CAPTION_TRUSTED_PROXIES": "1", "CAPTION_URL_PREFIX": "/its/own", "CAPTION_RATE_LIMIT": "100/minute"}
    with running_server(folder, CAPTION_COLLECTION=str(folder / "results.jsonl"), **settings) as server:
        server.wait_until_healthy()
        with nginx(folder, _LOCATIONS.format(url=server.url)) as address:
            yield address


@pytest.mark.parametrize("path", PATHS)
def test_the_page_works_and_asks_for_nothing_else_of_the_site(site, browser, path):
    with opened(browser, site + path, **DESKTOP) as page:
        choose(page)
        wait_until(page, "done")
        expect(caption(page)).not_to_be_empty()
        page.get_by_role("searchbox").fill("coffee")
        page.get_by_role("button", name="Search", exact=True).click()
        expect(page.locator("#results .said")).to_have_text("a cup of coffee on a table")
        expect(page.locator("#results img")).to_be_visible()
        page.get_by_role("link", name="The same for programs").click()
        expect(page.locator("h1")).to_have_text("Captions for programs")
        assert page.url == f"{site}{path}docs"
        assert page.evaluate("getComputedStyle(document.querySelector('.method')).fontWeight")  # its styles came
        expect(page.locator("pre").first).to_contain_text(f"{site}{path}predict")
        page.get_by_role("link", name="by hand").click()
        expect(page).to_have_url(site + path)


@pytest.mark.parametrize("path", PATHS)
def test_the_api_works_as_it_describes_itself(site, path):
    api = requests.get(f"{site}{path}openapi.json", timeout=10).json()
    [server] = api["servers"]
    address = site + server["url"]
    assert address + "/" == site + path
    answer = requests.post(address + "/predict", files={"image": encoded(photograph("coffee"), "JPEG")}, timeout=60)
    assert answer.status_code == 200 and answer.json()["caption"]
    assert requests.get(address + "/health", timeout=10).json()["status"] == "healthy"
    found = requests.get(address + "/collection/search?q=coffee", timeout=10).json()
    [result] = found["results"]
    assert result["thumbnail"].startswith(path) and requests.get(site + result["thumbnail"], timeout=10).ok
    assert requests.get(address + "/nothing", timeout=10).json()["error"]["code"] == "not_found"
    stray = requests.get(address + "/health", headers={"SCRIPT_NAME": "/x", "X-Script-Name": "/x"}, timeout=10)
    assert stray.status_code == 200


def test_without_the_slash_nginx_or_the_service_leads_to_the_page(site):
    for path in PATHS:
        assert requests.get(site + path.rstrip("/"), timeout=10).url == site + path
