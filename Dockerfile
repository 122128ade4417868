FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends bubblewrap git && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/mathmill
COPY . .
RUN ./mathmill --help >/dev/null
ENV PATH="/opt/mathmill/.venv/bin:$PATH"
CMD ["mathmill", "up"]
