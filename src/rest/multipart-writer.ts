import { randomBytes } from 'node:crypto';
import type { Chunks } from './answer.ts';

/** One part of a multipart body. */
export interface Part {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Chunks;
}

export interface Multipart {
  readonly contentType: string;
  readonly chunks: Chunks;
}

/** Sixteen random bytes: no content has them by chance, and nobody can foresee them. */
const BOUNDARY_BYTES = 16;

/**
 * A multipart body (RFC 2046) that is made while it is sent: of each part no more is held than the
 * chunk that is being written.
 */
export function multipart(
  subtype: 'mixed' | 'related',
  parts: Iterable<Part> | AsyncIterable<Part>,
): Multipart {
  const boundary = randomBytes(BOUNDARY_BYTES).toString('hex');
  return {
    contentType: `multipart/${subtype}; boundary="${boundary}"`,
    chunks: write(parts, boundary),
  };
}

async function* write(
  parts: Iterable<Part> | AsyncIterable<Part>,
  boundary: string,
): AsyncGenerator<string | Uint8Array> {
  for await (const { headers, body } of parts) {
    let head = `--${boundary}\r\n`;
    for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
    head += '\r\n';
    if (typeof body === 'string') {
      yield `${head}${body}\r\n`;
      continue;
    }
    yield head;
    yield* body;
    yield '\r\n';
  }
  yield `--${boundary}--\r\n`;
}

/** A part that tells an error instead of a document. */
export function errorPart(error: Readonly<Record<string, unknown>>): Part {
  const headers = { 'Content-Type': 'application/json; error="true"' };
  return { headers, body: JSON.stringify(error) };
}
