import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scanBulkDocs } from '../document/parsed-document.ts';
import type { ScannedObject } from '../document/json-scanner.ts';
import type { BulkOutcome } from './bulk-update.ts';
import { updateMany } from './bulk-update.ts';

const docsOf = (...ids: readonly string[]): readonly ScannedObject[] =>
  scanBulkDocs(JSON.stringify({ docs: ids.map((id) => ({ id })) })).docs;
const idOf = (doc: ScannedObject): string =>
  (JSON.parse(doc.text.slice(doc.start, doc.end)) as { id: string }).id;
const signal = AbortSignal.timeout(10_000);

test('outcomes come in the order of the documents, whichever is written first', async () => {
  const waits = new Map([
    ['a', Promise.withResolvers<void>()],
    ['b', Promise.withResolvers<void>()],
  ]);
  const writing = updateMany(docsOf('a', 'b'), {
    idOf,
    signal,
    write: async (_doc, id): Promise<BulkOutcome> => {
      await waits.get(id)?.promise;
      return { ok: true, id, rev: '1-x' };
    },
  });
  waits.get('b')?.resolve();
  waits.get('a')?.resolve();
  assert.deepEqual(
    (await writing).map(({ id }) => id),
    ['a', 'b'],
  );
});

test('documents of one id are written one after the other, in their order', async () => {
  const order: string[] = [];
  let running = 0;
  await updateMany(docsOf('a', 'a', 'a'), {
    idOf,
    signal,
    write: async (_doc, id): Promise<BulkOutcome> => {
      running++;
      assert.equal(running, 1);
      order.push(id);
      await Promise.resolve();
      running--;
      return { ok: true, id, rev: '1-x' };
    },
  });
  assert.equal(order.length, 3);
});

test('an aborted request writes no further documents', async () => {
  const abort = new AbortController();
  let written = 0;
  const many = Array.from({ length: 1000 }, (_, n) => `d${n}`);
  const writing = updateMany(docsOf(...many), {
    idOf,
    signal: abort.signal,
    write: async (_doc, id): Promise<BulkOutcome> => {
      written++;
      if (written === 10) abort.abort();
      await Promise.resolve();
      return { ok: true, id, rev: '1-x' };
    },
  });
  await assert.rejects(writing, { name: 'AbortError' });
  assert(written < 1000);
});
