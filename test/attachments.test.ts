import assert from 'node:assert/strict';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { systemClock } from '../src/util/clock.ts';
import type { TestDatabase } from './helpers/database.ts';
import { createDatabase } from './helpers/database.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';
import type { Answer, JsonValue } from './helpers/http.ts';
import type { SentPart } from './helpers/multipart.ts';
import { BOUNDARY, documentPart, follows, multipartBody, RELATED } from './helpers/multipart.ts';
import { until } from './helpers/until.ts';

// Attachments through the whole gateway: what the transcripts of a reference do not show.

const HOUR_MS = 3_600_000;
/** How far the gateway's clock is ahead. */
let aheadMs = 0;
const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway({}, { clock });
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

let databases = 0;
let lastName = '';

async function database(config: Readonly<Record<string, unknown>> = {}): Promise<TestDatabase> {
  databases += 1;
  lastName = `att${databases}`;
  const guest = { disabled: false, admin_channels: ['*'] };
  return createDatabase({ urls: gateway }, lastName, { bucket: lastName, guest, ...config });
}

/** The numbers of attachments and of their chunks in the database's bucket. */
function storedAttachments(name: string): { readonly whole: number; readonly rows: number } {
  using file = new DatabaseSync(path.join(gateway.dataDir, `${name}.sqlite`), { readOnly: true });
  const count = (sql: string): number => Number(file.prepare(sql).get()?.['n']);
  return {
    whole: count('SELECT count(*) AS n FROM attachments WHERE digest IS NOT NULL'),
    rows: count('SELECT count(*) AS n FROM attachments'),
  };
}

const putParts = (url: string, parts: readonly SentPart[]): Promise<Answer> =>
  request('PUT', url, { headers: RELATED, body: multipartBody(parts) });

const stubOf = ({ json }: Answer, name: string): JsonValue =>
  (json as { _attachments: Record<string, JsonValue> })._attachments[name];

test('the same bytes are stored once, until the last document that has them lets go', async () => {
  const db = await database({ old_rev_expiry_seconds: 30 });
  const name = lastName;
  const bytes = 'x'.repeat(300_000);
  const first = await request('PUT', `${db.public}/a/f`, { body: bytes });
  await request('PUT', `${db.public}/b/g`, { body: bytes });
  await putParts(`${db.public}/c`, [
    documentPart({ _attachments: { h: follows(bytes), i: follows(bytes) } }),
    { body: bytes },
  ]);
  await request('PUT', `${db.public}/d`, {
    json: { _attachments: { j: { data: Buffer.from(bytes).toString('base64') } } },
  });
  assert.equal(storedAttachments(name).whole, 1);
  const { rev } = first.json as { rev: string };
  assert.equal((await request('DELETE', `${db.public}/a/f?rev=${rev}`)).status, 200);
  await request('POST', `${db.admin}/_purge`, { json: { b: ['*'], c: ['*'] } });
  aheadMs += 2 * HOUR_MS;
  await until('uploads without digest are gone', () =>
    storedAttachments(name).rows === 1 ? true : undefined,
  );
  assert.equal((await request('GET', `${db.public}/d/j`)).text, bytes);
  await request('POST', `${db.admin}/_purge`, { json: { d: ['*'] } });
  aheadMs += 2 * HOUR_MS;
  await until('the bytes are gone', () => (storedAttachments(name).rows === 0 ? true : undefined));
});

test('attachments follow by name, by digest, compressed, and share a part', async () => {
  const db = await database();
  const zipped = gzipSync('kept as it is');
  const answer = await putParts(`${db.public}/doc`, [
    {
      headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' },
      body: gzipSync(
        JSON.stringify({
          _attachments: {
            'a "b".txt': follows('named'),
            same1: follows('same'),
            same2: follows('same'),
            sent: follows('compressed on its way'),
            kept: { ...follows(zipped), encoding: 'gzip' },
            ü: follows('renamed'),
          },
        }),
      ),
    },
    {
      headers: { 'Content-Disposition': 'attachment; filename="a \\"b\\".txt"' },
      body: 'named',
    },
    { headers: { 'Content-Length': '4' }, body: 'same' },
    {
      headers: { 'Content-Disposition': 'attachment; filename=sent', 'Content-Encoding': 'gzip' },
      body: gzipSync('compressed on its way'),
    },
    {
      headers: { 'Content-Disposition': 'attachment; filename=kept', 'Content-Encoding': 'gzip' },
      body: zipped,
    },
    {
      headers: { 'Content-Disposition': 'attachment; filename="another name"' },
      body: 'renamed',
    },
  ]);
  assert.equal(answer.status, 201, answer.text);
  const read = (name: string): Promise<Answer> =>
    request('GET', `${db.public}/doc/${encodeURIComponent(name)}`);
  assert.equal((await read('a "b".txt')).text, 'named');
  assert.equal((await read('same1')).text, 'same');
  assert.equal((await read('same2')).text, 'same');
  assert.equal((await read('sent')).text, 'compressed on its way');
  assert.equal((await read('kept')).text, 'kept as it is');
  assert.equal((await read('ü')).text, 'renamed');
});

