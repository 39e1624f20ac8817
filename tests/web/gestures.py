"""What a person does on the page, and what the page then holds."""

import base64
import io
import time

from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from tests.pictures import encoded, photograph
from tests.web.conftest import PATIENCE_MS

_TYPES = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "tiff": "TIFF", "webp": "WEBP"}


def picture(name: str = "coffee.jpg", image: Image.Image | None = None, **options) -> dict:
    """A file as Playwright gives it to an input; the name tells the format, and which of scikit-image's it is."""
    stem, _, ending = name.rpartition(".")
    format = _TYPES[ending]
    data = encoded(image or photograph(stem), format, **options)
    return {"name": name, "mimeType": f"image/{format.lower()}", "buffer": data}


NOTES = {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"not a photograph"}


def choose(page: Page, *files: dict) -> None:
    page.set_input_files("#choose", list(files or [picture()]))


def card(page: Page, at: int = 0) -> Locator:
    return page.locator("#cards > li").nth(at)


def caption(page: Page, at: int = 0) -> Locator:
    return card(page, at).locator(".caption")


def wait_until(page: Page, state: str, at: int = 0) -> None:
    expect(card(page, at)).to_have_attribute("data-state", state)


def wait_until_held(page: Page, held: list[Route], count: int) -> None:
    """A page says that it sends before the one who holds its requests back hears of it."""
    end = time.monotonic() + PATIENCE_MS / 1000
    while len(held) < count:
        assert time.monotonic() < end, f"{len(held)} of {count} requests"
        page.wait_for_timeout(20)


def hand_over(page: Page, event: str, *files: dict) -> None:
    """Drops, drags over or pastes files, as the browser would report it."""
    page.evaluate(
        """([event, files]) => {
            const transfer = new DataTransfer();
            for (const {name, mimeType, data} of files) {
                const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
                transfer.items.add(new File([bytes], name, {type: mimeType}));
            }
            document.body.dispatchEvent(event === 'paste'
                ? new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true})
                : new DragEvent(event, {dataTransfer: transfer, bubbles: true, cancelable: true}));
        }""",
        [event, [{**file, "data": base64.b64encode(file["buffer"]).decode(), "buffer": None} for file in files]],
    )


_LISTEN = """
    window.sent = [];
    const send = XMLHttpRequest.prototype.send;
    XMLHttpRequest.prototype.send = function (form) { window.sent.push(form); return send.call(this, form); };
"""


def listen(page: Page) -> None:
    """From here on the forms that the page sends are kept: Chromium does not tell the body of one with a file."""
    page.evaluate(f"() => {{ {_LISTEN} }}")


def sent_options(page: Page, at: int = -1) -> dict[str, str]:
    return dict(page.evaluate("at => [...sent.at(at)].filter(([name]) => name !== 'image')", at))


def sent_photograph(page: Page, at: int = -1) -> tuple[str, bytes]:
    """Media type and bytes."""
    address = page.evaluate(
        """at => new Promise(done => {
            const reader = new FileReader();
            reader.onload = () => done(reader.result);
            reader.readAsDataURL(sent.at(at).get('image'));
        })""",
        at,
    )
    head, _, data = address.partition(",")
    return head.removeprefix("data:").partition(";")[0], base64.b64decode(data)


def sent_image(page: Page, at: int = -1) -> Image.Image:
    return Image.open(io.BytesIO(sent_photograph(page, at)[1]))
