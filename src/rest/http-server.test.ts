import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { z } from 'zod';
import { parseStartup } from '../config/startup-config.ts';
import { silentLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import { systemClock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import { empty, json, jsonChunks, jsonText } from './answer.ts';
import { byteStream, documentSource, jsonBody, noBody, textBody } from './body.ts';
import { DEFAULT_BODY_LIMITS } from './body-watch.ts';
import { FeedPace } from './feed-pace.ts';
import { GzipSessions } from './gzip-session.ts';
import { DEFAULT_CONNECTION_LIMITS, HttpServer } from './http-server.ts';
import type { ConnectionLimits } from './http-server.ts';
import type { RestServices } from './rest-services.ts';
import { route } from './route.ts';
import { asArray, asLines, SharedRows } from './shared-rows.ts';
import type { Route } from './route.ts';
import { Ticker } from './ticker.ts';

const base = {
  access: 'public',
  query: z.object({}),
  answers: {},
  about: 'For the test.',
} as const;

const ROUTES: readonly Route[] = [
  route({
    ...base,
    method: 'GET',
    path: '/thing/{id}',
    body: noBody,
    handle: async ({ params }) => json(200, { id: params.id }, { Etag: `"${params.id}"` }),
  }),
  route({
    ...base,
    method: 'PUT',
    path: '/thing/{id}',
    body: documentSource,
    handle: async ({ body }) => jsonText(201, body),
  }),
  route({
    ...base,
    method: 'POST',
    path: '/small',
    body: jsonBody(z.object({ n: z.number() })),
    handle: async ({ body }) => json(200, body),
  }),
  route({
    ...base,
    method: 'PUT',
    path: '/code',
    body: textBody(['application/javascript']),
    handle: async ({ body }) => json(200, body.length),
  }),
  route({
    ...base,
    method: 'PUT',
    path: '/bytes',
    body: byteStream,
    handle: async ({ body }) => {
      let length = 0;
      for await (const chunk of body) {
        length += chunk.length;
        if (length > 1_000_000) throw new GatewayError('tooLarge', 'too much');
      }
      return json(200, length);
    },
  }),
  route({ ...base, method: 'GET', path: '/list/', body: noBody, handle: async () => empty(200) }),
  route({
    ...base,
    method: 'GET',
    path: '/rows',
    body: noBody,
    handle: async () => jsonChunks(200, rows()),
  }),
  route({
    ...base,
    method: 'GET',
    path: '/bug',
    body: noBody,
    handle: async () => {
      throw new Error('bug: with a secret in it');
    },
  }),
  route({
    ...base,
    method: 'GET',
    path: '/half',
    body: noBody,
    handle: async () => jsonChunks(200, brokenRows()),
  }),
];

async function* rows(): AsyncGenerator<string> {
  for (let n = 0; n < 1000; n++) yield `${n === 0 ? '[' : ','}${n}`;
  yield ']';
}

async function* brokenRows(): AsyncGenerator<string> {
  yield '[1,';
  throw new Error('bug: cannot go on');
}

interface Options {
  readonly routes?: readonly Route[];
  readonly limits?: Partial<ConnectionLimits>;
  readonly bodies?: Partial<RestServices['settings']['bodyLimits']>;
}

/** The infrastructure alone: no route of these has a database. */
async function listen(options: Options = {}): Promise<HttpServer & AsyncDisposable> {
  const clock = systemClock;
  const services: RestServices = {
    registry: undefined as never,
    tasks: undefined as never,
    events: undefined as never,
    imports: undefined as never,
    log: silentLog,
    clock,
    ticker: new Ticker(clock),
    metrics: createMetrics({ clock }),
    pace: new FeedPace(clock),
    lines: new SharedRows(asLines),
    messages: new SharedRows(asArray),
    zips: new GzipSessions(),
    settings: {
      pretty: false,
      compressResponses: true,
      hideProductVersion: false,
      bodyLimits: { ...DEFAULT_BODY_LIMITS, ...options.bodies },
      requestBytesMax: 10_000_000,
      heartbeatMsMax: 0,
    },
    startup: parseStartup('{}'),
    logSettings: { level: 'none', keys: new Set(), lines: { error: 0, warn: 0, dropped: 0 } },
    apis: { public: [], admin: [], metrics: [] },
    version: '0.0.0',
    nodeUid: 'node',
    reload: () => Promise.reject(new Error('there is no file')),
    readFunction: () => Promise.reject(new Error('there are no URLs')),
  };
  const server = await HttpServer.listen({
    port: 'admin',
    routes: options.routes ?? ROUTES,
    address: { host: '127.0.0.1', port: 0 },
    limits: { ...DEFAULT_CONNECTION_LIMITS, ...options.limits },
    services,
  });
  return Object.assign(server, { [Symbol.asyncDispose]: () => server.stop(200) });
}

interface Told {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

async function ask(
  server: HttpServer,
  method: string,
  path: string,
  { headers = {}, body }: { headers?: http.OutgoingHttpHeaders; body?: string | Buffer } = {},
): Promise<Told> {
  const url = new URL(server.url);
  const request = http.request({ host: url.hostname, port: url.port, method, path, headers });
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: Buffer.concat(chunks),
  };
}

const parsed = ({ body }: Told): unknown => JSON.parse(body.toString());
const reasonOf = (told: Told): string => (parsed(told) as { reason: string }).reason;
const jsonHeader = { 'Content-Type': 'application/json' };

test('a route answers GET, and HEAD with the same headers and no body', async () => {
  await using server = await listen();
  const get = await ask(server, 'GET', '/thing/a%2Fb%20c');
  assert.equal(get.status, 200);
  assert.deepEqual(parsed(get), { id: 'a/b c' });
  const head = await ask(server, 'HEAD', '/thing/a%2Fb%20c');
  assert.equal(head.status, 200);
  assert.equal(head.body.length, 0);
  assert.equal(head.headers['content-length'], get.headers['content-length']);
  assert.equal(head.headers['etag'], get.headers['etag']);
});

test('a known path with another method is 405 and tells which there are', async () => {
  await using server = await listen();
  for (const method of ['DELETE', 'POST', 'PATCH', 'TRACE']) {
    const told = await ask(server, method, '/thing/x');
    assert.equal(told.status, 405, method);
    assert.equal(told.headers['allow'], 'GET, HEAD, PUT');
    assert.deepEqual((parsed(told) as { error: string }).error, 'Method Not Allowed');
  }
});

test('OPTIONS tells the methods', async () => {
  await using server = await listen();
  const told = await ask(server, 'OPTIONS', '/thing/x');
  assert.equal(told.status, 204);
  assert.equal(told.headers['allow'], 'GET, HEAD, PUT');
  assert.equal(told.body.length, 0);
});

test('an unknown path is 404, in JSON', async () => {
  await using server = await listen();
  const told = await ask(server, 'GET', '/no/such/path');
  assert.equal(told.status, 404);
  assert.deepEqual(parsed(told), { error: 'not_found', reason: 'unknown URL' });
});

test('a slash too many or too few at the end is a redirect that keeps the query', async () => {
  await using server = await listen();
  const missing = await ask(server, 'GET', '/list?a=1');
  assert.equal(missing.status, 301);
  assert.equal(missing.headers['location'], '/list/?a=1');
  assert.equal(
    (await ask(server, 'POST', '/small/', { body: '{}' })).headers['location'],
    '/small',
  );
  assert.equal((await ask(server, 'PUT', '/list')).status, 301);
});

test('a redirect cannot lead to another host', async () => {
  await using server = await listen({
    routes: [{ ...(ROUTES[0] as Route), path: '/{db}/', query: z.object({}) }],
  });
  const told = await ask(server, 'GET', '/\\evil.example');
  assert.equal(told.status, 301);
  assert.equal(told.headers['location'], '/%5Cevil.example/');
});

test('a URL that is badly encoded is 400', async () => {
  await using server = await listen();
  const told = await ask(server, 'GET', '/thing/%zz');
  assert.equal(told.status, 400);
  assert.equal((parsed(told) as { error: string }).error, 'Bad Request');
});

test('a JSON body is handed on as text, with the spelling of its numbers', async () => {
  await using server = await listen();
  const body = '{"n":1.0,"m":1e5}';
  const told = await ask(server, 'PUT', '/thing/x', { headers: jsonHeader, body });
  assert.equal(told.status, 201);
  assert.equal(told.body.toString(), body);
});

test('bodies that are no JSON text in UTF-8 are refused', async () => {
  await using server = await listen();
  const put = async (body: string | Buffer, type = 'application/json'): Promise<number> =>
    (await ask(server, 'PUT', '/thing/x', { headers: { 'Content-Type': type }, body })).status;
  assert.equal(await put(''), 400);
  assert.equal(await put('  '), 400);
  assert.equal(await put(Buffer.from([0x22, 0xff, 0x22])), 400);
  assert.equal(await put('{}', 'text/plain'), 415);
  assert.equal(await put('{}', ';;;'), 400);
  assert.equal(await put('{}', 'application/json; charset=utf-8'), 201);
  assert.equal((await ask(server, 'POST', '/small', { body: '{"n":"1"}' })).status, 400);
  assert.equal((await ask(server, 'POST', '/small', { body: '{"n":1}' })).status, 200);
});

test('a body past its limit is 413, whether its length is told or not', async () => {
  await using server = await listen();
  const body = 'x'.repeat(1024 * 1024 + 1);
  const known = await ask(server, 'PUT', '/thing/x', { body });
  assert.equal(known.status, 413);
  const chunked = await ask(server, 'PUT', '/thing/x', {
    body,
    headers: { 'Transfer-Encoding': 'chunked' },
  });
  assert.equal(chunked.status, 413);
  assert.equal((parsed(chunked) as { error: string }).error, 'Request Entity Too Large');
});

test('a refused body leaves its connection usable', async () => {
  await using server = await listen();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const url = new URL(server.url);
  const options = { host: url.hostname, port: url.port, agent };
  const put = http.request({ ...options, method: 'PUT', path: '/thing/x' });
  put.end('x'.repeat(3_000_000));
  const [refused] = (await once(put, 'response')) as [http.IncomingMessage];
  assert.equal(refused.statusCode, 413);
  refused.resume();
  await once(refused, 'end');
  const get = http.get({ ...options, path: '/thing/y' });
  const [response] = (await once(get, 'response')) as [http.IncomingMessage];
  assert.equal(response.statusCode, 200);
  response.resume();
  agent.destroy();
});

test('a gzip body is decompressed, and its limit counts what comes out', async () => {
  await using server = await listen();
  const headers = { ...jsonHeader, 'Content-Encoding': 'gzip' };
  const fine = await ask(server, 'PUT', '/thing/x', { headers, body: gzipSync('{"a":1}') });
  assert.equal(fine.body.toString(), '{"a":1}');
  const bomb = gzipSync(Buffer.alloc(100_000_000, 0x20));
  assert.ok(bomb.length < 200_000);
  assert.equal((await ask(server, 'PUT', '/thing/x', { headers, body: bomb })).status, 413);
  assert.equal((await ask(server, 'PUT', '/thing/x', { headers, body: '{"a":1}' })).status, 400);
  const brotli = { ...headers, 'Content-Encoding': 'br' };
  assert.equal((await ask(server, 'PUT', '/thing/x', { headers: brotli, body: '{}' })).status, 415);
});

test('raw bytes stream to the route, which may refuse them half way', async () => {
  await using server = await listen();
  const fine = await ask(server, 'PUT', '/bytes', { body: Buffer.alloc(500_000) });
  assert.equal(fine.body.toString(), '500000');
  const headers = { 'Content-Encoding': 'gzip' };
  const zipped = await ask(server, 'PUT', '/bytes', { headers, body: gzipSync('abc') });
  assert.equal(zipped.body.toString(), '3');
  const much = await ask(server, 'PUT', '/bytes', { body: Buffer.alloc(5_000_000) });
  assert.equal(much.status, 413);
  const junk = await ask(server, 'PUT', '/bytes', { headers, body: 'junk' });
  assert.equal(junk.status, 400);
});

test('a body that comes too slowly is given up with 408', async () => {
  await using server = await listen({ bodies: { graceMs: 100 } });
  for (const path of ['/thing/x', '/bytes']) {
    const url = new URL(server.url);
    const request = http.request({
      host: url.hostname,
      port: url.port,
      method: 'PUT',
      path,
      headers: { 'Content-Length': 100 },
    });
    request.on('error', () => undefined);
    request.write('{');
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    assert.equal(response.statusCode, 408, path);
    assert.equal(response.headers['connection'], 'close');
    request.destroy();
  }
});

test('a body that is held must come in time; one that is streamed need only be steady', async () => {
  const heldMsMax = 300;
  await using server = await listen({ bodies: { heldMsMax } });
  const sendSlowly = async (path: string): Promise<number | undefined> => {
    const request = http.request(new URL(path, server.url), { method: 'PUT' });
    request.on('error', () => undefined);
    let answer: http.IncomingMessage | undefined;
    request.once('response', (response: http.IncomingMessage) => (answer = response.resume()));
    const startedMs = performance.now();
    while (answer === undefined && performance.now() - startedMs < 10 * heldMsMax) {
      request.write('1');
      await sleep(20);
    }
    request.end();
    if (answer === undefined) await once(request, 'response');
    return answer?.statusCode;
  };
  assert.deepEqual(await Promise.all(['/thing/x', '/bytes'].map(sendSlowly)), [408, 200]);
});

test('a head that does not come to its end is given up', async () => {
  await using server = await listen({ limits: { headersMs: 100 } });
  const url = new URL(server.url);
  const socket = net.connect(Number(url.port), url.hostname);
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 408 /);
  await once(socket, 'close');
});

test('a head that is too large is 431, and no HTTP at all is 400', async () => {
  await using server = await listen({ limits: { headBytesMax: 8192 } });
  const told = await ask(server, 'GET', '/thing/x', { headers: { 'X-Big': 'x'.repeat(10_000) } });
  assert.equal(told.status, 431);
  const url = new URL(server.url);
  const socket = net.connect(Number(url.port), url.hostname);
  socket.write('HELLO\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 400 [^]*"error":"Bad Request"/);
  socket.destroy();
});

test('a bug is 500 and tells the client nothing', async () => {
  await using server = await listen();
  const told = await ask(server, 'GET', '/bug');
  assert.equal(told.status, 500);
  assert.doesNotMatch(reasonOf(told), /secret/);
});

test('an answer that breaks off is cut, so that it does not look whole', async () => {
  await using server = await listen();
  await assert.rejects(ask(server, 'GET', '/half'));
});

test('larger answers are compressed for who accepts it', async () => {
  await using server = await listen();
  const plain = await ask(server, 'GET', '/rows');
  assert.equal(plain.headers['content-encoding'], undefined);
  const headers = { 'Accept-Encoding': 'deflate, gzip' };
  const zipped = await ask(server, 'GET', '/rows', { headers });
  assert.equal(zipped.headers['content-encoding'], 'gzip');
  assert.deepEqual(gunzipSync(zipped.body), plain.body);
  const refused = await ask(server, 'GET', '/rows', { headers: { 'Accept-Encoding': 'gzip;q=0' } });
  assert.equal(refused.headers['content-encoding'], undefined);
});

test('pretty answers are indented and keep their numbers', async () => {
  await using server = await listen();
  const told = await ask(server, 'PUT', '/thing/x?pretty=true', {
    body: '{"a":[1.0,{}],"b":"x:{"}',
  });
  assert.equal(told.body.toString(), '{\n  "a": [\n    1.0,\n    {}\n  ],\n  "b": "x:{"\n}\n');
});

function gate(): {
  readonly routes: readonly Route[];
  readonly open: () => void;
  readonly entered: Promise<void>;
} {
  const opened = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const slow = route({
    ...base,
    method: 'GET',
    path: '/slow',
    body: noBody,
    handle: async () => {
      entered.resolve();
      await opened.promise;
      return json(200, 'done');
    },
  });
  return { routes: [slow], open: opened.resolve, entered: entered.promise };
}

test('a stopping server answers what it has taken in, and takes no more', async () => {
  const { routes, open, entered } = gate();
  const server = await listen({ routes });
  const answer = ask(server, 'GET', '/slow');
  await entered;
  const stopped = server.stop(5_000);
  const url = server.url;
  await sleep(20); // the listening socket closes asynchronously
  await assert.rejects(fetch(url));
  open();
  assert.equal((await answer).status, 200);
  await stopped;
});

test('a stopping server cuts off what is not answered within the limit', async () => {
  const { routes, entered } = gate();
  const server = await listen({ routes });
  const answer = ask(server, 'GET', '/slow');
  answer.catch(() => undefined);
  await entered;
  await server.stop(50);
  await assert.rejects(answer);
});

test('the signal of a request aborts when its client goes away', async () => {
  const aborted = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const waiting = route({
    ...base,
    method: 'GET',
    path: '/wait',
    body: noBody,
    handle: async ({ signal }) => {
      signal.addEventListener('abort', () => aborted.resolve());
      entered.resolve();
      await aborted.promise;
      throw signal.reason;
    },
  });
  await using server = await listen({ routes: [waiting] });
  const request = http.get(`${server.url}/wait`);
  request.on('error', () => undefined);
  await entered.promise;
  request.destroy();
  await aborted.promise;
});
