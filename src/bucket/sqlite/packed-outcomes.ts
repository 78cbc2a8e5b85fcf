import { must } from '../../util/assert.ts';
import type { Cas, Sequence } from '../../document/types.ts';
import type { CommitResult } from '../bucket.ts';
import type { WireOutcome } from './writer-messages.ts';

/** The outcomes of calls on their way back: see `packed-changes.ts`. */
export type PackedOutcomes = readonly [
  /** Objects are named by their place, from 1. */
  numbers: readonly number[],
  /** Results that are not ok, and failures of calls. */
  objects: readonly object[],
];

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
  return [numbers, objects];
}

/** What was packed. */
export function unpackOutcomes(packed: PackedOutcomes): readonly WireOutcome[] {
  const unpacker = new Unpacker(packed);
  const outcomes: WireOutcome[] = [];
  for (let left = unpacker.number(); left > 0; left--) outcomes.push(unpacker.outcome());
  return outcomes;
}

class Unpacker {
  readonly #numbers: PackedOutcomes[0];
  readonly #objects: PackedOutcomes[1];
  #at = 0;

  constructor([numbers, objects]: PackedOutcomes) {
    this.#numbers = numbers;
    this.#objects = objects;
  }

  number(): number {
    return must(this.#numbers[this.#at++], 'as many numbers as were packed');
  }

  outcome(): WireOutcome {
    const length = this.number();
    if (length === FAILED) return this.#object(this.number()) as WireOutcome;
    const results: CommitResult[] = [];
    for (let left = length; left > 0; left--) results.push(this.#result());
    return { results };
  }

  #result(): CommitResult {
    const place = this.number();
    if (place !== OK) return this.#object(place) as CommitResult;
    return { ok: true, cas: this.number() as Cas, seq: this.number() as Sequence };
  }

  #object(place: number): object {
    return must(this.#objects[place - 1], 'it was packed');
  }
}
