/**
 * What parent and child say to each other. Numbers are unsigned, little endian, 32 bits wide.
 *
 * - A frame: its length, then so many bytes.
 * - To the child, a batch: number of the batch, number of items, the items. An item: operation
 *   (8 bits), two numbers, how many texts (8 bits), the texts. A text: its length in bytes, UTF-8.
 * - From the child, the answers to a batch: its number, how many, one text for each item, in order.
 *   The first frame of a child is an empty answer to batch 0: it is ready.
 * - Into the inherited file, at 0: number of the batch and index of the item that the child begins,
 *   so that its parent knows whom to blame when it dies.
 */
export const OPERATIONS = {
  /** Function slot; text: source. Answer: an object, with `f` where it is no function. */
  define: 1,
  /** Function slot. */
  forget: 2,
  /** Function slot, writer slot; text: the writer as JSON, or nothing to forget it. */
  writer: 3,
  /** Function slot, writer slot or 0; texts: arguments as JSON. Answer: `parse-outcome.ts`. */
  call: 4,
} as const;

/** The answer to an item that was not run because the answers before it filled the frame. */
export const ASK_AGAIN = 'again';

export interface Item {
  readonly operation: (typeof OPERATIONS)[keyof typeof OPERATIONS];
  readonly slot: number;
  readonly extra: number;
  readonly texts: readonly string[];
}

/** One frame with a batch in it. */
export function encodeBatch(batch: number, items: readonly Item[]): Buffer {
  let length = 12;
  const lengths: number[] = [];
  for (const item of items) {
    length += 10;
    for (const text of item.texts) {
      const bytes = Buffer.byteLength(text);
      lengths.push(bytes);
      length += 4 + bytes;
    }
  }
  const frame = Buffer.allocUnsafe(length);
  frame.writeUInt32LE(length - 4, 0);
  frame.writeUInt32LE(batch, 4);
  frame.writeUInt32LE(items.length, 8);
  let at = 12;
  let textIndex = 0;
  for (const item of items) {
    frame[at] = item.operation;
    frame.writeUInt32LE(item.slot, at + 1);
    frame.writeUInt32LE(item.extra, at + 5);
    frame[at + 9] = item.texts.length;
    at += 10;
    for (const text of item.texts) {
      const bytes = lengths[textIndex++] ?? 0;
      frame.writeUInt32LE(bytes, at);
      frame.write(text, at + 4, bytes, 'utf8');
      at += 4 + bytes;
    }
  }
  return frame;
}

export interface Answers {
  readonly batch: number;
  readonly texts: readonly string[];
}

/** Reads a frame's payload; undefined where it is none that a child of ours sends. */
export function decodeAnswers(payload: Buffer): Answers | undefined {
  if (payload.length < 8) return undefined;
  const count = payload.readUInt32LE(4);
  const texts: string[] = [];
  let at = 8;
  for (let i = 0; i < count; i++) {
    if (at + 4 > payload.length) return undefined;
    const end = at + 4 + payload.readUInt32LE(at);
    if (end > payload.length) return undefined;
    texts.push(payload.toString('utf8', at + 4, end));
    at = end;
  }
  return at === payload.length ? { batch: payload.readUInt32LE(0), texts } : undefined;
}

/** Cuts a stream of bytes into frames of at most `bytesMax`. */
export class FrameSplitter {
  readonly #bytesMax: number;
  #waiting: Buffer[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The payloads that `chunk` completes; undefined where a frame is too long. */
  push(chunk: Buffer): readonly Buffer[] | undefined {
    this.#waiting.push(chunk);
    this.#bytes += chunk.length;
    const payloads: Buffer[] = [];
    while (this.#bytes >= 4) {
      let [first] = this.#waiting as [Buffer];
      if (first.length < 4) first = this.#joined();
      const length = first.readUInt32LE(0);
      if (length > this.#bytesMax) return undefined;
      if (this.#bytes < 4 + length) break;
      const whole = first.length >= 4 + length ? first : this.#joined();
      payloads.push(whole.subarray(4, 4 + length));
      const rest = whole.subarray(4 + length);
      this.#bytes -= 4 + length;
      this.#waiting[0] = rest;
      if (rest.length === 0) this.#waiting.shift();
    }
    return payloads;
  }

  #joined(): Buffer {
    const joined = Buffer.concat(this.#waiting);
    this.#waiting = [joined];
    return joined;
  }
}
