import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { silentLog } from '../observability/log.ts';
import { isGatewayError } from '../util/errors.ts';
import type { SyncWriter } from './sandbox.ts';
import { startSandbox } from './start-sandbox.ts';

/** What a call does, and what it is answered: the same alone and in any company. */
const KINDS = {
  fine: (i: number) => `channel c${i}`,
  mine: (i: number) => `channel w${i % 7}`,
  refused: (i: number) => `forbidden no ${i}`,
  broken: () => 'functionFailed',
  loops: () => 'functionFailed',
  grows: () => 'functionFailed',
} as const;

const SOURCE = `function(doc, oldDoc, meta) {
  switch (doc.kind) {
    case 'fine': left = doc.i; return channel('c' + doc.i);
    case 'mine': requireUser('w' + doc.i % 7); return channel('w' + doc.i % 7);
    case 'refused': channel('x'); throw { forbidden: 'no ' + doc.i };
    case 'broken': return typeof left === 'undefined' ? nosuch.x : channel('left');
    case 'loops': for (;;);
    case 'grows': for (var a = []; ; ) a.push(new Array(1e6).fill(doc.i));
  }
}`;

test('whatever calls share batches and children, each has its own answer, once', async () => {
  const limits = { heapMb: 64, functions: 2, writersBytes: 2000, batchCalls: 8 };
  await using sandbox = await startSandbox({ log: silentLog, limits });
  const options = { timeoutMs: 150, log: silentLog };
  const functions = await Promise.all([1, 2, 3].map(() => sandbox.syncFunction(SOURCE, options)));
  const kind = fc.oneof<{ arbitrary: fc.Arbitrary<keyof typeof KINDS>; weight: number }[]>(
    { weight: 40, arbitrary: fc.constantFrom('fine', 'mine', 'refused', 'broken') },
    { weight: 1, arbitrary: fc.constantFrom('loops', 'grows') },
  );
  const calls = fc.array(fc.tuple(kind, fc.nat({ max: 2 }), fc.boolean()), {
    minLength: 1,
    maxLength: 60,
  });

  await fc.assert(
    fc.asyncProperty(calls, async (list) => {
      const answers = await Promise.all(
        list.map(async ([how, which, waits], i) => {
          if (waits) await new Promise((resolve) => setImmediate(resolve));
          const name = `w${i % 7}`;
          const writer: SyncWriter = {
            key: name,
            describe: () => ({ name, roles: [], channels: [] }),
          };
          const doc = JSON.stringify({ kind: how, i });
          const run = functions[which]?.run({ doc, oldDoc: null, meta: '{}', writer });
          try {
            const outcome = await run;
            const { kind: refusal, reason } = outcome?.rejection ?? {};
            return refusal ? `${refusal} ${reason}` : `channel ${outcome?.channels.join()}`;
          } catch (cause) {
            return isGatewayError(cause) ? cause.tag : String(cause);
          }
        }),
      );
      assert.deepEqual(
        answers,
        list.map(([how], i) => KINDS[how](i)),
      );
    }),
    { numRuns: 25 },
  );
});
