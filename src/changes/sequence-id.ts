import { GatewayError } from '../util/errors.ts';
import { sequence, type Sequence } from '../document/types.ts';

/**
 * A position in a reader's feed (protocol §5.2). Plain: everything up to `seq` has been told. With
 * a trigger: as plain `trigger - 1`, and of what the change at `trigger` opened (a back-fill) or
 * closed (revocations), everything up to `seq` too. So `T:s` stands before plain T and after T - 1.
 */
export interface SequenceId {
  readonly seq: Sequence;
  readonly trigger?: Sequence;
}

const DIGITS = /^[0-9]{1,16}$/;

/** Before everything. */
export const START: SequenceId = { seq: sequence(0) };

/**
 * A client's `since`: a number, or `S`, `T:S`, `L::S`, `L:T:S` as text, also as JSON text in
 * quotes; absent and `` are the start. A position with a low sequence L (one that a gateway with
 * gaps told) goes on at L, where nothing is missed. Throws `badRequest` for anything else. /
 */
export function parseSequenceId(value: unknown): SequenceId {
  if (value === undefined || value === null) return START;
  if (typeof value === 'number') return { seq: toSequence(String(value), value) };
  if (typeof value !== 'string') throw invalid(value);
  const quoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
  const text = quoted ? value.slice(1, -1) : value;
  if (text === '') return START;
  const parts = text.split(':');
  const [first = '', second = '', third = ''] = parts;
  const one = toSequence(first, value);
  if (parts.length === 1) return { seq: one };
  if (parts.length === 2) return withTrigger(one, toSequence(second, value));
  if (parts.length !== 3) throw invalid(value);
  if (second !== '') toSequence(second, value);
  toSequence(third, value);
  return { seq: one };
}

/** As told to clients in JSON: a number, or a string where there is a trigger. */
export function sequenceJson(id: SequenceId): string {
  return id.trigger === undefined ? String(id.seq) : `"${id.trigger}:${id.seq}"`;
}

/** Negative where `a` stands before `b`, 0 where they are one position. */
export function compareSequenceIds(a: SequenceId, b: SequenceId): number {
  // Plain T stands behind every T:s.
  const byTrigger = (a.trigger ?? a.seq) - (b.trigger ?? b.seq);
  if (byTrigger !== 0) return byTrigger;
  if (a.trigger === undefined) return b.trigger === undefined ? 0 : 1;
  return b.trigger === undefined ? -1 : a.seq - b.seq;
}

function withTrigger(trigger: Sequence, seq: Sequence): SequenceId {
  return trigger > 0 ? { seq, trigger } : { seq };
}

function toSequence(text: string, value: unknown): Sequence {
  const number = Number(text);
  if (!DIGITS.test(text) || !Number.isSafeInteger(number)) throw invalid(value);
  return sequence(number);
}

function invalid(value: unknown): GatewayError {
  const shown = typeof value === 'string' ? value.slice(0, 50) : `a value of type ${typeof value}`;
  return new GatewayError(
    'badRequest',
    `The sequence must be a number or text such as "12" or "14:4", not ${shown}`,
  );
}
