import { createHash } from 'node:crypto';

/** A part of a multipart body: its headers, and what is in it. */
export interface SentPart {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export const BOUNDARY = 'a-boundary';
export const RELATED = { 'content-type': `multipart/related; boundary="${BOUNDARY}"` };

/** A whole multipart body. */
export function multipartBody(parts: readonly SentPart[]): Buffer {
  return Buffer.concat([...parts.map(partBytes), Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

/** A document as the first part. */
export function documentPart(document: Readonly<Record<string, unknown>>): SentPart {
  return { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(document) };
}

/** What a document says of an attachment that follows. */
export function follows(content: string | Uint8Array): {
  readonly follows: true;
  readonly length: number;
  readonly digest: string;
} {
  const digest = `sha1-${createHash('sha1').update(content).digest('base64')}`;
  return { follows: true, length: Buffer.byteLength(content), digest };
}

function partBytes({ headers = {}, body }: SentPart): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `--${BOUNDARY}\r\n${lines.join('')}\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.from(body), Buffer.from('\r\n')]);
}
