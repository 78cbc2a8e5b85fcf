import type { Mutation } from '../bucket/bucket.ts';
import type { CollectionContext } from '../database/collection-context.ts';
import { loadDocument, revisionBody } from '../database/current-document.ts';
import type { ServingDatabase } from '../database/companion.ts';
import type { DocId, RevId, Sequence } from '../document/types.ts';
import type { LaneTask } from './document-lanes.ts';
import { deliveryId, documentEventBody } from './event-body.ts';
import type { OutgoingEvent } from './webhook.ts';

/** A change of a document that is to be told. */
export interface DocumentTask extends LaneTask {
  readonly seq: Sequence;
  readonly context: CollectionContext;
  /** `db.scope.collection` */
  readonly keyspace: string;
  readonly doc: DocId;
  /** The winner at that sequence. */
  readonly rev: RevId;
  /** What was committed since the last look at the history came at this Unix second or later. */
  readonly sinceSecs: number | undefined;
  /** Whether changes between may have been passed over: superseded before they were read. */
  readonly isGapBefore: boolean;
  /** What was written up to there, superseded or not, was read before it. */
  readonly coveredUpTo: Sequence;
}

/** From the mutations of a bucket to those of a database's documents. */
export class TaskMaker {
  readonly #collections: ReadonlyMap<
    number,
    { readonly keyspace: string; readonly context: CollectionContext }
  >;

  constructor({ name, collections }: Pick<ServingDatabase, 'name' | 'collections'>) {
    this.#collections = new Map(
      Array.from(collections, ([fullName, context]) => [
        context.id,
        { keyspace: `${name}.${fullName}`, context },
      ]),
    );
  }

  /** Undefined for what is no document of this database. */
  make(
    mutation: Mutation,
    read: Pick<DocumentTask, 'sinceSecs' | 'isGapBefore' | 'coveredUpTo'>,
  ): DocumentTask | undefined {
    if (mutation.kind !== 'document') return undefined;
    const collection = this.#collections.get(mutation.collection);
    if (collection === undefined) return undefined;
    const { seq, key: doc, rev } = mutation;
    return { ...collection, ...read, seq, doc, rev, lane: `${mutation.collection} ${doc}` };
  }
}

/** The event of one revision; its body is loaded for each attempt. */
export function documentEvent(
  handler: { readonly id: string },
  { keyspace, doc, seq }: DocumentTask,
  rev: RevId,
): Omit<OutgoingEvent, 'body'> {
  const id = deliveryId('document_changed', handler.id, keyspace, doc, rev);
  return { id, name: 'document_changed', keyspace, seq };
}

/** Its body; undefined where the revision is gone or its body is not kept any more. */
export async function documentText(
  { context, doc }: Pick<DocumentTask, 'context' | 'doc'>,
  rev: RevId,
): Promise<string | undefined> {
  const current = await loadDocument(context, doc);
  const revision = current?.metadata.tree.get(rev);
  if (current === undefined || revision === undefined) return undefined;
  const content = await revisionBody(context, current, rev);
  return content && documentEventBody(doc, revision, content);
}
