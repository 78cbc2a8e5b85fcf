import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChildContents } from './child-contents.ts';
import { LIMITS } from './limits.ts';
import type { SyncWriter } from './sandbox.ts';
import { OPERATIONS, type Item } from './wire.ts';

/** What a child makes of items: by slot, the source of a function and the writers in it. */
class ModelChild {
  readonly functions = new Map<number, { source: string; writers: Map<number, string> }>();

  apply(items: readonly Item[]): void {
    for (const { operation, slot, extra, texts } of items) {
      const [first = ''] = texts;
      if (operation === OPERATIONS.define)
        this.functions.set(slot, { source: first, writers: new Map() });
      else if (operation === OPERATIONS.forget) this.functions.delete(slot);
      else if (first === '') this.functions.get(slot)?.writers.delete(extra);
      else this.functions.get(slot)?.writers.set(extra, first);
    }
  }
}

const limits = { ...LIMITS, functions: 3, writersBytes: 4000 };

test('a child holds what its parent believes, within the limits', () => {
  const step = fc.record({
    id: fc.integer({ min: 1, max: 6 }),
    writer: fc.option(fc.integer({ min: 1, max: 9 })),
    forget: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const contents = new ChildContents(limits);
      const child = new ModelChild();
      for (const { id, writer, forget } of steps) {
        const items: Item[] = [];
        const record = { id, source: `source ${id}`, timeoutMs: 0 };
        if (forget) {
          contents.forget(id, items);
          child.apply(items);
          continue;
        }
        const slot = contents.functionSlot(record, items);
        const given = writer === null ? null : writerNamed(`w${writer}`, 'x'.repeat(writer * 60));
        const writerSlot = contents.writerSlot(record, given, items);
        child.apply(items);
        const held = child.functions.get(slot);
        assert.equal(held?.source, record.source);
        if (given === null) assert.equal(writerSlot, 0);
        else assert.equal(JSON.parse(held.writers.get(writerSlot) ?? '{}').name, given.key);
        assert(child.functions.size <= limits.functions);
        const writers = [...child.functions.values()].flatMap((each) => [...each.writers.values()]);
        assert(writers.join('').length <= limits.writersBytes);
      }
    }),
  );
});

function writerNamed(name: string, channel: string): SyncWriter {
  return { key: name, describe: () => ({ name, roles: [], channels: [channel] }) };
}

test('what the child has is not sent again', () => {
  const contents = new ChildContents(limits);
  const record = { id: 1, source: 'f', timeoutMs: 0 };
  const writer = writerNamed('a', '!');
  const items: Item[] = [];
  for (let i = 0; i < 3; i++) {
    contents.functionSlot(record, items);
    contents.writerSlot(record, writer, items);
  }
  assert.deepEqual(
    items.map(({ operation }) => operation),
    [OPERATIONS.define, OPERATIONS.writer],
  );
});
