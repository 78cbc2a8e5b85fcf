/**
 * Bytes that are the same for many chunked answers, with the frame of a chunk around them (RFC 9112
 * §7.1), made once: Node frames each write anew, in pieces, which is most of what a row of a feed
 * costs.
 */
export class HttpChunk {
  readonly framed: Buffer;
  /** Without the frame; the same memory. */
  readonly bytes: Buffer;

  constructor(text: string) {
    const length = Buffer.byteLength(text);
    const head = `${length.toString(16)}\r\n`;
    this.framed = Buffer.from(`${head}${text}\r\n`);
    this.bytes = this.framed.subarray(head.length, head.length + length);
  }
}
