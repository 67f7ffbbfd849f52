// Answers a chat message with `{"endpoint": where it came in, "activity": the message}`, anything else with `hello PATH`.

#include <stdlib.h>
#include <string.h>

#include "proxy.h"

// What one call of a stream takes at most, in bytes.
#define READ_MOST (64 * 1024)
#define WRITE_MOST (4 * 1024)

// Bytes that grow. Nothing is freed: the memory of a call is gone when it ends.
typedef struct {
  uint8_t *bytes;
  size_t len;
} text_t;

static void append(text_t *text, const void *bytes, size_t len) {
  text->bytes = realloc(text->bytes, text->len + len + 1);
  if (text->bytes == NULL) abort();
  memcpy(text->bytes + text->len, bytes, len);
  text->len += len;
}

static void append_words(text_t *text, const char *words) { append(text, words, strlen(words)); }

// Appends the body of a request; false when it broke off.
static bool append_body(text_t *text, wasi_http_types_borrow_incoming_request_t request) {
  wasi_http_types_own_incoming_body_t body;
  wasi_http_types_own_input_stream_t stream;
  if (!wasi_http_types_method_incoming_request_consume(request, &body)) return false;
  if (!wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(body), &stream)) return false;
  proxy_list_u8_t chunk;
  wasi_io_streams_stream_error_t error;
  while (wasi_io_streams_method_input_stream_blocking_read(wasi_io_streams_borrow_input_stream(stream), READ_MOST, &chunk, &error)) {
    append(text, chunk.ptr, chunk.len);
  }
  // A stream goes before what it is a part of.
  wasi_io_streams_input_stream_drop_own(stream);
  wasi_http_types_incoming_body_drop_own(body);
  return error.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED;
}

static void respond(exports_wasi_http_incoming_handler_own_response_outparam_t out, uint16_t status, text_t text) {
  wasi_http_types_own_outgoing_response_t response = wasi_http_types_constructor_outgoing_response(wasi_http_types_constructor_fields());
  wasi_http_types_borrow_outgoing_response_t borrowed = wasi_http_types_borrow_outgoing_response(response);
  wasi_http_types_own_outgoing_body_t body;
  wasi_http_types_own_output_stream_t stream;
  if (!wasi_http_types_method_outgoing_response_set_status_code(borrowed, status)) abort();
  if (!wasi_http_types_method_outgoing_response_body(borrowed, &body)) abort();
  if (!wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(body), &stream)) abort();
  wasi_http_types_result_own_outgoing_response_error_code_t answer = {.is_err = false, .val.ok = response};
  wasi_http_types_static_response_outparam_set(out, &answer);

  wasi_io_streams_stream_error_t gone;
  bool sent = true;
  for (size_t at = 0; sent && at < text.len; at += WRITE_MOST) {
    size_t rest = text.len - at;
    proxy_list_u8_t piece = {text.bytes + at, rest < WRITE_MOST ? rest : WRITE_MOST};
    sent = wasi_io_streams_method_output_stream_blocking_write_and_flush(wasi_io_streams_borrow_output_stream(stream), &piece, &gone);
  }
  wasi_io_streams_output_stream_drop_own(stream);
  // The caller may have gone away meanwhile; then there is nobody to tell.
  wasi_http_types_error_code_t error;
  wasi_http_types_static_outgoing_body_finish(body, NULL, &error);
}

void exports_wasi_http_incoming_handler_handle(exports_wasi_http_incoming_handler_own_incoming_request_t request,
                                               exports_wasi_http_incoming_handler_own_response_outparam_t out) {
  wasi_http_types_borrow_incoming_request_t borrowed = wasi_http_types_borrow_incoming_request(request);
  wasi_http_types_own_headers_t headers = wasi_http_types_method_incoming_request_headers(borrowed);
  // The gate sets this header on every delivery that it has verified; callers cannot forge it.
  wasi_http_types_field_name_t name = {(uint8_t *)"tollgate-endpoint", sizeof "tollgate-endpoint" - 1};
  wasi_http_types_list_field_value_t endpoints;
  wasi_http_types_method_fields_get(wasi_http_types_borrow_fields(headers), &name, &endpoints);
  wasi_http_types_fields_drop_own(headers);

  uint16_t status = 200;
  text_t text = {NULL, 0};
  proxy_string_t path;
  if (endpoints.len > 0) {
    // An endpoint's id needs no escapes, and the activity is JSON already.
    append_words(&text, "{\"endpoint\":\"");
    append(&text, endpoints.ptr[0].ptr, endpoints.ptr[0].len);
    append_words(&text, "\",\"activity\":");
    if (!append_body(&text, borrowed)) status = 400;
    append_words(&text, "}");
  } else {
    append_words(&text, "hello ");
    if (wasi_http_types_method_incoming_request_path_with_query(borrowed, &path)) append(&text, path.ptr, path.len);
  }
  wasi_http_types_incoming_request_drop_own(request);
  respond(out, status, text);
}
