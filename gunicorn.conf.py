"""How `gunicorn app:app` and `python app.py` serve: one process with one model, threads for its clients."""

import logging
import os
from pathlib import Path

wsgi_app = "app:app"
bind = f"0.0.0.0:{os.environ.get('PORT', '7860')}"
workers = 1
worker_class = "service.worker.DeadlineWorker"
threads = 16
timeout = 120  # seconds that a worker may take to import PyTorch from a cold disk
keepalive = 5  # seconds
graceful_timeout = 30  # seconds that requests under way get after SIGTERM
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # the heartbeat file stays off the disk
accesslog = "-"

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

control_socket_disable = True  # nobody steers it but by signals
