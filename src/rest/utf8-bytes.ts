/** No character takes more. */
const CHARACTER_BYTES_MAX = 4;

/**
 * `text` in UTF-8, as `Buffer.from` gives it, at half the cost: most text is ASCII, whose bytes
 * need not be counted before they are written.
 */
export function utf8Bytes(text: string): Buffer {
  const room = Buffer.allocUnsafeSlow(text.length + (text.length >> 4) + CHARACTER_BYTES_MAX);
  // It writes whole characters, as many as there is room for.
  const length = room.write(text);
  const isWhole = room.length - length >= CHARACTER_BYTES_MAX;
  return isWhole ? room.subarray(0, length) : Buffer.from(text);
}
