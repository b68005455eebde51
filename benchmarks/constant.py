"""What `serve.py` measures the service against: FastAPI answering with a constant."""

import os

from fastapi import FastAPI
from starlette.responses import Response

app = FastAPI()
BODY = b"x" * int(os.environ.get("CONSTANT_BYTES", "2000"))


@app.get("/v1/users/{user:path}/feed")
async def feed(user: str, n: int = 10) -> Response:  # noqa: ARG001 - as the service takes it
    """A constant."""
    return Response(BODY, media_type="application/json")


@app.post("/v1/events")
async def events(event: dict[str, str]) -> Response:  # noqa: ARG001 - as the service takes it
    """A constant."""
    return Response(b"{}", 201, media_type="application/json")
