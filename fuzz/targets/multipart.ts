import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { MultipartReader } from '../../src/rest/multipart-reader.ts';
import { boundaryOf, fileNameOf } from '../../src/rest/part-headers.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { outcomeOf, refusal } from '../outcome.ts';
import type { Random } from '../random.ts';

const BOUNDARY = 'xyz';

/** Each chunk is wiped when the next one is asked for, as those of a request are. */
async function* chunksOf(bytes: Buffer, random: Random): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const length = 1 + random.below(random.oneIn(3) ? 3 : 200);
    const chunk = Buffer.from(bytes.subarray(at, at + length));
    yield await Promise.resolve(chunk);
    chunk.fill(0);
    at += length;
  }
}

interface Read {
  /** The headers and bytes of each part, and how it ended. */
  readonly parts: string;
  readonly bytes: number;
  readonly kind: string;
}

async function readAll(input: Buffer, random: Random): Promise<Read> {
  const reader = new MultipartReader(chunksOf(input, random), BOUNDARY);
  const hash = createHash('sha1');
  let bytes = 0;
  let count = 0;
  let kind = 'whole';
  try {
    for (let part = await reader.part(); part !== undefined; part = await reader.part()) {
      count += 1;
      hash.update(JSON.stringify([...part.headers]));
      for await (const chunk of part.body) {
        bytes += chunk.length;
        hash.update(chunk);
      }
    }
  } catch (cause) {
    kind = refusal(cause, ['badRequest']);
  }
  // What was read of a part that does not end depends on the chunks: only whole bodies compare.
  return { parts: kind === 'whole' ? hash.digest('hex') : '', bytes, kind: `${kind} ${count}` };
}

export const multipartReader: FuzzTarget = {
  name: 'multipart',
  seeds: [
    '--xyz\r\nContent-Type: application/json\r\n\r\n{"a":1}\r\n--xyz\r\n\r\nbytes\r\n--xyz--\r\n',
    'preamble\r\n--xyz \r\nA: b\r\n c\r\n\r\n\r\n--xy\r\n--xyz\r\n\r\n--xyz--',
  ],
  words: ['\r\n', '\r\n\r\n', '--', '--xyz', '--xyz--', '\r\n--xyz\r\n', 'A: b\r\n', ' ', '\r'],
  bytesMax: 10_000,
  run: async (input, random) => {
    const first = await readAll(input, random);
    const second = await readAll(input, random);
    assert.equal(first.kind, second.kind, 'the chunks make a difference');
    assert.equal(first.parts, second.parts, 'the chunks make a difference');
    assert.ok(first.bytes <= input.length);
    return first.kind;
  },
};

export const partHeaders: FuzzTarget = {
  name: 'part-headers',
  seeds: [
    'multipart/related; boundary="a b"; type=x',
    'attachment; filename="a \\"b\\".txt"',
    "attachment; filename*=UTF-8''%C3%BC",
  ],
  words: [';', '=', '"', '\\"', 'boundary=', 'filename=', "filename*=UTF-8''", '%C3', ' '],
  bytesMax: 5_000,
  run: (input) => {
    const header = input.toString('latin1');
    const boundary = outcomeOf(() => boundaryOf(header), 'badRequest');
    if (boundary.ok) assert.match(boundary.value, /^[ -~]{1,70}$/);
    const fileName = outcomeOf(() => fileNameOf(header), 'badRequest');
    return `${boundary.kind}; ${fileName.kind} ${fileName.ok && fileName.value !== undefined}`;
  },
};
