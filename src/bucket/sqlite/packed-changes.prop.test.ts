import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';
import type { Cas, Digest, Sequence } from '../../document/types.ts';
import type { Change, CommitResult, DocumentChange } from '../bucket.ts';
import { docId, putDocument, putRecord, recordKey, revId } from '../contract/changes.ts';
import { packCalls, unpackCalls } from './packed-changes.ts';
import { packOutcomes, unpackOutcomes } from './packed-outcomes.ts';
import type { WireOutcome } from './writer-messages.ts';

// What goes to the writing thread and back is what arrives there, whatever it has and has not.

const text = fc.string({ unit: 'binary', maxLength: 12 });
const sequence = fc.nat().map((value) => value as Sequence);
const cas = fc.maxSafeInteger().map((value) => value as Cas);
const entries = fc.array(fc.record({ channel: text, replaces: sequence }), { maxLength: 3 });
const lease = fc.constantFrom({ name: 'one', fence: 1 }, { name: 'two', fence: 7 });
const judgedBy = fc.record({ record: fc.constantFrom(recordKey('f'), recordKey('g')), cas });

const document: fc.Arbitrary<DocumentChange> = fc
  .record(
    {
      ifCas: fc.oneof(cas, fc.constant('absent' as const)),
      body: fc.option(text),
      expiry: fc.nat(),
      rev: text.map(revId),
      flags: fc.nat({ max: 255 }),
      metadata: text,
      channels: fc.record({ in: entries, out: entries }),
      keepsBody: fc.constant(true as const),
      function: judgedBy,
      lease,
      access: fc.record({
        database: text,
        principals: fc.array(text.map((name) => `user:${name}` as const)),
        asOf: sequence,
      }),
      xattrCrc: fc.option(fc.nat()),
      dropBodies: fc.array(text.map(revId)),
      attachments: fc.array(
        fc.record({ digest: text.map((digest) => digest as Digest), until: fc.nat() }),
      ),
    },
    { requiredKeys: [] },
  )
  .map((options) => putDocument(1 as never, 'key', options));
const single: fc.Arbitrary<Exclude<Change, { kind: 'batch' }>> = fc.oneof(
  document,
  text.map((id) => putRecord(recordKey(id))),
  text.map((key) => ({ kind: 'purge', collection: 1 as never, key: docId(key) }) as const),
);
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: single },
  {
    weight: 1,
    arbitrary: fc.record(
      { kind: fc.constant('batch' as const), changes: fc.array(single), function: judgedBy, lease },
      { requiredKeys: ['kind', 'changes'] },
    ),
  },
);
const result: fc.Arbitrary<CommitResult> = fc.oneof(
  fc.record({ ok: fc.constant(true as const), cas, seq: sequence }),
  fc.record(
    {
      ok: fc.constant(false as const),
      failed: fc.constantFrom('cas' as const, 'lease' as const),
      actualCas: fc.oneof(cas, fc.constant('absent' as const)),
      at: fc.nat(),
    },
    { requiredKeys: ['ok', 'failed'] },
  ),
);
const outcome: fc.Arbitrary<WireOutcome> = fc.oneof(
  fc.record({ results: fc.array(result) }),
  fc.record({ failure: fc.record({ message: text }) }),
);

test('calls arrive as they were', () => {
  fc.assert(
    fc.property(fc.array(fc.array(change)), (calls) => {
      const packed = structuredClone(packCalls(calls));
      assert.deepEqual(plain(unpackCalls(packed)), plain(calls));
    }),
  );
});

test('outcomes arrive as they were', () => {
  fc.assert(
    fc.property(fc.array(outcome), (outcomes) => {
      const packed = structuredClone(packOutcomes(outcomes));
      assert.deepEqual(plain(unpackOutcomes(packed)), plain(outcomes));
    }),
  );
});

/** Without the prototypes that fast-check leaves out. */
const plain = <T>(value: T): T => structuredClone(value);
