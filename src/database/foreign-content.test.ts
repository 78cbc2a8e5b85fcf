import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import type { StoredDocument } from '../bucket/bucket.ts';
import { parseDocument } from '../document/parsed-document.ts';
import type { Cas, DocId, RevId, Sequence } from '../document/types.ts';
import { foreignContent, isForeign } from './foreign-content.ts';

const LIMITS = { bytesMax: 100 };
const OWN = 7 as Cas;
const STRANGERS = -5 as Cas;

function metadata(bodyCrc: number | undefined): NonNullable<StoredDocument['metadata']> {
  const rev = '1-a' as RevId;
  return { rev, seq: 7 as Sequence, flags: 0, cas: OWN, text: '', bodyCrc, xattrCrc: undefined };
}

function stored(of: Partial<StoredDocument>): StoredDocument {
  const key = 'a' as DocId;
  return { key, cas: STRANGERS, body: '{}', xattrs: null, expiry: 0, metadata: undefined, ...of };
}

test('a document is foreign where nobody took it in, or its CAS is another one', () => {
  assert.equal(isForeign(stored({})), true);
  assert.equal(isForeign(stored({ metadata: metadata(1) })), true);
  assert.equal(isForeign(stored({ metadata: metadata(1), cas: OWN })), false);
});

test('a body is what the application wrote, and its digest that of a client’s write', () => {
  for (const body of [
    '{}',
    '{"a":1}',
    ' {\n "b" : [ 1.0, 2 ],\n "a" : "\\u00fc" } ',
    '{"a":1,"a":2}',
  ]) {
    const { canonical } = parseDocument(body);
    assert.deepEqual(foreignContent(stored({ body }), LIMITS), { kind: 'body', body, canonical });
  }
});

test('a deletion is the end of a body; the same body is no change', () => {
  const gone = stored({ body: null, metadata: metadata(crc32('{}')) });
  assert.deepEqual(foreignContent(gone, LIMITS), { kind: 'deletion' });
  const same = stored({ body: '{"ü":1}', metadata: metadata(crc32('{"ü":1}')) });
  assert.deepEqual(foreignContent(same, LIMITS), { kind: 'sameBody' });
  for (const bodyCrc of [crc32('{"ü": 1}'), undefined])
    assert.equal(foreignContent({ ...same, metadata: metadata(bodyCrc) }, LIMITS).kind, 'body');
});

test('what can be no document is told with the reason', () => {
  const unfit: readonly (readonly [Partial<StoredDocument>, RegExp])[] = [
    [{ body: '' }, /^the body is no document: /],
    [{ body: '[]' }, /expected a JSON object/],
    [{ body: '{"a":}' }, /line 1, column 6/],
    [{ body: `{"a":"${'x'.repeat(100)}"}` }, /^a document may have 100 bytes/],
    [{ body: `{"a":"${'€'.repeat(40)}"}` }, /^a document may have 100 bytes/],
    [{ body: '{"a":1,"_rev":"1-a"}' }, /^the property "_rev" begins with an underscore/],
    [{ body: `{"_${'x'.repeat(80)}":1}` }, /^the property "_x{59}…" begins/],
    [{ body: null, foreignBody: 'not text' }, /^the body is no text in UTF-8/],
    [{ body: null, foreignBody: 'too large' }, /^a document may have 100 bytes/],
    [{ key: '_design/a' as DocId }, /^the key is no document id: .*underscore/],
    [{ key: '' as DocId }, /^the key is no document id: .*empty/],
    [{ key: 'a\0' as DocId }, /^the key is no document id: .*NUL/],
  ];
  for (const [of, reason] of unfit) {
    const content = foreignContent(stored(of), LIMITS);
    assert.ok(content.kind === 'unfit', JSON.stringify(of));
    assert.match(content.reason, reason);
  }
});
