# The service on a CPU. docker build -t image-captioner . && docker run -p 7860:7860 image-captioner
FROM python:3.11-slim

# CPU builds of PyTorch are a tenth of the size of the CUDA builds and live in an index of their own;
# --build-arg TORCH_INDEX_URL= takes them from the ordinary index instead.
ARG PIP_INDEX_URL=https://pypi.org/simple
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /app
COPY requirements.txt ./
COPY requirements/heic.txt requirements/watch.txt ./requirements/
RUN pip install ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} --constraint requirements.txt torch torchvision \
    && pip install --requirement requirements/heic.txt --requirement requirements/watch.txt

COPY best_model.pth vocab.pkl app.py gunicorn.conf.py ./
COPY languages ./languages
COPY model ./model
COPY collection ./collection
COPY service ./service
COPY templates ./templates
COPY static ./static

RUN useradd --uid 1000 --create-home captioner && install --directory --owner captioner /results
USER captioner

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '7860') + '/health', timeout=4)"]
CMD ["python", "app.py"]
