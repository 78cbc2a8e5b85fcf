import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { openBucketServer } from '../bucket/open-bucket.ts';
import { DatabaseRegistry } from '../database/registry.ts';
import { parseStartup } from '../config/startup-config.ts';
import { silentLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import type { Metrics } from '../observability/metrics.ts';
import { Passwords } from '../principals/passwords.ts';
import { startSandbox } from '../sandbox/start-sandbox.ts';
import { BackgroundTasks } from '../tasks/background-tasks.ts';
import { systemClock } from '../util/clock.ts';
import { OutgoingRequests } from '../util/outgoing-requests.ts';
import { ADMIN_API } from './admin-api.ts';
import { DEFAULT_BODY_LIMITS } from './body-watch.ts';
import { FeedPace } from './feed-pace.ts';
import { GzipSessions } from './gzip-session.ts';
import { DEFAULT_CONNECTION_LIMITS, HttpServer } from './http-server.ts';
import { METRICS_API } from './metrics-api.ts';
import { PUBLIC_API } from './public-api.ts';
import type { RestServices } from './rest-services.ts';
import type { Port, Route } from './route.ts';
import { asArray, asLines, SharedRows } from './shared-rows.ts';
import { Ticker } from './ticker.ts';

/** Real databases behind real ports; what the transcripts of a reference do not show. */

const log = silentLog;
const clock = systemClock;
let opened: AsyncDisposableStack;
let services: RestServices;
let metrics: Metrics;
let admin: HttpServer;
let open: HttpServer;

async function listen(port: Port, routes: readonly Route[]): Promise<HttpServer> {
  const server = await HttpServer.listen({
    port,
    routes,
    address: { host: '127.0.0.1', port: 0 },
    limits: DEFAULT_CONNECTION_LIMITS,
    services,
  });
  opened.defer(() => server.stop(0));
  return server;
}

before(async () => {
  opened = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'tidegate-rest-'));
  opened.defer(() => rm(folder, { recursive: true }));
  metrics = createMetrics({ clock });
  const server = opened.use(await openBucketServer(`sqlite:${folder}`, { log, clock }));
  const sandbox = opened.use(await startSandbox({ log, clock }));
  const passwords = new Passwords({ cost: 10 });
  const outgoing = opened.use(new OutgoingRequests({ clock, allowedHosts: [] }));
  const shared = { sandbox, passwords, log, metrics, clock, outgoing };
  const registry = opened.use(await DatabaseRegistry.open(shared, server));
  services = {
    registry,
    events: undefined as never, // no test of this file asks for them
    imports: undefined as never,
    tasks: opened.use(new BackgroundTasks({ registry, sandbox, log, clock })),
    log,
    metrics,
    clock,
    ticker: new Ticker(clock),
    pace: new FeedPace(clock),
    lines: new SharedRows(asLines),
    messages: new SharedRows(asArray),
    zips: new GzipSessions(),
    settings: {
      pretty: false,
      compressResponses: true,
      hideProductVersion: false,
      bodyLimits: DEFAULT_BODY_LIMITS,
      requestBytesMax: 1_000_000,
      heartbeatMsMax: 0,
    },
    startup: parseStartup('{}'),
    logSettings: { level: 'none', keys: new Set(), lines: { error: 0, warn: 0, dropped: 0 } },
    apis: { public: PUBLIC_API, admin: ADMIN_API, metrics: METRICS_API },
    version: '0.0.0',
    nodeUid: 'node',
    reload: () => Promise.reject(new Error('there is no file')),
    readFunction: () => Promise.reject(new Error('there are no URLs')),
  };
  admin = await listen('admin', ADMIN_API);
  open = await listen('public', PUBLIC_API);
});
after(() => opened.disposeAsync());

let databases = 0;

/** A new database that the guest may read; its path. */
async function database(config: Readonly<Record<string, unknown>> = {}): Promise<string> {
  databases += 1;
  const name = `db${databases}`;
  const guest = { disabled: false, admin_channels: ['*'] };
  const { status } = await call(admin, 'PUT', `/${name}/`, {
    json: { bucket: name, guest, ...config },
  });
  assert.equal(status, 201);
  return `/${name}`;
}

interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

