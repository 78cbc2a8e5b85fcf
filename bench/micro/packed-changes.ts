// What it costs to bring a group of changes to another thread.
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { move, putDocument } from '../../src/bucket/contract/changes.ts';
import type { CollectionId } from '../../src/bucket/bucket.ts';
import { packCalls, unpackCalls } from '../../src/bucket/sqlite/packed-changes.ts';
import { measure } from '../lib/measure.ts';
import { order } from '../lib/samples.ts';

const { port1, port2 } = new MessageChannel();
const record = { kind: 'sync_function', database: '', id: 'f' };
const calls = Array.from({ length: 16 }, (_, n) => [
  putDocument(1 as CollectionId, `doc${n}`, {
    body: JSON.stringify(order(n)),
    metadata: JSON.stringify({ c: [['ch1', 0]], t: 'x'.repeat(150) }),
    channels: move(['ch1', 'all']),
    function: { record, cas: 1 as never },
  }),
]);

function cross(message: unknown): unknown {
  port1.postMessage(message);
  return receiveMessageOnPort(port2)?.message;
}

measure('16 changes to another thread', [
  { name: 'as objects', run: () => cross(calls) },
  { name: 'as lists', run: () => unpackCalls(cross(packCalls(calls)) as never) },
]);
port1.close();
