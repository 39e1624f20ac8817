"""The WSGI entry: `gunicorn app:app`, or `python app.py`, which is the same (settings: gunicorn.conf.py)."""

import os
from pathlib import Path

if __name__ == "__main__":
    from gunicorn.app.wsgiapp import WSGIApplication

    os.chdir(Path(__file__).resolve().parent)  # where gunicorn.conf.py is
    WSGIApplication("%(prog)s [OPTIONS]").run()
else:
    from service import create_app

    # gunicorn would answer 500 to every request whose path a proxy has already taken this off.
    if prefix := os.environ.pop("SCRIPT_NAME", ""):
        os.environ.setdefault("CAPTION_URL_PREFIX", prefix)
    app = create_app()
