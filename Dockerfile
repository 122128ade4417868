FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends bubblewrap git tesseract-ocr tesseract-ocr-chi-sim && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/mathmill
COPY . .
# with the extra `train`: the flows evaluate, verdict and train run in it too
RUN ./mathmill train --help >/dev/null
ENV PATH="/opt/mathmill/.venv/bin:$PATH"
CMD ["mathmill", "up"]