async function call(
  server: HttpServer,
  method: string,
  url: string,
  {
    json,
    headers = {},
  }: { readonly json?: unknown; readonly headers?: Record<string, string> } = {},
): Promise<Told> {
  const body = json === undefined ? {} : { body: JSON.stringify(json) };
  const response = await fetch(server.url + url, {
    method,
    headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    redirect: 'manual',
    ...body,
  });
  const text = await response.text();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = {}; // no JSON: the test that wants some finds nothing
  }
  const { status } = response;
  return { status, headers: response.headers, text, json: parsed as Record<string, unknown> };
}

/** A feed as it comes. */
class Lines implements Disposable {
  readonly #request: http.ClientRequest;
  readonly #response: Promise<http.IncomingMessage>;
  #text = '';
  #ended = false;
  #changed = Promise.withResolvers<void>();

  constructor(url: string) {
    this.#request = http.get(url);
    this.#response = once(this.#request, 'response').then(([first]) => {
      const response = first as http.IncomingMessage;
      response.setEncoding('utf8');
      response.on('data', (text: string) => this.#take(text));
      response.on('end', () => this.#end());
      response.on('error', () => this.#end());
      return response;
    });
    this.#response.catch(() => undefined);
  }

  async status(): Promise<number | undefined> {
    return (await this.#response).statusCode;
  }

  /** What came, once that satisfies the condition or the feed has ended. */
  async until(satisfied: (text: string) => boolean): Promise<string> {
    while (!satisfied(this.#text) && !this.#ended) {
      await this.#changed.promise;
    }
    return this.#text;
  }

  /** What came by the end. */
  end(): Promise<string> {
    return this.until(() => this.#ended);
  }

  [Symbol.dispose](): void {
    this.#request.destroy();
  }

  #take(text: string): void {
    this.#text += text;
    this.#wake();
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

const linesOf = (text: string): readonly Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('a continuous feed tells its head at once, and each change as it comes', async () => {
  const db = await database();
  using feed = new Lines(`${admin.url}${db}/_changes?feed=continuous`);
  assert.equal(await feed.status(), 200);
  for (const id of ['a', 'b', 'c']) {
    await call(admin, 'PUT', `${db}/${id}`, { json: {} });
    const text = await feed.until((so) => so.includes(`"id":"${id}"`));
    assert.equal(linesOf(text).at(-1)?.['id'], id);
  }
});

test('what comes together is told together, in order and once', async () => {
  const db = await database();
  using feed = new Lines(`${admin.url}${db}/_changes?feed=continuous`);
  await feed.status();
  const docs = Array.from({ length: 300 }, (_, n) => ({ _id: `d${n}` }));
  await call(admin, 'POST', `${db}/_bulk_docs`, { json: { docs } });
  const text = await feed.until((so) => linesOf(whole(so)).length >= docs.length);
  const rows = linesOf(text);
  assert.equal(new Set(rows.map(({ id }) => id)).size, docs.length);
  const seqs = rows.map(({ seq }) => Number(seq));
  assert.deepEqual(
    seqs,
    seqs.toSorted((a, b) => a - b),
  );
});

test('a feed of what is there is sent with its length where that is little, else in pieces', async () => {
  const db = await database();
  const read = async (
    query: string,
  ): Promise<{ readonly whole: boolean; readonly ids: number }> => {
    const url = `${db}/_changes?${query}`;
    const plain = { headers: { 'accept-encoding': 'identity' } };
    const { status, headers, text, json } = await call(admin, 'GET', url, plain);
    assert.equal(status, 200);
    const length = headers.get('content-length');
    if (length !== null) assert.equal(Number(length), Buffer.byteLength(text));
    const results = json['results'] as { readonly seq: number; readonly id: string }[];
    assert.equal(json['last_seq'], results.at(-1)?.seq ?? json['last_seq']);
    const ids = new Set(results.map(({ id }) => id)).size;
    assert.equal(ids, results.length);
    return { whole: length !== null, ids };
  };
  assert.deepEqual(await read(''), { whole: true, ids: 0 });
  for (let n = 0; n < 3; n += 1) {
    const docs = Array.from({ length: 800 }, (_, i) => ({ _id: `d${n}-${i}` }));
    await call(admin, 'POST', `${db}/_bulk_docs`, { json: { docs } });
  }
  assert.deepEqual(await read(''), { whole: false, ids: 2400 });
  assert.deepEqual(await read('limit=1500'), { whole: false, ids: 1500 });
  assert.deepEqual(await read('limit=20'), { whole: true, ids: 20 });
  assert.deepEqual(await read('since=999999'), { whole: true, ids: 0 });
});

/** Without a line that is still coming. */
const whole = (text: string): string => text.slice(0, text.lastIndexOf('\n') + 1);

test('a feed without changes beats', async () => {
  const db = await database();
  for (const feed of ['continuous', 'longpoll']) {
    using lines = new Lines(`${admin.url}${db}/_changes?feed=${feed}&heartbeat=1000`);
    assert.match(await lines.until((text) => text.includes('\n')), /^\n+$/);
  }
});

test('a feed ends with its user, and the next request is refused', async () => {
  const db = await database();
  await call(admin, 'PUT', `${db}/_user/ann`, { json: { password: 'letmein' } });
  const credentials = open.url.replace('http://', 'http://ann:letmein@');
  using feed = new Lines(`${credentials}${db}/_changes?feed=continuous`);
  await feed.until((text) => text.includes('_user/ann'));
  await call(admin, 'DELETE', `${db}/_user/ann`);
  await feed.end();
  const authorization = `Basic ${Buffer.from('ann:letmein').toString('base64')}`;
  const again = await call(open, 'GET', `${db}/_changes`, { headers: { authorization } });
  assert.equal(again.status, 401);
});

test('feeds end with their database: what was told is whole', async () => {
  const db = await database();
  using continuous = new Lines(`${admin.url}${db}/_changes?feed=continuous`);
  using longpoll = new Lines(`${admin.url}${db}/_changes?feed=longpoll&heartbeat=1000`);
  await continuous.status();
  await longpoll.until((text) => text.includes('\n')); // it waits
  await call(admin, 'DELETE', `${db}/`);
  await continuous.end();
  assert.deepEqual(JSON.parse(await longpoll.end()), { results: [], last_seq: 1 });
});

test('a stopping server ends feeds at once, and they end whole', async () => {
  const db = await database();
  const server = await listen('admin', ADMIN_API);
  using continuous = new Lines(`${server.url}${db}/_changes?feed=continuous`);
  using longpoll = new Lines(`${server.url}${db}/_changes?feed=longpoll&heartbeat=1000`);
  await continuous.status();
  await longpoll.until((text) => text.includes('\n'));
  await server.stop(10_000);
  assert.equal(await continuous.end(), '');
  assert.deepEqual(JSON.parse(await longpoll.end()), { results: [], last_seq: 1 });
});

test('a slow reader of a large feed holds nothing up, and gets everything', async () => {
  const db = await database();
  const pad = 'x'.repeat(10_000);
  for (let batch = 0; batch < 10; batch++) {
    const docs = Array.from({ length: 80 }, (_, n) => ({ _id: `d${batch}-${n}`, pad }));
    await call(admin, 'POST', `${db}/_bulk_docs`, { json: { docs } });
  }
  const request = http.get(`${admin.url}${db}/_changes?include_docs=true`);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  // Nobody reads yet; others are served meanwhile.
  assert.equal((await call(admin, 'GET', `${db}/d0-0`)).status, 200);
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += chunk as string;
  assert.equal((JSON.parse(text) as { results: unknown[] }).results.length, 800);
});

test('a reader that goes away half way leaves no error behind', async () => {
  const db = await database();
  const pad = 'x'.repeat(100_000);
  const docs = Array.from({ length: 9 }, (_, n) => ({ _id: `d${n}`, pad }));
  for (const doc of docs) await call(admin, 'PUT', `${db}/${doc._id}`, { json: doc });
  for (const encoding of ['identity', 'gzip']) {
    const request = http.get(`${admin.url}${db}/_all_docs?include_docs=true`, {
      headers: { 'accept-encoding': encoding },
    });
    await once(request, 'response');
    request.destroy();
  }
  assert.equal((await call(admin, 'GET', `${db}/d0`)).status, 200);
});

test('_bulk_get answers in JSON for who prefers it', async () => {
  const db = await database();
  const _attachments = { 'a.txt': { content_type: 'text/plain', data: 'YWJj' } };
  const { json } = await call(admin, 'PUT', `${db}/a`, { json: { n: 1, _attachments } });
  const told = await call(admin, 'POST', `${db}/_bulk_get?attachments=true&revs=true`, {
    json: {
      docs: [
        { id: 'a', rev: json['rev'] },
        { id: 'nil', rev: '1-x' },
        { id: 'a', rev: 'x' },
      ],
    },
    headers: { accept: 'application/json' },
  });
  assert.equal(told.status, 200);
  const results = told.json['results'] as { id: string; docs: Record<string, never>[] }[];
  assert.deepEqual(
    results.map(({ id }) => id),
    ['a', 'nil', 'a'],
  );
  const document = results[0]?.docs[0]?.['ok'] as unknown as Record<string, unknown>;
  assert.equal(document['n'], 1);
  const told1 = (document['_attachments'] as Record<string, Record<string, unknown>>)['a.txt'];
  assert.equal(told1?.['data'], 'YWJj');
  const error = results[1]?.docs[0]?.['error'] as Record<string, unknown> | undefined;
  assert.equal(error?.['status'], 404);
});

test('options of CouchDB that would change an answer are refused, not passed over', async () => {
  const db = await database();
  for (const option of ['descending=true', 'skip=1', 'inclusive_end=false', 'limit=-1'])
    assert.equal((await call(admin, 'GET', `${db}/_all_docs?${option}`)).status, 400, option);
  assert.equal((await call(admin, 'GET', `${db}/_all_docs?descending=false&skip=0`)).status, 200);
});

test('_all_docs is switched off on the public port alone', async () => {
  const db = await database({ disable_public_all_docs: true });
  assert.equal((await call(open, 'GET', `${db}/_all_docs`)).status, 403);
  assert.equal((await call(admin, 'GET', `${db}/_all_docs`)).status, 200);
});

test('an offline database refuses documents and tells its state', async () => {
  const db = await database({ offline: true });
  const refused = await call(admin, 'GET', `${db}/a`);
  assert.equal(refused.status, 503);
  assert.match(refused.json['reason'] as string, /^the database is offline since 20[-0-9T:.]+Z$/);
  const unknown = await call(open, 'GET', `${db}/a`);
  assert.equal(unknown.status, 401, 'the guest is let in only when it first comes online');
  const told = await call(admin, 'GET', `${db}/`);
  assert.deepEqual([told.status, told.json['state']], [200, 'Offline']);
});

test('large documents are compressed on the way out', async () => {
  const db = await database();
  await call(admin, 'PUT', `${db}/a`, { json: { pad: 'x'.repeat(10_000) } });
  const request = http.get(`${admin.url}${db}/a`, { headers: { 'accept-encoding': 'gzip' } });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  assert.ok(bytes.length < 1_000);
  assert.match(gunzipSync(bytes).toString(), /^\{"_id":"a","_rev":"1-/);
});

test('a list of documents past its limit is refused whole', async () => {
  const db = await database();
  const docs = Array.from({ length: 20 }, (_, n) => ({ _id: `d${n}`, pad: 'x'.repeat(60_000) }));
  assert.equal((await call(admin, 'POST', `${db}/_bulk_docs`, { json: { docs } })).status, 413);
  const { json } = await call(admin, 'GET', `${db}/_all_docs`);
  assert.equal(json['total_rows'], 0);
});

test('the figures of a database count its public requests', async () => {
  const db = await database();
  await call(open, 'GET', `${db}/`);
  await call(admin, 'GET', `${db}/`);
  assert.equal(metrics.value('num_public_rest_requests', db.slice(1)), 1);
  const server = await listen('metrics', METRICS_API);
  const { text, headers } = await call(server, 'GET', '/metrics');
  assert.match(headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  assert.ok(text.includes(`sgw_database_num_public_rest_requests{database="${db.slice(1)}"} 1`));
});

test('a configuration is shown without what was not given', async () => {
  const db = await database({ revs_limit: 30 });
  const { json, headers } = await call(admin, 'GET', `${db}/_config`);
  assert.equal(json['revs_limit'], 30);
  assert.equal('cache' in json, false);
  assert.match(headers.get('etag') ?? '', /^"[0-9a-f]{32}"$/);
  assert.equal((await call(admin, 'GET', `${db}/_config?redact=false`)).status, 400);
});

test('no route of the admin port is on the public one', () => {
  const paths = (routes: readonly Route[]): ReadonlySet<string> =>
    new Set(routes.map(({ method, path: at }) => `${method} ${at}`));
  const publicPaths = paths(PUBLIC_API.filter(({ access }) => access === 'admin'));
  assert.equal(publicPaths.size, 0);
});
