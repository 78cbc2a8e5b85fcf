import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import { acceptsGzip, namesType, prefersJson } from './accept.ts';
import { parseRange } from './byte-range.ts';
import { isInsecureType, quotedName, safeContentType } from './content-type.ts';
import { bulkErrorRow, tellError } from './error-map.ts';
import { errorPart, multipart } from './multipart-writer.ts';
import type { Part } from './multipart-writer.ts';
import { checkParameter, parameterNames, shapeOf, splitKeyspace } from './path-parameters.ts';
import { prettyJson } from './pretty-json.ts';
import { redirectTo } from './redirect.ts';
import { editedRevision } from './revision-query.ts';

const tagOf = (work: () => unknown): string => {
  try {
    work();
  } catch (cause) {
    if (cause instanceof GatewayError) return cause.tag;
    throw cause;
  }
  return 'fine';
};

test('a reader is given JSON where it names it, and multipart where it does not care', () => {
  const multipartType = 'multipart/mixed';
  assert.equal(prefersJson('application/json', multipartType), true);
  assert.equal(prefersJson('*/*', multipartType), false);
  assert.equal(prefersJson(undefined, multipartType), false);
  assert.equal(prefersJson('application/json;q=0.5, multipart/mixed', multipartType), false);
  assert.equal(prefersJson('multipart/mixed;q=0.5, APPLICATION/JSON', multipartType), true);
  assert.equal(namesType('text/html, multipart/related', 'multipart/related'), true);
  assert.equal(namesType('*/*', 'multipart/related'), false);
});

test('gzip is taken where it has any weight', () => {
  assert.equal(acceptsGzip('gzip'), true);
  assert.equal(acceptsGzip('br, GZIP;q=0.1'), true);
  assert.equal(acceptsGzip('gzip;q=0'), false);
  assert.equal(acceptsGzip('br'), false);
  assert.equal(acceptsGzip(undefined), false);
});

test('one range of bytes is understood, anything else is everything', () => {
  assert.deepEqual(parseRange('bytes=2-5', 10), { start: 2, end: 6 });
  assert.deepEqual(parseRange('bytes=7-', 10), { start: 7, end: 10 });
  assert.deepEqual(parseRange('bytes=-3', 10), { start: 7, end: 10 });
  assert.deepEqual(parseRange('bytes=-30', 10), { start: 0, end: 10 });
  assert.deepEqual(parseRange('bytes=0-99', 10), { start: 0, end: 10 });
  assert.deepEqual(parseRange(`Bytes=0-${'9'.repeat(400)}`, 10), { start: 0, end: 10 });
  assert.deepEqual(parseRange(`bytes=-${'9'.repeat(400)}`, 10), { start: 0, end: 10 });
  for (const header of [undefined, 'lines=1-2', 'bytes=0-1,4-5', 'bytes=-', 'bytes=5-2', 'x'])
    assert.equal(parseRange(header, 10), undefined, header);
  const beyond = `bytes=${'9'.repeat(400)}-`;
  for (const header of ['bytes=10-', 'bytes=20-30', 'bytes=-0', beyond])
    assert.equal(
      tagOf(() => parseRange(header, 10)),
      'rangeNotSatisfiable',
      header,
    );
});

test('every range lies within the attachment', () => {
  const number = fc.nat(50);
  fc.assert(
    fc.property(fc.string(), fc.tuple(number, number, number), (junk, [a, b, length]) => {
      for (const header of [junk, `bytes=${a}-${b}`, `bytes=${a}-`, `bytes=-${b}`]) {
        const range = rangeIn(header, length);
        if (range === undefined) continue;
        assert.ok(0 <= range.start && range.start < range.end && range.end <= length);
      }
    }),
  );
});

function rangeIn(header: string, length: number): ReturnType<typeof parseRange> {
  try {
    return parseRange(header, length);
  } catch (cause) {
    assert.ok(isGatewayError(cause, 'rangeNotSatisfiable'));
    return undefined;
  }
}

test('a content type from outside cannot add a header', () => {
  assert.equal(safeContentType('text/plain; charset=utf-8'), 'text/plain; charset=utf-8');
  assert.equal(safeContentType('text/plain\r\nX: y'), 'application/octet-stream');
  assert.equal(safeContentType('t\u{e9}xt/plain'), 'application/octet-stream');
  assert.equal(safeContentType(undefined), 'application/octet-stream');
  assert.equal(quotedName('a"b\r\nc'), '"a\\"b\\r\\nc"');
});