test('a new document may come with its attachments by POST', async () => {
  const db = await database();
  const body = multipartBody([
    documentPart({ _id: 'posted', _attachments: { f: follows('bytes') } }),
    { body: 'bytes' },
  ]);
  const answer = await request('POST', `${db.public}/`, { headers: RELATED, body });
  assert.equal(answer.status, 200, answer.text);
  assert.equal((await request('GET', `${db.public}/posted/f`)).text, 'bytes');
});

const ANNOUNCED = documentPart({ _attachments: { f: follows('bytes') } });
const NAMED = { 'Content-Disposition': 'attachment; filename=f' };
const WHOLE = multipartBody([ANNOUNCED, { body: 'bytes' }]).toString();
/** Bodies that are not what they say, with the status that they get. */
const BROKEN: readonly (readonly [body: string | Uint8Array, status: number, why: string])[] = [
  [WHOLE.slice(0, -20), 400, 'no end'],
  [WHOLE.slice(0, WHOLE.indexOf('bytes\r\n')), 400, 'cut off within a part'],
  ['', 400, 'nothing'],
  [`--${BOUNDARY}--`, 400, 'no part'],
  [multipartBody([ANNOUNCED]), 400, 'a part is missing'],
  [multipartBody([ANNOUNCED, { body: 'other' }]), 400, 'other bytes'],
  [multipartBody([ANNOUNCED, { headers: NAMED, body: 'b' }]), 400, 'other bytes of that name'],
  [multipartBody([ANNOUNCED, { body: 'bytes and more' }]), 400, 'too long'],
  [multipartBody([ANNOUNCED, { body: 'bytes' }, { body: 'bytes' }]), 400, 'a part too many'],
  [
    multipartBody([ANNOUNCED, { headers: NAMED, body: 'bytes' }, { headers: NAMED, body: 'x' }]),
    400,
    'twice',
  ],
  [multipartBody([documentPart({}), { body: 'bytes' }]), 400, 'not announced'],
  [
    multipartBody([ANNOUNCED, { headers: { 'Content-Length': '4' }, body: 'bytes' }]),
    400,
    'a length that lies',
  ],
  [
    multipartBody([ANNOUNCED, { headers: { 'Content-Length': '50' }, body: 'bytes' }]),
    400,
    'a length that lies',
  ],
  [
    multipartBody([ANNOUNCED, { headers: { 'Content-Encoding': 'gzip' }, body: 'bytes' }]),
    400,
    'not gzip',
  ],
  [
    multipartBody([ANNOUNCED, { headers: { 'Content-Encoding': 'br' }, body: 'bytes' }]),
    415,
    'an unknown encoding',
  ],
  [
    multipartBody([
      ANNOUNCED,
      { headers: { 'Content-Transfer-Encoding': 'base64' }, body: 'bytes' },
    ]),
    400,
    'encoded for mail',
  ],
  [multipartBody([{ headers: { 'Content-Type': 'text/plain' }, body: '{}' }]), 400, 'no JSON'],
  [multipartBody([documentPart({ pad: 'x'.repeat(3000) })]), 413, 'a large document'],
  [
    multipartBody([
      { headers: { 'Content-Encoding': 'gzip' }, body: gzipSync(' '.repeat(5_000_000)) },
    ]),
    413,
    'a document that grows',
  ],
  [
    multipartBody([
      documentPart({ _attachments: { f: { ...follows('x'), length: 1_000_000 } } }),
      { headers: { 'Content-Encoding': 'gzip' }, body: gzipSync(Buffer.alloc(1_000_000)) },
    ]),
    413,
    'an attachment that grows past the limit',
  ],
  [
    multipartBody([
      documentPart({ _attachments: { f: { ...follows('x'), length: 1_000_000 } } }),
      { body: Buffer.alloc(1_000_000) },
    ]),
    413,
    'an attachment past the limit',
  ],
];

