import type { StoredDocument } from '../../bucket/bucket.ts';
import { FLAG } from '../../bucket/bucket.ts';
import type { CollectionContext } from '../../database/collection-context.ts';
import type { CurrentDocument } from '../../database/current-document.ts';
import { currentDocument } from '../../database/current-document.ts';
import { presentChannels } from '../../document/channel-state.ts';
import { must } from '../../util/assert.ts';
import { isGatewayError } from '../../util/errors.ts';
import { nextDocuments } from '../resync/next-documents.ts';
import { routingOf } from '../resync/reroute.ts';
import type { TaskPart } from '../task-state.ts';
import type { TaskItem, TaskStep, TaskWork } from '../task-work.ts';
import type { PlannedDocument } from './gathered-step.ts';
import { GatheredStep } from './gathered-step.ts';
import { findingsChange } from './step-findings.ts';

/** Calls of the sync function at a time; writers wait behind so many. */
const CALLS_AT_ONCE = 100;
/** What a step found out is one record: the step ends with the calls that bring it to so much. */
const FINDINGS_CHARS_MAX = 4 * 1024 * 1024;

interface Looked {
  readonly item: TaskItem;
  readonly planned?: PlannedDocument;
}

/** Looks where functions would put documents, and leaves them where they are. */
export class PlanWork implements TaskWork {
  readonly #contexts: ReadonlyMap<string, CollectionContext>;

  constructor(contexts: ReadonlyMap<string, CollectionContext>) {
    this.#contexts = contexts;
  }

  async read(part: TaskPart, limit: number): Promise<TaskStep> {
    const context = must(this.#contexts.get(part.collection), 'the parts are of its collections');
    const page = await nextDocuments(context, part, limit);
    const items: TaskItem[] = [];
    const gathered = new GatheredStep();
    let at = 0;
    while (at < page.length && gathered.chars < FINDINGS_CHARS_MAX) {
      const some = page.slice(at, at + CALLS_AT_ONCE);
      at += some.length;
      for (const looked of await Promise.all(some.map((stored) => look(context, stored)))) {
        if (looked === undefined) continue;
        items.push(looked.item);
        if (looked.planned !== undefined) gathered.add(looked.planned);
      }
    }
    const { processed } = part.counts;
    return {
      items,
      last: page[at - 1]?.key,
      records: (partId) =>
        items.length === 0
          ? []
          : [
              findingsChange(
                context.database,
                { partId, processed },
                gathered.findings(part.collection, context.id),
              ),
            ],
    };
  }
}

/** Undefined for what no gateway has taken in yet. */
async function look(
  context: CollectionContext,
  stored: StoredDocument,
): Promise<Looked | undefined> {
  const { key, metadata } = stored;
  if (metadata === undefined) return undefined;
  const current = currentDocument(stored, metadata);
  // What a stranger wrote over it is left to its import, as by a resync.
  if (stored.cas !== metadata.cas)
    return { item: { key }, planned: await asItIs(context, current) };
  try {
    const isBranched = (metadata.flags & FLAG.branched) !== 0;
    const { verdict, stays } = await routingOf(context, current, { isBranched });
    return {
      item: { key, wouldChange: !stays },
      planned: {
        id: key,
        deleted: current.deleted,
        before: presentChannels(current.metadata),
        after: verdict.channels,
        grants: verdict.grants,
        refused: verdict.refused,
      },
    };
  } catch (cause) {
    if (!isGatewayError(cause, 'functionFailed', 'corrupt')) throw cause;
    return { item: { key, error: cause.message }, planned: await asItIs(context, current) };
  }
}

/** It keeps its channels and grants. */
async function asItIs(
  { bucket, id }: CollectionContext,
  { key, deleted, metadata }: CurrentDocument,
): Promise<PlannedDocument> {
  const channels = presentChannels(metadata);
  const grants = metadata.grantsPresent ? await bucket.grantsOf(id, key) : [];
  return {
    id: key,
    deleted,
    before: channels,
    after: channels,
    grants: grants.map(({ principal, kind, collection, target }) => ({
      principal,
      kind,
      collection,
      target,
    })),
    refused: undefined,
  };
}
