import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGatewayError } from '../util/errors.ts';
import { parseDocId } from './doc-id.ts';

for (const id of ['a', 'x?y&z#', '日本🚀', 'a/b/c', '-dash', 'L'.repeat(250), 'é'.repeat(125)]) {
  test(`${id.slice(0, 12)} is a document id`, () => {
    assert.equal(parseDocId(id), id);
  });
}

for (const id of ['', '_x', '_sync:seq', 'L'.repeat(251), 'é'.repeat(126), 'a\ud800', 'a\0b']) {
  test(`${JSON.stringify(id.slice(0, 12))} is no document id`, () => {
    assert.throws(
      () => parseDocId(id),
      (cause) => isGatewayError(cause, 'badRequest'),
    );
  });
}
