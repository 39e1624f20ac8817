"""The WSGI entry: `gunicorn app:app`, or `python app.py`, which is the same (settings: gunicorn.conf.py)."""

import os
from pathlib import Path

if __name__ == "__main__":
    from gunicorn.app.wsgiapp import WSGIApplication

    os.chdir(Path(__file__).resolve().parent)  # where gunicorn.conf.py is
    WSGIApplication("%(prog)s [OPTIONS]").run()
else:
    from service import create_app

    app = create_app()