test('a multipart request that is not what it says writes nothing', async () => {
  const db = await database({
    limits: { attachment_bytes_max: 100_000, document_bytes_max: 2000 },
  });
  for (const [body, status, why] of BROKEN) {
    const answer = await request('PUT', `${db.public}/doc`, { headers: RELATED, body });
    assert.equal(answer.status, status, `${why}: ${answer.text}`);
    assert.equal((await request('GET', `${db.public}/doc`)).status, 404, why);
  }
  const sent = async (contentType: string): Promise<number> =>
    (
      await request('PUT', `${db.public}/doc`, {
        headers: { 'content-type': contentType },
        body: WHOLE,
      })
    ).status;
  assert.equal(await sent('multipart/related'), 400);
  assert.equal(await sent(`multipart/related; boundary=${'x'.repeat(80)}`), 400);
  assert.equal(await sent('multipart/related; boundary=another'), 400);
  assert.equal(await sent(`multipart/mixed; boundary=${BOUNDARY}`), 415);
  assert.equal((await request('GET', `${db.public}/doc`)).status, 404);
  assert.equal(await sent(RELATED['content-type']), 201);
});

test('a part may look like a multipart body itself', async () => {
  const db = await database();
  const inner = `--inner\r\n\r\n--${BOUNDARY.slice(0, -1)}\r\n\r\n--inner--\r\n`;
  const answer = await putParts(`${db.public}/doc`, [
    documentPart({ _attachments: { f: follows(inner) } }),
    { headers: { 'Content-Type': 'multipart/mixed; boundary=inner' }, body: inner },
  ]);
  assert.equal(answer.status, 201, answer.text);
  assert.equal((await request('GET', `${db.public}/doc/f`)).text, inner);
});

test('what a document says of the bytes of another document gives no access to them', async () => {
  const db = await database();
  await request('PUT', `${db.public}/secret/f`, { body: 'secret bytes' });
  const { follows: _, ...known } = follows('secret bytes');
  const claims = [
    { ...known, stub: true, revpos: 1 },
    { ...known, follows: true },
  ];
  for (const claim of claims) {
    const json = { _attachments: { f: claim } };
    assert.equal((await request('PUT', `${db.public}/thief`, { json })).status, 400);
    const parts = await putParts(`${db.public}/thief`, [documentPart(json)]);
    assert.equal(parts.status, 400);
  }
});

test('ranges are of GET alone, of the state that is meant, and within the bytes', async () => {
  const db = await database();
  const url = `${db.public}/doc/f`;
  await request('PUT', url, { body: '0123456789' });
  const etag = (await request('GET', url)).headers.get('etag') ?? '';
  const ranged = (method: string, headers: Readonly<Record<string, string>>): Promise<Answer> =>
    request(method, url, { headers });
  const one = await ranged('GET', { range: 'bytes=-4', 'if-range': etag });
  assert.deepEqual([one.status, one.text], [206, '6789']);
  const other = await ranged('GET', { range: 'bytes=2-3', 'if-range': '"sha1-other"' });
  assert.deepEqual([other.status, other.text], [200, '0123456789']);
  const dated = { range: 'bytes=2-3', 'if-range': 'Sat, 29 Oct 2033 19:43:31 GMT' };
  assert.equal((await ranged('GET', dated)).status, 200);
  const head = await ranged('HEAD', { range: 'bytes=2-3' });
  assert.deepEqual([head.status, head.headers.get('content-length')], [200, '10']);
  const beyond = await ranged('GET', { range: 'bytes=10-' });
  assert.deepEqual([beyond.status, beyond.headers.get('content-range')], [416, 'bytes */10']);
  await request('PUT', `${db.public}/empty/f`, { body: '' });
  const none = await request('GET', `${db.public}/empty/f`, { headers: { range: 'bytes=0-' } });
  assert.deepEqual([none.status, none.headers.get('content-range')], [416, 'bytes */0']);
});

test('a stub keeps what an attachment is when the document changes', async () => {
  const db = await database();
  const first = await putParts(`${db.public}/doc`, [
    documentPart({ _attachments: { f: { ...follows('bytes'), content_type: 'text/x' } } }),
    { body: 'bytes' },
  ]);
  const { rev } = first.json as { rev: string };
  await putParts(`${db.public}/doc?rev=${rev}`, [
    documentPart({ v: 2, _attachments: { f: { stub: true, revpos: 1 }, g: follows('more') } }),
    { body: 'more' },
  ]);
  const read = await request('GET', `${db.public}/doc`);
  const { follows: _, ...about } = follows('bytes');
  assert.deepEqual(stubOf(read, 'f'), { ...about, content_type: 'text/x', revpos: 1, stub: true });
  assert.deepEqual((stubOf(read, 'g') as { revpos: number }).revpos, 2);
});
