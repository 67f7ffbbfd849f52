// The same job as Tollgate's `hello` and `support` workers, as one would write it for node: `GET` answers `hello PATH`, `POST` is a
// Slack event: signature, window of 300 s, duplicates by event id in memory, a count for each conversation.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createSecureServer, createServer as createH2Server } from 'node:http2';

const secret = process.env.SLACK_SIGNING_SECRET;
const WINDOW = 300;
const seen = new Map(); // event id -> second it came; oldest first
const counts = new Map();

function verified(request, body) {
  const timestamp = request.headers['x-slack-request-timestamp'];
  const signature = request.headers['x-slack-signature'];
  if (!signature || !/^\d+$/.test(timestamp ?? '')) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > WINDOW) return false;
  const expected = Buffer.from('v0=' + createHmac('sha256', secret).update(`v0:${timestamp}:`).update(body).digest('hex'));
  const given = Buffer.from(signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function isDuplicate(id) {
  const now = Date.now() / 1000;
  for (const [old, second] of seen) {
    if (now - second <= WINDOW) break;
    seen.delete(old);
  }
  if (seen.has(id)) return true;
  seen.set(id, now);
  return false;
}

function answer(request, response, body) {
  if (!verified(request, body)) return response.writeHead(401).end();
  let event;
  try {
    event = JSON.parse(body);
  } catch {
    return response.writeHead(400).end();
  }
  if (isDuplicate(event.event_id)) return response.writeHead(200).end();
  const conversation = `${event.event.channel}:${event.event.user}`;
  const count = (counts.get(conversation) ?? 0) + 1;
  counts.set(conversation, count);
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ text: event.event.text, count }));
}

function handle(request, response) {
  if (request.method !== 'POST') return response.end(`hello ${request.url}`);
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => answer(request, response, Buffer.concat(chunks)));
}

function listen(server) {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(`127.0.0.1:${server.address().port}`)));
}

const listens = { h1: await listen(createServer(handle)), h2c: await listen(createH2Server(handle)) };
if (process.env.CERTIFICATE) {
  const options = { cert: readFileSync(process.env.CERTIFICATE), key: readFileSync(process.env.KEY), allowHTTP1: true };
  listens.tls = await listen(createSecureServer(options, handle));
}
console.log(JSON.stringify(listens));
