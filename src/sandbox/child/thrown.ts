import type { Limits } from '../limits.ts';

/** What a call ended with, where it did not return: a rejection, or a failure of the function. */
export interface Thrown {
  /** The rejection: its kind and reason. */
  x?: readonly ['forbidden' | 'unauthorized', string];
  /** The failure: message, and place in the administrator's source, zeros where it is unknown. */
  f?: readonly [message: string, line: number, column: number];
}

/**
 * Describes what was thrown. The value is the function's, so every look at it may run more of its
 * code: a throw while looking is a failure too.
 *
 * NOTE: the text of these functions is run in the child (`program-text.ts`).
 */
export function describeThrown(thrown: unknown, limits: Limits): Thrown {
  try {
    if (typeof thrown !== 'object' || thrown === null) return { f: [textOf(thrown, limits), 0, 0] };
    const { forbidden, unauthorized } = thrown as { forbidden?: unknown; unauthorized?: unknown };
    if (forbidden !== undefined) return { x: ['forbidden', textOf(forbidden, limits)] };
    if (unauthorized !== undefined) return { x: ['unauthorized', textOf(unauthorized, limits)] };
    const { name, message, stack } = thrown as {
      name?: unknown;
      message?: unknown;
      stack?: unknown;
    };
    const [line, column] = positionIn(stack);
    if (typeof message !== 'string') return { f: [textOf(thrown, limits), line, column] };
    const text = typeof name === 'string' && name !== '' ? `${name}: ${message}` : message;
    return { f: [text.slice(0, limits.reasonChars), line, column] };
  } catch {
    return { f: ['threw something that cannot be described', 0, 0] };
  }
}

/** A value as text for a log line, a reason or a message. May throw what the value throws. */
export function textOf(value: unknown, limits: Limits): string {
  const text =
    typeof value === 'object' && value !== null && !(value instanceof Error)
      ? (JSON.stringify(value) as string | undefined)
      : String(value);
  return (text ?? 'undefined').slice(0, limits.reasonChars);
}

/** The first place in the administrator's source that a stack names; zeros where it names none. */
export function positionIn(stack: unknown): readonly [line: number, column: number] {
  if (typeof stack !== 'string') return [0, 0];
  const found = /sync-function:(\d{1,9}):(\d{1,9})/.exec(stack.slice(0, 10_000));
  return found === null ? [0, 0] : [Number(found[1]), Number(found[2])];
}
