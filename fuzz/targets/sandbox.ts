import assert from 'node:assert/strict';
import { parseAnswer } from '../../src/sandbox/parse-outcome.ts';
import { decodeAnswers, FrameSplitter } from '../../src/sandbox/wire.ts';
import type { FuzzTarget } from '../fuzz-target.ts';

const FRAME_BYTES_MAX = 4096;

/** What a child of the sandbox sends, which runs what strangers wrote. */
export const wireFrames: FuzzTarget = {
  name: 'wire-frames',
  seeds: [frame(1, ['{"c":["a"]}']), frame(0, []), frame(7, ['again', '{"f":["x","y"]}'])],
  words: ['\0\0\0\0', '\u0001\0\0\0', '\b\0\0\0', '{"c":[]}'],
  bytesMax: 10_000,
  run: (input, random) => {
    const splitter = new FrameSplitter(FRAME_BYTES_MAX);
    let frames = 0;
    let taken = 0;
    for (let at = 0; at < input.length;) {
      const length = 1 + random.below(100);
      const payloads = splitter.push(Buffer.from(input.subarray(at, at + length)));
      if (payloads === undefined) return 'too long';
      at += length;
      for (const payload of payloads) {
        frames += 1;
        const answers = decodeAnswers(payload);
        if (answers === undefined) continue;
        taken += 1;
        assert.ok(answers.texts.length <= payload.length / 4);
        for (const text of answers.texts) parseAnswer(text);
      }
    }
    return `${Math.min(frames, 5)} ${Math.min(taken, 5)}`;
  },
};

export const functionAnswers: FuzzTarget = {
  name: 'function-answers',
  seeds: [
    '{"c":["a","b"],"a":{"user:ann":["a"]},"o":{"user:ann":["role:r"]},"e":"10","q":1}',
    '{"x":["forbidden","no"],"g":[["info","a line"]]}',
    '{"f":["exception","Error: x"]}',
  ],
  words: [
    '"c":[],',
    '"a":{},',
    '"o":{},',
    '"x":[],',
    '"f":[],',
    '"g":[[]],',
    '"e":1,',
    'null',
    '{',
  ],
  bytesMax: 5_000,
  run: (input) => {
    const answer = parseAnswer(input.toString());
    if ('failure' in answer) return `failed ${answer.failure.tag}`;
    const { channels, rejection } = answer.outcome;
    assert.ok(channels.every((channel) => channel !== ''));
    return `outcome ${channels.length > 0} ${rejection?.kind}`;
  },
};

function frame(batch: number, texts: readonly string[]): Buffer {
  const payload = Buffer.concat([numbers(batch, texts.length), ...texts.map(textBytes)]);
  return Buffer.concat([numbers(payload.length), payload]);
}

function textBytes(text: string): Buffer {
  return Buffer.concat([numbers(Buffer.byteLength(text)), Buffer.from(text)]);
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, 4 * index);
  return bytes;
}