test('what a browser would run is insecure', () => {
  for (const type of [
    'text/html',
    'TEXT/HTML; charset=x',
    'image/svg+xml',
    'application/xhtml+xml',
  ])
    assert.equal(isInsecureType(type), true, type);
  for (const type of ['image/png', 'application/json', 'text/plain'])
    assert.equal(isInsecureType(type), false, type);
});

test('pretty JSON means the same as plain JSON', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.deepEqual(JSON.parse(prettyJson(text)), JSON.parse(text));
    }),
  );
});

test('pretty JSON keeps numbers as they are spelled', () => {
  assert.equal(prettyJson('{"a":1.0,"b":[1e5]}'), '{\n  "a": 1.0,\n  "b": [\n    1e5\n  ]\n}\n');
});

test('a redirect toggles the slash at the end and escapes what it shows', () => {
  const location = (target: string): unknown => redirectTo(target).headers['Location'];
  assert.equal(location('/db'), '/db/');
  assert.equal(location('/db/?a=b'), '/db?a=b');
  const { body } = redirectTo('/<script>');
  assert.ok(body.kind === 'text' && !body.text.includes('<script>'));
});

test('paths that begin with an underscore are ours, and other parameters are free', () => {
  assert.equal(
    tagOf(() => checkParameter('docid', 'a_b')),
    'fine',
  );
  assert.equal(
    tagOf(() => checkParameter('docid', '_x')),
    'missing',
  );
  assert.equal(
    tagOf(() => checkParameter('docid', '_design/x')),
    'forbidden',
  );
  assert.equal(
    tagOf(() => checkParameter('db', '_x')),
    'missing',
  );
  assert.equal(
    tagOf(() => checkParameter('attachment', '_x')),
    'fine',
  );
  assert.equal(
    tagOf(() => checkParameter('attachment', '')),
    'missing',
  );
});

test('a path tells its parameters and its shape', () => {
  assert.deepEqual(parameterNames('/{db}/_user/{name}'), ['db', 'name']);
  assert.equal(shapeOf('/{db}/_user/{name}'), '/{}/_user/{}');
  assert.deepEqual(splitKeyspace('db'), { database: 'db', rest: undefined });
  assert.deepEqual(splitKeyspace('db.s.c'), { database: 'db', rest: 's.c' });
});

test('errors of ours are told, bugs and corruption are not', () => {
  const conflict = tellError(new GatewayError('conflict', 'why'));
  assert.deepEqual([conflict.status, conflict.word, conflict.reason], [409, 'conflict', 'why']);
  for (const cause of [new Error('bug: secret'), new GatewayError('corrupt', 'secret'), 'secret']) {
    const told = tellError(cause);
    assert.equal(told.status, 500);
    assert.equal(told.internal, true);
    assert.doesNotMatch(told.reason, /secret/);
  }
  const failed = tellError(new GatewayError('functionFailed', 'TypeError: x is undefined'));
  assert.equal(failed.reason, 'TypeError: x is undefined');
});

test('a row of a bulk answer tells its error in the small words', () => {
  const row = bulkErrorRow(new GatewayError('forbidden', 'no'), { id: 'a', rev: '1-a' });
  assert.deepEqual(row, { error: 'forbidden', id: 'a', reason: 'no', rev: '1-a', status: 403 });
});

test('the edited revision comes from the query before If-Match', () => {
  assert.equal(editedRevision('1-a', '"2-b"'), '1-a');
  assert.equal(editedRevision(undefined, '"2-b"'), '2-b');
  assert.equal(editedRevision(undefined, '2-b'), '2-b');
  assert.equal(editedRevision(undefined, undefined), undefined);
  assert.equal(
    tagOf(() => editedRevision(undefined, '"x"')),
    'badRequest',
  );
});

test('multipart parts are framed, and may be streams', async () => {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('ab');
    yield Buffer.from('c');
  }
  const parts: Part[] = [
    { headers: { 'Content-Type': 'application/json' }, body: '{}' },
    { headers: {}, body: bytes() },
    errorPart({ missing: '1-a' }),
  ];
  const { contentType, chunks } = multipart('mixed', parts);
  const boundary = /^multipart\/mixed; boundary="([0-9a-f]{32})"$/.exec(contentType)?.[1];
  assert.ok(boundary !== undefined);
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(Buffer.from(chunk));
  assert.equal(
    Buffer.concat(all).toString().replaceAll(boundary, 'B'),
    '--B\r\nContent-Type: application/json\r\n\r\n{}\r\n' +
      '--B\r\n\r\nabc\r\n' +
      '--B\r\nContent-Type: application/json; error="true"\r\n\r\n{"missing":"1-a"}\r\n' +
      '--B--\r\n',
  );
});
