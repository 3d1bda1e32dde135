# docker build --target cpu -t style-transfer .
# docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" -v style-transfer:/cache style-transfer \
#   --content photo.jpg --style painting.jpg --output result
# With an NVIDIA GPU: --target gpu, and docker run --gpus all.

FROM python:3.12-slim AS base
# Anyone may write to both, since --user may name anyone. Keras keeps its VGG19 in the home folder.
RUN install -d -m 1777 /work /cache
ENV HOME=/cache PIP_NO_CACHE_DIR=1
VOLUME ["/work", "/cache"]
WORKDIR /work
COPY requirements* /app/
ENTRYPOINT ["python", "/app/main.py"]
CMD ["--help"]

FROM base AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN pip install -r /app/requirements-gpu.txt && \
    pip install "av>=17.1,<19" "opencv-python-headless>=4.10,<6"
COPY . /app
USER 1000:1000

FROM base AS cpu
RUN pip install -r /app/requirements.txt && \
    pip install "av>=17.1,<19" "opencv-python-headless>=4.10,<6"
COPY . /app
USER 1000:1000
