//! Calling out: refused by policy. What a deployment may call will be granted by `allow_outbound`; this build grants nothing.

use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// Largest piece of a body that a guest hands over at once.
const CHUNK: usize = 64 << 10;
/// Pieces that wait for the client; with [`CHUNK`], the host memory that one answer can hold: 512 KiB.
const CHUNKS: usize = 7;

/// Refuses every outgoing request with `HTTP-request-denied`.
#[derive(Debug)]
pub(crate) struct Refuse;

type Sending = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Refuse {
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Sending,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Sending), Error>> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        CHUNKS
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
}
