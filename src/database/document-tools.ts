import { BATCH_MAX, FLAG } from '../bucket/bucket.ts';
import type { ChannelRow } from '../bucket/bucket.ts';
import type { ChangeCache } from '../changes/change-cache.ts';
import { ALL_CHANNELS } from '../channels/channel-name.ts';
import { parseDocId } from '../document/doc-id.ts';
import { channelEnds } from '../document/raw-metadata.ts';
import { revisionGraph } from '../document/revision-graph.ts';
import type { DocId, RevId, Sequence } from '../document/types.ts';
import { sequence } from '../document/types.ts';
import type { Principals } from '../principals/principals.ts';
import type { CollectionContext } from './collection-context.ts';
import { compactChannelHistory } from './compact-channel-history.ts';
import type { CurrentDocument } from './current-document.ts';
import { DesignDocuments } from './design-documents.ts';
import { loadVisible } from './load-imported.ts';
import type {
  FilterDryRun,
  FilterDryRunRequest,
  SyncDryRun,
  SyncDryRunRequest,
} from './dry-run.ts';
import { dryRunFilter, dryRunSyncFunction } from './dry-run.ts';
import type { ExplainRequest } from './explain.ts';
import { explain } from './explain.ts';
import type { Explanation } from './explanation.ts';
import { purgeDocuments } from './purge-documents.ts';
import { rawDocument } from './raw-document.ts';
import type { RawOptions } from './raw-document.ts';

/** A document that is in a channel, or left it. */
export interface ChannelEntry {
  readonly seq: Sequence;
  readonly id: DocId;
  readonly rev: RevId;
  readonly states: readonly ('left' | 'deleted' | 'conflict')[];
}

/** What administrators do with single documents of a collection, and what they look at. */
export class DocumentTools {
  readonly designs: DesignDocuments;
  readonly #context: CollectionContext;
  readonly #cache: ChangeCache;

  constructor(context: CollectionContext, cache: ChangeCache) {
    this.#context = context;
    this.#cache = cache;
    this.designs = new DesignDocuments(context.bucket, context.id, context.database);
  }

  /** See `purgeDocuments`. */
  async purge(ids: readonly string[], signal: AbortSignal): Promise<readonly DocId[]> {
    return purgeDocuments(this.#context, this.#cache, { ids, signal });
  }

  /** See `rawDocument`. */
  async raw(id: string, options: RawOptions): Promise<string> {
    return rawDocument(this.#context, parseDocId(id), options);
  }

  /** The revision tree as text for Graphviz. Throws `missing`. */
  async revisionGraph(id: string): Promise<string> {
    const { metadata } = await this.#load(id);
    return revisionGraph(metadata.tree);
  }

  /** When the document left which channels. Throws `missing`. */
  async channelHistory(id: string): Promise<ReadonlyMap<string, readonly Sequence[]>> {
    const { metadata } = await this.#load(id);
    return channelEnds(metadata);
  }

  /** See `compactChannelHistory`. */
  async compactChannelHistory(id: string): Promise<void> {
    await compactChannelHistory(this.#context, parseDocId(id));
  }

  /** See `explain`. */
  async explain(principals: Principals, request: ExplainRequest): Promise<Explanation> {
    return explain(this.#context, principals, request);
  }

  /** See `dryRunSyncFunction`. */
  async dryRunSyncFunction(request: SyncDryRunRequest): Promise<SyncDryRun> {
    return dryRunSyncFunction(this.#context, request);
  }

  /** See `dryRunFilter`. */
  async dryRunFilter(request: FilterDryRunRequest): Promise<FilterDryRun> {
    return dryRunFilter(this.#context, request);
  }

  /** The entries of a channel after a sequence, in pages: documents in it, and what left it. */
  async *channelEntries(
    channel: string,
    since: number,
    signal: AbortSignal,
  ): AsyncGenerator<readonly ChannelEntry[]> {
    const { bucket, id: collection } = this.#context;
    for (let after = sequence(since); ;) {
      signal.throwIfAborted();
      const page = await bucket.readChannels({
        collection,
        channels: channel === ALL_CHANNELS ? 'all' : [channel],
        after,
        limit: BATCH_MAX,
        bodies: false,
        branches: false,
      });
      if (page.rows.length > 0) yield page.rows.map(channelEntry);
      if (page.scannedTo <= after || page.scannedTo >= page.lastSequence) return;
      after = page.scannedTo;
    }
  }

  async #load(id: string): Promise<CurrentDocument> {
    return loadVisible(this.#context, parseDocId(id));
  }
}

function channelEntry({ seq, key, rev, flags }: ChannelRow): ChannelEntry {
  const states: ChannelEntry['states'][number][] = [];
  if ((flags & FLAG.removed) !== 0) states.push('left');
  if ((flags & FLAG.deleted) !== 0) states.push('deleted');
  if ((flags & FLAG.conflict) !== 0) states.push('conflict');
  return { seq, id: key, rev, states };
}
