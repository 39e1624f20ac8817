"""How `gunicorn app:app` and `python app.py` serve: processes with a model each, threads for their clients."""

import os
import sys
import tempfile

from gunicorn.arbiter import Arbiter

from service.observability import logs, metrics
from service.settings import Settings

settings = Settings.from_environment(os.environ)

wsgi_app = "app:app"
bind = f"0.0.0.0:{os.environ.get('PORT', '7860')}"
workers = settings.workers
worker_class = "service.worker.Worker"
threads = settings.max_queue + 64  # a thread for each request that waits, and for those that are refused or short
timeout = 120  # seconds without a sign of life, after which a worker is replaced
keepalive = 5  # seconds
graceful_timeout = settings.deadline_seconds + 5  # seconds that requests under way get after SIGTERM
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # the heartbeat file stays off the disk
forwarder_headers = ""  # what proxies say is believed by service.proxies alone, where the settings permit it
secure_scheme_headers = {}
accesslog = None  # service.observability.request_log writes a line a request
logconfig_dict = logs.configuration(settings.log_format)

control_socket_disable = True  # nobody steers it but by signals


if worker_tmp_dir is None:
    try:
        tempfile.gettempdir()
    except OSError as error:
        sys.exit(f"error: {error}: the service needs one to write to; with Docker, --tmpfs /tmp makes it")


def on_starting(server):
    server.counts = metrics.create_folder()


def pre_fork(server, worker):
    """The lowest slot that no worker has."""
    taken = {other.slot for other in server.WORKERS.values()}
    worker.slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)


def post_fork(server, worker):
    if server.counts:
        metrics.share(server.counts, worker.slot)


def post_worker_init(worker):
    worker.wsgi.extensions["captioner"].on_given_up = lambda: worker.handle_exit(None, None)


def worker_exit(server, worker):
    """A worker without a captioner would be replaced for ever: with this status it ends the server."""
    app = getattr(worker, "wsgi", None)  # None where it could not be imported
    if app and app.extensions["captioner"].has_given_up:
        sys.exit(Arbiter.WORKER_BOOT_ERROR)


def child_exit(server, worker):
    if server.counts:
        metrics.forget(server.counts, worker.slot)


def on_exit(server):
    if server.counts:
        metrics.remove_folder(server.counts)
