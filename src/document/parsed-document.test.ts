import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGatewayError } from '../util/errors.ts';
import { historyOf, parseDocument, scanBulkDocs } from './parsed-document.ts';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);

test('reserved members are taken out, the rest stays as it was spelled', () => {
  const parsed = parseDocument(
    `{"z":1.0, "_id":"x","_rev":"1-${A}" , "_colour":"red","_exp":2000000000,` +
      '"_cv":"1@a","_deleted":true,"a":{"_id":"free","_sync":1}}',
  );
  assert.equal(parsed.id, 'x');
  assert.equal(parsed.rev, `1-${A}`);
  assert.equal(parsed.deleted, true);
  assert.equal(parsed.expiry, 2_000_000_000);
  assert.equal(parsed.body, '{"z":1.0,"_colour":"red","a":{"_id":"free","_sync":1}}');
  const canonical = '{"_colour":"red","_deleted":true,"a":{"_id":"free","_sync":1},"z":1.0}';
  assert.equal(parsed.canonical, canonical);
});

test('a document without reserved members has none of their properties', () => {
  assert.deepEqual(parseDocument('{ "a" : [1, 2] }'), {
    deleted: false,
    body: '{"a":[1,2]}',
    canonical: '{"a":[1,2]}',
  });
});

test('an escaped name is the same name', () => {
  assert.equal(parseDocument('{"\\u005fid":"x"}').id, 'x');
  assert.throws(() => parseDocument('{"\\u005fsync":1}'), /reserved/);
});

test('of a reserved member that is there twice the last one counts', () => {
  const parsed = parseDocument('{"_id":"x","a":1,"_id":"y"}');
  assert.equal(parsed.id, 'y');
  assert.equal(parsed.body, '{"a":1}');
});

test('_exp null is told apart from no _exp', () => {
  assert.equal(parseDocument('{"_exp":null}').expiry, null);
  assert.ok(!('expiry' in parseDocument('{}')));
});

test('_deleted false is not in the body, but in the canonical form', () => {
  const parsed = parseDocument('{"_deleted":false,"a":1}');
  assert.equal(parsed.deleted, false);
  assert.equal(parsed.body, '{"a":1}');
  assert.equal(parsed.canonical, '{"_deleted":false,"a":1}');
});

const refused = [
  '{"_id":5}',
  '{"_rev":"zzz"}',
  '{"_rev":3}',
  '{"_rev":null}',
  '{"_deleted":"yes"}',
  '{"_sync":{"rev":"1-x"}}',
  '{"_sync_cookies":1}',
  '{"_purged":true}',
  '{"_revisions":{}}',
  '{"_revisions":"no"}',
  '{"_revisions":null}',
  '{"_revisions":{"start":1,"ids":[]}}',
  `{"_revisions":{"start":0,"ids":["${A}"]}}`,
  `{"_revisions":{"start":1,"ids":["${A}","${B}"]}}`,
  `{"_revisions":{"start":1.5,"ids":["${A}"]}}`,
  '{"_revisions":{"start":1,"ids":[1]}}',
  '{"_attachments":[]}',
  '{"_attachments":null}',
];
for (const text of refused) {
  test(`${text.slice(0, 45)} is refused`, () => {
    assert.throws(
      () => parseDocument(text),
      (cause) => isGatewayError(cause, 'badRequest'),
    );
  });
}

test('_removed is answered as something that is not there', () => {
  assert.throws(
    () => parseDocument('{"_removed":true}'),
    (cause) => isGatewayError(cause, 'missing'),
  );
});

test('the history of a pushed revision is read from _revisions, or is its _rev alone', () => {
  const both = `{"_rev":"3-${A}","_revisions":{"start":3,"ids":["${A}","${B}"]}}`;
  assert.deepEqual(historyOf(parseDocument(both)), [`3-${A}`, `2-${B}`]);
  assert.deepEqual(historyOf(parseDocument('{"_rev":"1-abc"}')), ['1-abc']);
});

const noHistory = [
  '{}',
  `{"_rev":"3-${B}","_revisions":{"start":3,"ids":["${A}"]}}`,
  '{"_revisions":{"start":1,"ids":[""]}}',
  '{"_revisions":{"start":1,"ids":["a b"]}}',
];
for (const text of noHistory) {
  test(`${text.slice(0, 45)} tells no history`, () => {
    const parsed = parseDocument(text);
    assert.throws(
      () => historyOf(parsed),
      (cause) => isGatewayError(cause, 'badRequest'),
    );
  });
}

test('documents of a bulk request are read one by one, so that one may be refused', () => {
  const bulk = scanBulkDocs(
    '{"new_edits": false, "docs": [ {"_id":"a", "n":1.0} , {"_id":5}, {"b":{},"a":[]} ], "x":[{}]}',
  );
  assert.equal(bulk.newEdits, false);
  assert.equal(bulk.docs.length, 3);
  assert.deepEqual(parseDocument(bulk.docs[0]!), {
    id: 'a',
    deleted: false,
    body: '{"n":1.0}',
    canonical: '{"n":1.0}',
  });
  assert.throws(() => parseDocument(bulk.docs[1]!), /_id must be a string/);
  assert.equal(parseDocument(bulk.docs[2]!).body, '{"b":{},"a":[]}');
  assert.equal(parseDocument(bulk.docs[2]!).canonical, '{"a":[],"b":{}}');
  assert.equal(scanBulkDocs('{"docs":[]}').newEdits, true);
});

const noBulk = ['', '{"docs":[', '[]', '{}', '{"docs":"x"}', '{"docs":[1]}', '{"docs":[null]}'];
noBulk.push('{"docs":[[]]}', '{"docs":[{}],"new_edits":1}', '{"docs":[{} {}]}', '{"docs":[{},]}');
for (const text of noBulk) {
  test(`${JSON.stringify(text)} is no bulk request`, () => {
    assert.throws(
      () => scanBulkDocs(text),
      (cause) => isGatewayError(cause, 'badRequest'),
    );
  });
}
