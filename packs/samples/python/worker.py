"""Answers a chat message with `{"endpoint": where it came in, "activity": the message}`, anything else with `hello PATH`."""

import json

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import (
    Fields,
    IncomingRequest,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)

# What one call of a stream takes at most, in bytes.
READ = 64 * 1024
WRITE = 4 * 1024


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        # The gate sets this header on every delivery that it has verified; callers cannot forge it.
        with request.headers() as headers:
            endpoint = headers.get("tollgate-endpoint")
        if endpoint:
            reply = {"endpoint": endpoint[0].decode(), "activity": json.loads(read(request))}
            send(response_out, "application/json", json.dumps(reply))
        else:
            send(response_out, "text/plain", f"hello {request.path_with_query()}")


def read(request: IncomingRequest) -> bytes:
    """The whole body of a request."""
    parts = []
    with request.consume() as body, body.stream() as stream:
        while True:
            try:
                parts.append(stream.blocking_read(READ))
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    return b"".join(parts)
                raise


def send(response_out: ResponseOutparam, content_type: str, text: str) -> None:
    """Answers with a text."""
    content = text.encode()
    response = OutgoingResponse(Fields.from_list([("content-type", content_type.encode())]))
    body = response.body()
    ResponseOutparam.set(response_out, Ok(response))
    with body.write() as stream:
        for start in range(0, len(content), WRITE):
            stream.blocking_write_and_flush(content[start : start + WRITE])
    OutgoingBody.finish(body, None)
