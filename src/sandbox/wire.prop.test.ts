import assert from 'node:assert/strict';
import type * as FileSystem from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { readItems, writeAnswers } from './child/program.ts';
import { decodeAnswers, encodeBatch, FrameSplitter, OPERATIONS } from './wire.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const number = fc.nat({ max: 0xff_ff_ff_ff });

test('the child reads the items that were sent', () => {
  const item = fc.record(
    {
      operation: fc.constantFrom(...Object.values(OPERATIONS)),
      slot: number,
      extra: number,
      texts: fc.array(text, { maxLength: 4 }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(number, fc.array(item), (batch, items) => {
      const frame = encodeBatch(batch, items);
      assert.equal(frame.readUInt32LE(0), frame.length - 4);
      assert.equal(frame.readUInt32LE(4), batch);
      assert.deepEqual(readItems(frame.subarray(4)), items);
    }),
  );
});

/** The bytes that a child writes for answers. */
function written(batch: number, texts: readonly string[]): Buffer {
  const chunks: Buffer[] = [];
  const writeSync = (...[, bytes, from, count]: [number, Buffer, number, number]) => {
    const chunk = bytes.subarray(from, from + Math.min(count, 7));
    chunks.push(chunk);
    return chunk.length;
  };
  const fs = { writeSync } as unknown as typeof FileSystem;
  writeAnswers(
    fs,
    batch,
    texts.map((each) => Buffer.from(each)),
  );
  return Buffer.concat(chunks);
}

test('answers are the same however the stream is cut', () => {
  const frame = fc.record({ batch: number, texts: fc.array(text) }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(frame), fc.array(fc.integer({ min: 1, max: 30 })), (frames, cuts) => {
      const stream = Buffer.concat(frames.map(({ batch, texts }) => written(batch, texts)));
      const splitter = new FrameSplitter(1 << 20);
      const read: unknown[] = [];
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = cuts[i % Math.max(cuts.length, 1)] ?? stream.length;
        const payloads = splitter.push(stream.subarray(at, at + size));
        assert(payloads);
        read.push(...payloads.map(decodeAnswers));
        at += size;
      }
      assert.deepEqual(read, frames);
    }),
  );
});

test('bytes that are no answers are told apart, whatever they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const answers = decodeAnswers(Buffer.from(bytes));
      if (answers === undefined) return;
      const sum = answers.texts.reduce((total, each) => total + 4 + Buffer.byteLength(each), 8);
      assert(sum >= bytes.length);
    }),
  );
});

test('a frame that is too long is not waited for', () => {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(1001);
  assert.equal(new FrameSplitter(1000).push(head), undefined);
});
