import type { ErrorTag } from '../src/util/errors.ts';
import { isGatewayError } from '../src/util/errors.ts';

/** What a parser gave, or the error that it told; everything else that it throws is a crash. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T; readonly kind: string }
  | { readonly ok: false; readonly kind: string };

/** `tags`: what this parser may tell. */
export function outcomeOf<T>(parse: () => T, ...tags: readonly ErrorTag[]): Outcome<T> {
  try {
    return { ok: true, value: parse(), kind: 'taken' };
  } catch (cause) {
    return { ok: false, kind: refusal(cause, tags) };
  }
}

/** The kind of an error that may be told; throws any other. */
export function refusal(cause: unknown, tags: readonly ErrorTag[]): string {
  if (!isGatewayError(cause, ...tags)) throw cause;
  // Without what it repeats of the input: that is no kind of its own.
  const message = cause.message.replace(/, not .*/s, '').replaceAll(/["'`].*["'`]|\d+/gs, '#');
  return `${cause.tag}: ${message.slice(0, 100)}`;
}
