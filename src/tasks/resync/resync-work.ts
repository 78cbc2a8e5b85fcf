import type { StoredDocument } from '../../bucket/bucket.ts';
import { FLAG } from '../../bucket/bucket.ts';
import type { CollectionContext } from '../../database/collection-context.ts';
import { currentDocument } from '../../database/current-document.ts';
import { documentResynced } from '../../observability/events.ts';
import { must } from '../../util/assert.ts';
import { isGatewayError } from '../../util/errors.ts';
import type { TaskPart } from '../task-state.ts';
import type { TaskItem, TaskStep, TaskWork } from '../task-work.ts';
import { nextDocuments } from './next-documents.ts';
import { reroute, withoutFormerGrants } from './reroute.ts';

/** Calls of the sync function at a time; writers of other databases wait behind so many. */
const CALLS_AT_ONCE = 250;

/** Past one document in a hundred that breaks the function is to blame, not the document. */
const BROKEN_MAX = { share: 0.01, from: 100 };

/** Runs documents through the sync functions of their collections. */
export class ResyncWork implements TaskWork {
  readonly brokenMax = BROKEN_MAX;
  readonly #contexts: ReadonlyMap<string, CollectionContext>;
  readonly #always: boolean;

  /** `always`: each is written, be it as it was. */
  constructor(
    contexts: ReadonlyMap<string, CollectionContext>,
    { always }: { readonly always: boolean },
  ) {
    this.#contexts = contexts;
    this.#always = always;
  }

  async read(part: TaskPart, limit: number): Promise<TaskStep> {
    const context = must(this.#contexts.get(part.collection), 'the parts are of its collections');
    const { record, cas } = context.syncFunction.now;
    const page = await nextDocuments(context, part, limit);
    const items: TaskItem[] = [];
    for (let at = 0; at < page.length; at += CALLS_AT_ONCE) {
      const some = page.slice(at, at + CALLS_AT_ONCE);
      for (const item of await Promise.all(some.map((stored) => this.#item(context, stored))))
        if (item !== undefined) items.push(item);
    }
    return {
      items,
      last: page.at(-1)?.key,
      judgement: { function: { record, cas } },
      committed: (written) => tellResynced(context, written),
    };
  }

  /** Undefined for what no gateway has taken in yet. */
  async #item(context: CollectionContext, stored: StoredDocument): Promise<TaskItem | undefined> {
    const { key, metadata } = stored;
    if (metadata === undefined) return undefined;
    // What a stranger wrote over it is routed when it is imported, by the same function.
    if (stored.cas !== metadata.cas) return { key };
    const { flags } = metadata;
    const isBranched = (flags & FLAG.branched) !== 0;
    try {
      const current = currentDocument(stored, metadata);
      try {
        const options = { flags, isBranched, always: this.#always };
        const change = await reroute(context, current, options);
        return change === undefined ? { key } : { key, change };
      } catch (cause) {
        if (!isGatewayError(cause, 'functionFailed')) throw cause;
        const change = await withoutFormerGrants(context, current, flags);
        return { key, error: cause.message, ...(change && { change }) };
      }
    } catch (cause) {
      if (!isGatewayError(cause, 'corrupt')) throw cause;
      return { key, error: cause.message };
    }
  }
}

function tellResynced({ observer }: CollectionContext, items: readonly TaskItem[]): void {
  for (const { key: id, change } of items)
    if (change?.kind === 'document') documentResynced(observer, { id, rev: change.rev });
}
