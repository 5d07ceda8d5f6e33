"""An object store of S3 that is not ours: moto's server, in a process of its own, with one empty bucket."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from unittest.mock import patch

import boto3
import s3fs

BUCKET = "clips-of-many"


@contextmanager
def moto_store() -> Iterator[str]:
    """The URL of the bucket; until the end of the block the environment says where its store is."""
    server, port = _started()
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    place = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
    try:
        with patch.dict(os.environ, place | dict.fromkeys(names, "test")):
            s3fs.S3FileSystem.clear_instance_cache()  # which know the store of another test
            boto3.client("s3").create_bucket(Bucket=BUCKET)
            yield f"s3://{BUCKET}"
    finally:
        server.kill()
        server.wait()


def objects() -> dict[str, bytes]:
    """The objects of the bucket by key, as Amazon's own client reads them."""
    client = boto3.client("s3")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def put(key: str, data: bytes) -> None:
    """Write an object, as somebody else does."""
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=data)


def empty() -> None:
    """Remove all objects."""
    client = boto3.client("s3")
    for key in objects():
        client.delete_object(Bucket=BUCKET, Key=key)


def _started() -> "tuple[subprocess.Popen[bytes], int]":
    """A server that takes calls, and its port; another one where a program has taken the free port meanwhile."""
    while True:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        quiet = subprocess.DEVNULL
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "--port", str(port)], stdout=quiet, stderr=quiet
        )
        while server.poll() is None:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                return server, port
            time.sleep(0.05)
