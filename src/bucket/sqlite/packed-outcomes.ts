import { must } from '../../util/assert.ts';
import type { Cas, Sequence } from '../../document/types.ts';
import type { CommitResult } from '../bucket.ts';
import type { WireOutcome } from './writer-messages.ts';

/** The outcomes of calls on their way back: see `packed-changes.ts`. */
export interface PackedOutcomes {
  /** Objects are named by their place, from 1. */
  readonly numbers: readonly number[];
  /** Results that are not ok, and failures of calls. */
  readonly objects: readonly object[];
}

const OK = 0;
/** In place of how many results a call has. */
const FAILED = -1;

export function packOutcomes(outcomes: readonly WireOutcome[]): PackedOutcomes {
  const numbers: number[] = [outcomes.length];
  const objects: object[] = [];
  for (const outcome of outcomes) {
    if ('failure' in outcome) {
      numbers.push(FAILED, objects.push(outcome));
      continue;
    }
    numbers.push(outcome.results.length);
    for (const result of outcome.results) {
      if (result.ok) numbers.push(OK, result.cas, result.seq);
      else numbers.push(objects.push(result));
    }
  }
  return { numbers, objects };
}

/** What was packed. */
export function unpackOutcomes({ numbers, objects }: PackedOutcomes): readonly WireOutcome[] {
  let at = 0;
  const next = (): number => must(numbers[at++], 'as many numbers as were packed');
  const object = (place: number): object => must(objects[place - 1], 'it was packed');
  const result = (): CommitResult => {
    const place = next();
    if (place !== OK) return object(place) as CommitResult;
    return { ok: true, cas: next() as Cas, seq: next() as Sequence };
  };
  return Array.from({ length: next() }, (): WireOutcome => {
    const length = next();
    if (length === FAILED) return object(next()) as WireOutcome;
    return { results: Array.from({ length }, result) };
  });
}
