import { createHmac } from 'node:crypto';

/** User data in a log line: names, document ids, channels. Marked where it enters the line. */
export class UserData {
  readonly value: string;

  constructor(value: string) {
    this.value = value;
  }

  /** Wherever a logger that knows nothing of redaction meets it, it is marked. */
  toJSON(): string {
    return `<ud>${this.value}</ud>`;
  }
}

/** How user data stands in a line: as it is, between `<ud>` and `</ud>`, or hashed between them. */
export type RedactionLevel = 'none' | 'partial' | 'full';

export function userData(value: string): UserData {
  return new UserData(value);
}

/** `hashKey` makes hashes that tell which lines speak of the same, and nothing else. */
export function redacted(data: UserData, level: RedactionLevel, hashKey: Uint8Array): string {
  if (level === 'none') return data.value;
  if (level === 'partial') return data.toJSON();
  return `<ud>${createHmac('sha256', hashKey).update(data.value).digest('hex').slice(0, 32)}</ud>`;
}
