# The pipeline and its page in a container: docs/container.md. CPU=0 as a build argument: torch with CUDA.
FROM python:3.12.11-slim-bookworm

# git for DVC, which knows a project by its .git, and make; no version: Debian keeps only the newest of a release
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

# an ordinary user from here on; UID=$(id -u) as a build argument: files that it writes to your folders are yours
ARG UID=1000
RUN useradd --no-log-init --create-home --uid "$UID" avr \
    && install --directory --owner avr --group avr /app /app/data /app/.dvc /app/.dvc/cache /cache
USER $UID
WORKDIR /app
ENV AVR_CACHE_DIR=/cache \
    AVR_PROGRESS=lines \
    PATH=/app/.venv/bin:$PATH \
    PIP_NO_CACHE_DIR=1 \
    UV_NO_CACHE=1

# the environment alone: a layer that a change of the code leaves as it is
ARG CPU=1
COPY --chown=avr:avr Makefile README.md LICENSE pyproject.toml requirements.lock ./
COPY --chown=avr:avr pipeline/__init__.py pipeline/
COPY --chown=avr:avr stages/__init__.py stages/
RUN make install CPU="$CPU" PYTHON=python3.12 \
    && .venv/bin/uv pip install --quiet --compile-bytecode --constraint requirements.lock --editable '.[search]'

# the code with its .git, which a folder made by `git worktree` has elsewhere: then the build ends here
COPY --chown=avr:avr . ./
RUN git rev-parse --verify HEAD \
    && .venv/bin/dvc stage list --name-only > /dev/null

# what is finished: clips and weights, the stages' outs, DVC's cache
VOLUME ["/cache", "/app/data", "/app/.dvc/cache"]
EXPOSE 8000
CMD ["avr", "serve", "--host", "0.0.0.0"]
