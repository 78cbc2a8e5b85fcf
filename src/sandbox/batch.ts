import type { QueuedCall } from './call-queue.ts';
import type { ChildContents } from './child-contents.ts';
import { ASK_AGAIN, OPERATIONS, type Item } from './wire.ts';

/** Calls on their way to a child, with what the child must be told before. */
export interface Batch {
  readonly items: readonly Item[];
  /** For each item the call for which it is sent. */
  readonly owners: readonly (QueuedCall | undefined)[];
  readonly calls: readonly QueuedCall[];
}

/** Makes a batch; `before` are items that are due for other reasons. */
export function makeBatch(
  calls: readonly QueuedCall[],
  contents: ChildContents,
  before: readonly Item[],
): Batch {
  const items: Item[] = before.length === 0 ? [] : [...before];
  const owners: (QueuedCall | undefined)[] = items.map(() => undefined);
  for (const call of calls) {
    const { record, input } = call;
    const slot = contents.functionSlot(record, items);
    if (input !== undefined) {
      const extra = contents.writerSlot(record, input.writer, items);
      const texts = [input.doc, input.oldDoc ?? 'null', input.meta];
      items.push({ operation: OPERATIONS.call, slot, extra, texts });
    }
    while (owners.length < items.length) owners.push(call);
  }
  return { items, owners, calls };
}

/**
 * Gives each call its answer. Returns the calls that must be asked again, and forgets functions
 * that did not compile, by items that are due before the next batch.
 */
export function deliver(
  batch: Batch,
  answers: readonly string[],
  contents: ChildContents,
): { readonly again: readonly QueuedCall[]; readonly due: readonly Item[] } {
  const again: QueuedCall[] = [];
  const due: Item[] = [];
  batch.items.forEach(({ operation }, index) => {
    const owner = batch.owners[index];
    const answer = answers[index];
    if (owner === undefined || answer === undefined) return;
    if (operation === OPERATIONS.define) {
      if (answer !== COMPILED) contents.forget(owner.record.id, due);
      if (owner.input === undefined) owner.resolve(answer);
    } else if (operation === OPERATIONS.call) {
      if (answer === ASK_AGAIN) again.push(owner);
      else owner.resolve(answer);
    }
  });
  return { again, due };
}

/** The answer to a definition that succeeded. */
export const COMPILED = '{}';
