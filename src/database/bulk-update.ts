import type { ScannedObject } from '../document/json-scanner.ts';
import { nextTurn } from '../util/next-turn.ts';

/** The outcome of one document of a bulk request. */
export type BulkOutcome =
  | { readonly ok: true; readonly id: string; readonly rev: string }
  | { readonly ok: false; readonly id: string; readonly cause: unknown };

/** How many documents of one request are judged at a time: enough to fill a group commit. */
const AT_ONCE_MAX = 200;
/** After so many others have their turn: what is refused at once waits for nothing else. */
const STEPS_A_TURN = 100;

/**
 * Writes each document, many at a time, those of one id one after the other in the order given. A
 * refused one harms no other; anything that is no refusal ends the request.
 */
export async function updateMany<Outcome>(
  docs: readonly ScannedObject[],
  {
    idOf,
    write,
    signal,
  }: {
    readonly idOf: (doc: ScannedObject) => string;
    readonly write: (doc: ScannedObject, id: string) => Promise<Outcome>;
    readonly signal: AbortSignal;
  },
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const lastOfId = new Map<string, Promise<unknown>>();
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < docs.length) {
      signal.throwIfAborted();
      const index = next++;
      if (next % STEPS_A_TURN === 0) await nextTurn();
      const doc = docs[index];
      if (doc === undefined) return;
      const id = idOf(doc);
      const before = lastOfId.get(id);
      const writing = before === undefined ? write(doc, id) : before.then(() => write(doc, id));
      lastOfId.set(id, writing);
      outcomes[index] = await writing;
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE_MAX, docs.length) }, work));
  return outcomes;
}
