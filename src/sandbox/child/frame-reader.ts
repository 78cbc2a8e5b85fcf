import type * as FileSystem from 'node:fs';

/**
 * Reads length-prefixed frames from standard input, blocking: the child has nothing else to do, and
 * a blocking read is the cheapest way to wait. The returned function gives the next frame, or
 * undefined at the end of the input. A frame is valid until the next one is asked for.
 *
 * NOTE: the text of this function is run in the child (`program-text.ts`), so it refers to nothing
 * of this module but its parameters.
 */
export function frameReader(fs: typeof FileSystem): () => Buffer | undefined {
  const KEPT_BYTES = 1 << 18;
  const kept = Buffer.allocUnsafeSlow(KEPT_BYTES);
  let buffer = kept;
  let start = 0;
  let end = 0;
  /** Until `wanted` bytes of the present frame are there. */
  function fill(wanted: number): boolean {
    if (start + wanted > buffer.length) {
      const next = wanted > KEPT_BYTES ? Buffer.allocUnsafeSlow(wanted) : kept;
      buffer.copy(next, 0, start, end);
      end -= start;
      start = 0;
      buffer = next;
    }
    while (end - start < wanted) {
      const count = fs.readSync(0, buffer, end, buffer.length - end, null);
      if (count === 0) return false;
      end += count;
    }
    return true;
  }
  return () => {
    if (!fill(4)) return undefined;
    const length = buffer.readUInt32LE(start);
    if (!fill(4 + length)) return undefined;
    const frame = buffer.subarray(start + 4, start + 4 + length);
    start += 4 + length;
    return frame;
  };
}
