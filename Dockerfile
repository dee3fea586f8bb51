# syntax=docker/dockerfile:1
# docker build --target service -t tippingpoint-service .      (or batch, dashboard)
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS wheels
WORKDIR /source
COPY requirements/release.txt requirements/
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/release.txt
COPY LICENSE README.md pyproject.toml ./
COPY packaging/ packaging/
COPY conf/ conf/
COPY data/contracts/ data/contracts/
COPY src/ src/
RUN /opt/build/bin/python -m build --wheel --no-isolation --outdir /wheels/whole . \
 && cp packaging/core/pyproject.toml pyproject.toml \
 && /opt/build/bin/python -m build --wheel --no-isolation --outdir /wheels/core .

FROM python:${PYTHON} AS service-packages
WORKDIR /source
COPY requirements/service.txt requirements/
RUN python -m venv /opt/tippingpoint \
 && /opt/tippingpoint/bin/pip install --no-cache-dir --require-hashes -r requirements/service.txt
COPY --from=wheels /wheels/core/ /wheels/
RUN /opt/tippingpoint/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

FROM python:${PYTHON} AS batch-packages
WORKDIR /source
COPY requirements/batch.txt requirements/
RUN python -m venv /opt/tippingpoint \
 && /opt/tippingpoint/bin/pip install --no-cache-dir --require-hashes -r requirements/batch.txt
COPY --from=wheels /wheels/whole/ /wheels/
RUN /opt/tippingpoint/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

# Who runs has no rights but on its own folder; the packages belong to root.
FROM python:${PYTHON} AS runtime
ENV PATH=/opt/tippingpoint/bin:$PATH PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=/tmp/numba
RUN groupadd --gid 10001 tippingpoint \
 && useradd --uid 10001 --gid 10001 --create-home tippingpoint
WORKDIR /home/tippingpoint
USER 10001:10001
ENTRYPOINT ["tippingpoint"]

FROM runtime AS batch
COPY --from=batch-packages /opt/tippingpoint/ /opt/tippingpoint/
CMD ["--help"]

FROM runtime AS dashboard
COPY --from=batch-packages /opt/tippingpoint/ /opt/tippingpoint/
EXPOSE 8501
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=3)"]
# It starts with a login in ~/.streamlit/secrets.toml, or with public=true typed behind a proxy that has one.
CMD ["dashboard", "host=0.0.0.0", "port=8501"]

FROM runtime AS service
COPY --from=service-packages /opt/tippingpoint/ /opt/tippingpoint/
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=3)"]
CMD ["serve", "host=0.0.0.0", "port=8000", "model=models:/conversion@champion"]
