import { GatewayError } from '../util/errors.ts';
import type { LogFields } from './log.ts';
import type { RedactionLevel } from './user-data.ts';
import { redacted, UserData } from './user-data.ts';

const DEPTH_MAX = 5;
const ITEMS_MAX = 100;
const TEXT_LENGTH_MAX = 8192;
const CAUSES_MAX = 5;
const SECRETS = new Set([
  'password',
  'authorization',
  'cookie',
  'secret',
  'sessionId',
  'set-cookie',
]);

export interface FieldRules {
  readonly redaction: RedactionLevel;
  readonly hashKey: Uint8Array;
}

/** Fields as they may be written: user data redacted, secrets hidden, everything bounded. */
export function writableFields(fields: LogFields, rules: FieldRules): Record<string, unknown> {
  const writable: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    if (value === undefined) continue;
    writable[name] = SECRETS.has(name) ? 'xxxxx' : writableValue(value, rules, 0);
  }
  return writable;
}

function writableValue(value: unknown, rules: FieldRules, depth: number): unknown {
  if (typeof value === 'string') return clipped(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof UserData) return clipped(redacted(value, rules.redaction, rules.hashKey));
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (depth >= DEPTH_MAX) return '…';
  if (value instanceof Error) return writableError(value, rules, depth);
  if (Array.isArray(value)) {
    const items = value.slice(0, ITEMS_MAX).map((item) => writableValue(item, rules, depth + 1));
    return value.length > ITEMS_MAX ? [...items, `… ${value.length - ITEMS_MAX} more`] : items;
  }
  return writableObject(value, rules, depth);
}

function writableObject(value: object, rules: FieldRules, depth: number): Record<string, unknown> {
  const writable: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value).slice(0, ITEMS_MAX)) {
    writable[name] = SECRETS.has(name) ? 'xxxxx' : writableValue(member, rules, depth + 1);
  }
  return writable;
}

function writableError(error: Error, rules: FieldRules, depth: number): Record<string, unknown> {
  const code = 'code' in error ? error.code : undefined;
  return {
    type: error.name,
    ...(error instanceof GatewayError ? { tag: error.tag } : {}),
    message: clipped(error.message),
    ...(code === undefined ? {} : { code: writableValue(code, rules, depth + 1) }),
    ...(error.stack === undefined ? {} : { stack: clipped(error.stack) }),
    ...(error.cause === undefined || depth >= CAUSES_MAX
      ? {}
      : { cause: writableValue(error.cause, rules, depth + 1) }),
  };
}

function clipped(text: string): string {
  return text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX)}…` : text;
}
