/** Smaller buffers may be parts of something that others use. */
const BYTES_MIN = 8 * 1024;

/**
 * Gives the memory of a chunk back at once, where the chunk is nobody else's: it is empty then. The
 * garbage collector, which sees little of what buffers take, would let hundreds of megabytes of a
 * large attachment gather first.
 */
export function giveBack({ buffer, byteLength }: Uint8Array): void {
  const isWhole = buffer instanceof ArrayBuffer && byteLength === buffer.byteLength;
  if (isWhole && byteLength >= BYTES_MIN) buffer.transfer(0);
}
