import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isGatewayError } from '../util/errors.ts';
import { MultipartReader } from './multipart-reader.ts';

interface ReadPart {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Reads everything; `cut` says where the bytes are cut into chunks. */
async function readAll(
  bytes: string | Buffer,
  { boundary = 'xyz', cuts = [] }: { boundary?: string; cuts?: readonly number[] } = {},
): Promise<readonly ReadPart[]> {
  const reader = new MultipartReader(chunksOf(Buffer.from(bytes), cuts), boundary);
  const parts: ReadPart[] = [];
  for (let part = await reader.part(); part !== undefined; part = await reader.part()) {
    const chunks: Buffer[] = [];
    for await (const chunk of part.body) chunks.push(Buffer.from(chunk));
    const body = Buffer.concat(chunks).toString('latin1');
    parts.push({ headers: Object.fromEntries(part.headers), body });
  }
  return parts;
}

/** Each chunk is wiped when the next one is asked for, as those of a request are. */
async function* chunksOf(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const places = [0, ...new Set(cuts.map((cut) => cut % (bytes.length + 1))), bytes.length];
  places.sort((a, b) => a - b);
  for (const [index, from] of places.slice(0, -1).entries()) {
    const chunk = Buffer.from(bytes.subarray(from, places[index + 1]));
    yield chunk;
    chunk.fill('!');
  }
}

async function refusalOf(bytes: string | Buffer, boundary = 'xyz'): Promise<string> {
  try {
    await readAll(bytes, { boundary });
  } catch (cause) {
    if (isGatewayError(cause, 'badRequest')) return cause.message;
    throw cause;
  }
  return 'none';
}

test('parts come one after the other, with their headers and bytes', async () => {
  const body =
    'a preamble\r\n--xyz\r\nContent-Type: text/plain\r\nX-Long: a\r\n  b\r\n\r\none\r\n' +
    '--xyz \t\r\n\r\n\r\n--xy\r\n\r\n--xyz\r\nEmpty: 1\r\n\r\n--xyz--\r\nan epilogue';
  assert.deepEqual(await readAll(body), [
    { headers: { 'content-type': 'text/plain', 'x-long': 'a b' }, body: 'one' },
    { headers: {}, body: '\r\n--xy\r\n' },
    { headers: { empty: '1' }, body: '' },
  ]);
  assert.deepEqual(await readAll('--xyz--'), []);
});

test('however the bytes are cut into chunks, the parts are the same', async () => {
  // Pieces that look like boundaries make up most of the bodies.
  const piece = fc.constantFrom('\r', '\n', '-', '--', '\r\n--', '\r\n--x', 'xy', 'xyz', 'a', '\0');
  const content = fc
    .array(piece, { maxLength: 30 })
    .map((pieces) => pieces.join(''))
    .filter((text) => !`\r\n${text}\r\n`.includes('\r\n--xyz'));
  const cuts = fc.array(fc.nat(2000), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(fc.array(content, { maxLength: 4 }), cuts, async (contents, places) => {
      const parts = contents.map((text) => `--xyz\r\nA: b\r\n\r\n${text}\r\n`);
      const bytes = `${parts.join('')}--xyz--\r\n`;
      const read = await readAll(bytes, { cuts: places });
      assert.deepEqual(
        read.map(({ body }) => body),
        contents,
      );
    }),
  );
});

test('a byte at a time is enough', async () => {
  const bytes = '--xyz\r\nA: b\r\n\r\nfirst\r\n\r\n--xy!\r\n--xyz\r\n\r\nsecond\r\n--xyz--';
  const cuts = Array.from({ length: bytes.length }, (_, at) => at);
  const read = await readAll(bytes, { cuts });
  assert.deepEqual(
    read.map(({ body }) => body),
    ['first\r\n\r\n--xy!', 'second'],
  );
});

test('what is left of a part is passed over', async () => {
  const bytes = Buffer.from('--xyz\r\n\r\nlong, not read\r\n--xyz\r\n\r\nread\r\n--xyz--');
  const reader = new MultipartReader(chunksOf(bytes, [20, 22, 40]), 'xyz');
  const first = await reader.part();
  for await (const chunk of first?.body ?? []) if (chunk.length > 0) break;
  const second = await reader.part();
  const chunks: string[] = [];
  for await (const chunk of second?.body ?? []) chunks.push(Buffer.from(chunk).toString());
  assert.equal(chunks.join(''), 'read');
  for await (const _ of first?.body ?? []) assert.fail('the first part is over');
  assert.equal(await reader.part(), undefined);
});

test('a body that is none is refused, however it is broken', async () => {
  const whole = '--xyz\r\nA: b\r\n\r\ncontent\r\n--xyz--';
  for (let end = 0; end < whole.length; end += 1)
    assert.match(await refusalOf(whole.slice(0, end)), /ends without/, whole.slice(0, end));
  assert.match(await refusalOf(whole, 'other'), /ends without/);
  assert.match(await refusalOf(`${'x'.repeat(5000)}\r\n${whole}`), /first boundary/);
  assert.match(await refusalOf('--xyzz\r\n\r\n\r\n--xyz--'), /follows a boundary/);
  assert.match(await refusalOf(`--xyz${' '.repeat(300)}\r\n\r\n\r\n--xyz--`), /too long/);
  assert.match(await refusalOf('--xyz\r\nno header\r\n\r\n\r\n--xyz--'), /no name/);
  assert.match(await refusalOf('--xyz\r\n: v\r\n\r\n\r\n--xyz--'), /no name/);
  assert.match(await refusalOf('--xyz\r\nA: 1\r\na: 2\r\n\r\n\r\n--xyz--'), /twice/);
  assert.match(await refusalOf('--xyz\r\nA: \xff\r\n\r\n--xyz--'), /none/);
  assert.match(
    await refusalOf(Buffer.from('--xyz\r\nA: \xff\r\n\r\n--xyz--', 'latin1')),
    /not UTF-8/,
  );
  const many = Array.from({ length: 40 }, (_, n) => `A${n}: 1\r\n`).join('');
  assert.match(await refusalOf(`--xyz\r\n${many}\r\n\r\n--xyz--`), /more than 32 headers/);
  assert.match(await refusalOf(`--xyz\r\nA: ${'x'.repeat(20_000)}\r\n\r\n--xyz--`), /too long/);
});

test('headers without end are given up long before memory is', async () => {
  let sent = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('--xyz\r\n');
    for (; ; sent += 1000) yield Buffer.alloc(1000, 'a');
  }
  const reader = new MultipartReader(endless(), 'xyz');
  await assert.rejects(reader.part(), (cause) => isGatewayError(cause, 'badRequest'));
  assert.ok(sent < 20_000);
});

test('a source that fails fails the reading', async () => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('--xyz\r\n\r\nabcdef');
    throw new Error('lost');
  }
  const reader = new MultipartReader(failing(), 'xyz');
  const part = await reader.part();
  await assert.rejects(
    async () => {
      for await (const _ of part?.body ?? []);
    },
    { message: 'lost' },
  );
});
