// Answers a chat message with `{"endpoint": where it came in, "activity": the message}`, anything else with `hello PATH`.

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  // The gate sets this header on every delivery that it has verified; callers cannot forge it.
  const endpoint = request.headers.get("tollgate-endpoint");
  if (endpoint === null) {
    const { pathname, search } = new URL(request.url);
    return new Response(`hello ${pathname}${search}`);
  }
  return Response.json({ endpoint, activity: await request.json() });
}
