import type { CollectionId, Grant } from '../../bucket/bucket.ts';
import type { DocId } from '../../document/types.ts';
import { SAMPLES_MAX } from './samples.ts';
import type { DocumentGroup, Refusal, StepFindings } from './step-findings.ts';

/** What a plan found out of one document. */
export interface PlannedDocument {
  readonly id: DocId;
  readonly deleted: boolean;
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** What it would grant. */
  readonly grants: readonly Grant[];
  /** Why the new function refuses it; undefined: it does not. */
  readonly refused: string | undefined;
}

const REFUSED_MAX = 100;
const REASON_CHARS_MAX = 500;

/** Gathers the documents of a step. */
export class GatheredStep {
  /** About how long the text of it is. */
  chars = 0;
  readonly #groups = new Map<string, { group: DocumentGroup; count: number; ids: string[] }>();
  readonly #grants = new Map<string, Grant>();
  readonly #refused: Refusal[] = [];
  #refusedCount = 0;

  add(document: PlannedDocument): void {
    if (!document.deleted) this.#addToGroup(document);
    for (const grant of document.grants) {
      const key = JSON.stringify(grant);
      if (this.#grants.has(key)) continue;
      this.#grants.set(key, grant);
      this.chars += key.length;
    }
    if (document.refused === undefined) return;
    this.#refusedCount++;
    if (this.#refused.length >= REFUSED_MAX) return;
    const reason = document.refused.slice(0, REASON_CHARS_MAX);
    this.#refused.push({ id: document.id, reason });
    this.chars += document.id.length + reason.length;
  }

  findings(collection: string, collectionId: CollectionId): StepFindings {
    return {
      collection,
      collectionId,
      groups: Array.from(this.#groups.values(), ({ group, count, ids }) => ({
        ...group,
        count,
        ids,
      })),
      grants: [...this.#grants.values()],
      refusedCount: this.#refusedCount,
      refused: this.#refused,
    };
  }

  #addToGroup({ id, before, after }: PlannedDocument): void {
    const sorted = { before: before.toSorted(), after: after.toSorted() };
    const key = JSON.stringify(sorted);
    const known = this.#groups.get(key);
    if (known === undefined) {
      this.#groups.set(key, { group: { ...sorted, count: 1, ids: [] }, count: 1, ids: [id] });
      this.chars += key.length + id.length;
      return;
    }
    known.count++;
    if (known.ids.length >= SAMPLES_MAX) return;
    known.ids.push(id);
    this.chars += id.length;
  }
}
