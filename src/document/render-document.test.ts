import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderDocument } from './render-document.ts';
import type { Attachments, RevId } from './types.ts';

const rev = '1-abc' as RevId;
const digest = 'sha1-vnYzG5Xfw5nNd20vxoAh4NsDzE8=';
const attachments = {
  'a "b"': { digest, length: 5, revpos: 1, content_type: 'text/plain' },
  __proto: { digest, length: 6, revpos: 2, encoding: 'gzip' },
} as unknown as Attachments;

test('a body is spliced in with its numbers and order', () => {
  const text = renderDocument({
    id: 'a "quoted" id',
    rev,
    body: '{"n":1.0,"1":12345678901234567890}',
  });
  const expected = '{"_id":"a \\"quoted\\" id","_rev":"1-abc","n":1.0,"1":12345678901234567890}';
  assert.equal(text, expected);
});

test('an empty body adds nothing', () => {
  assert.equal(renderDocument({ id: 'a', rev, body: '{}' }), '{"_id":"a","_rev":"1-abc"}');
  assert.equal(renderDocument({ id: 'a', rev, body: ' { } ' }), '{"_id":"a","_rev":"1-abc"}');
});

test('a body with line ends, as a stranger may have written it, becomes one line', () => {
  const text = renderDocument({ id: 'a', rev, body: '\n{\r\n  "k": "v\\n",\n  "l": 1\n}\n' });
  assert.ok(!/[\r\n]/.test(text));
  assert.deepEqual(JSON.parse(text), { _id: 'a', _rev: '1-abc', k: 'v\n', l: 1 });
});

test('all reserved members are told', () => {
  const text = renderDocument({
    id: 'a',
    rev,
    body: '{"k":1}',
    deleted: true,
    removed: true,
    exp: 4_102_444_800,
    revisions: { start: 2, ids: ['abc', 'def'] },
    attachments,
  });
  assert.deepEqual(JSON.parse(text), {
    _id: 'a',
    _rev: '1-abc',
    _deleted: true,
    _removed: true,
    _exp: '2100-01-01T00:00:00Z',
    _revisions: { start: 2, ids: ['abc', 'def'] },
    _attachments: {
      'a "b"': { digest, length: 5, revpos: 1, content_type: 'text/plain', stub: true },
      __proto: { digest, length: 6, revpos: 2, encoding: 'gzip', stub: true },
    },
    k: 1,
  });
});

test('attachments are told inline or as following where that is asked for', () => {
  const text = renderDocument({
    id: 'a',
    rev,
    body: '{}',
    attachments,
    attachmentForms: new Map([
      ['a "b"', { kind: 'data', base64: 'YWxwaGE=' }],
      ['__proto', { kind: 'follows' }],
    ]),
  });
  assert.deepEqual(JSON.parse(text)['_attachments'], {
    'a "b"': { digest, length: 5, revpos: 1, content_type: 'text/plain', data: 'YWxwaGE=' },
    __proto: { digest, length: 6, revpos: 2, encoding: 'gzip', follows: true },
  });
});

test('no attachments, no expiry and false flags leave no trace', () => {
  const parts = { attachments: {}, exp: 0, deleted: false, removed: false };
  const text = renderDocument({ id: 'a', rev, body: '{"k":1}', ...parts });
  assert.equal(text, '{"_id":"a","_rev":"1-abc","k":1}');
});
