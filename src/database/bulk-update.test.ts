import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scanBulkDocs } from '../document/parsed-document.ts';
import type { ScannedObject } from '../document/json-scanner.ts';
import { nextTurn } from '../util/next-turn.ts';
import { BulkShare } from './bulk-share.ts';
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
    share: new BulkShare(),
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
    share: new BulkShare(),
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
    share: new BulkShare(),
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

test('requests share what is in work, and a lone one takes it all again', async () => {
  const share = new BulkShare();
  const ids = Array.from({ length: 400 }, (_, n) => `d${n}`);
  const writes: PromiseWithResolvers<void>[] = [];
  const begin = (): Promise<unknown> =>
    updateMany(docsOf(...ids), {
      idOf,
      signal,
      share,
      write: async (_doc, id): Promise<BulkOutcome> => {
        const written = Promise.withResolvers<void>();
        writes.push(written);
        await written.promise;
        return { ok: true, id, rev: '1-x' };
      },
    });
  const alone = share.each;
  const answer = async (writing: Promise<unknown>): Promise<void> => {
    let isDone = false;
    void writing.then(() => (isDone = true));
    while (!isDone) {
      assert(writes.length <= alone, `${writes.length} documents are in work`);
      for (const { resolve } of writes.splice(0)) resolve();
      await nextTurn();
    }
  };
  const requests = [begin(), begin(), begin(), begin()];
  assert.equal(share.each, alone / 4);
  // Each began with what was its share then.
  for (const { resolve } of writes.splice(0)) resolve();
  await nextTurn();
  await answer(Promise.all(requests));
  const last = begin();
  assert(writes.length > (3 * alone) / 4);
  await answer(last);
});

test('nothing to write is no work', async () => {
  const share = new BulkShare();
  const write = (): Promise<never> => Promise.reject(new Error('bug: there is no document'));
  assert.deepEqual(await updateMany([], { idOf, signal, share, write }), []);
});
