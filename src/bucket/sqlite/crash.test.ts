import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { DatabaseSync } from 'node:sqlite';

import { apply, channelRequest, docId, putDocument } from '../contract/changes.ts';
import { testServer } from './test-support.ts';

interface Acknowledged {
  readonly key: string;
  readonly seq: number;
}

/** Lets a process write, and kills it after so many acknowledgements. */
async function writeAndKill(folder: string, round: number): Promise<readonly Acknowledged[]> {
  const file = new URL('./crash-writer.ts', import.meta.url);
  const child = fork(file, [folder, `${round}`], { serialization: 'advanced' });
  const acknowledged: Acknowledged[] = [];
  child.on('message', (told: Acknowledged) => {
    acknowledged.push(told);
    if (acknowledged.length === 100 + round * 37) child.kill('SIGKILL');
  });
  await once(child, 'close');
  assert.equal(child.signalCode, 'SIGKILL');
  return acknowledged;
}

test('after kill -9, every acknowledged write is there, whole, and writing goes on', async () => {
  await using held = await testServer();
  const all: Acknowledged[] = [];
  for (let round = 0; round < 3; round += 1) {
    all.push(...(await writeAndKill(held.path, round)));
    await using bucket = await held.server.open('crash', { create: false });
    const c = await bucket.openCollection('_default._default');
    for (const { key, seq } of all) {
      assert.equal((await bucket.get(c, docId(key)))?.metadata?.seq, seq, key);
    }
    const last = await bucket.lastSequence();
    const page = await bucket.readChannels(channelRequest(c, ['all'], { limit: 1000 }));
    const seqs = page.rows.map(({ seq }) => seq);
    // Gaps are the writes of this test itself, which are in no channel.
    assert.deepEqual(seqs.length, Math.min(1000, last - round));
    const next = await apply(bucket, putDocument(c, `after-${round}`));
    assert.equal(next.seq, last + 1);
  }
  const db = new DatabaseSync(`${held.path}/crash.sqlite`, { readOnly: true });
  assert.deepEqual({ ...db.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' });
  db.close();
});
