import assert from 'node:assert/strict';
import type { TestDatabase } from '../helpers/database.ts';
import { request } from '../helpers/http.ts';
import type { DocumentState, StoreState } from './device.ts';

interface Leaf {
  readonly rev: string;
  readonly deleted: boolean;
}

/** What every store should hold once all edits have reached it: a model of revision trees. */
export class RevisionModel {
  readonly #documents = new Map<string, readonly Leaf[]>();

  /** A revision upon `parent`, or a first one. */
  edit(id: string, rev: string, parent?: string): void {
    this.#add(id, { rev, deleted: false }, parent);
  }

  remove(id: string, rev: string, parent: string | undefined): void {
    this.#add(id, { rev, deleted: true }, parent);
  }

  winner(id: string): string {
    return stateOf(this.#leaves(id)).winner;
  }

  conflicts(id: string): readonly string[] {
    return stateOf(this.#leaves(id)).conflicts;
  }

  /** Of all documents, or of these. */
  state(ids: readonly string[] = [...this.#documents.keys()]): StoreState {
    return Object.fromEntries(ids.toSorted().map((id) => [id, stateOf(this.#leaves(id))]));
  }

  #leaves(id: string): readonly Leaf[] {
    return this.#documents.get(id) ?? [];
  }

  #add(id: string, leaf: Leaf, parent: string | undefined): void {
    const others = this.#leaves(id).filter(({ rev }) => rev !== parent);
    this.#documents.set(id, [...others, leaf]);
  }
}

/** What the gateway holds, asked for with plain REST. */
export async function gatewayState({ admin }: TestDatabase): Promise<StoreState> {
  const feed = await request('GET', `${admin}/_changes`);
  const { results } = feed.json as unknown as {
    readonly results: readonly {
      readonly id: string;
      readonly deleted?: boolean;
      readonly changes: readonly [{ readonly rev: string }];
    }[];
  };
  const states = results
    .filter(({ id }) => !id.startsWith('_user/'))
    .map(async ({ id, deleted = false, changes: [{ rev: winner }] }) => {
      const living = await leavesAtGateway(`${admin}/${id}`);
      const state: DocumentState = {
        winner,
        deleted,
        conflicts: revs(living.filter((leaf) => !leaf.deleted && leaf.rev !== winner)),
        leaves: revs(living),
      };
      return [id, state] as const;
    });
  const all = await Promise.all(states);
  return Object.fromEntries(all.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

async function leavesAtGateway(url: string): Promise<readonly Leaf[]> {
  const headers = { accept: 'application/json' };
  const answer = await request('GET', `${url}?open_revs=all`, { headers });
  assert.equal(answer.status, 200, answer.text);
  const leaves = answer.json as unknown as readonly {
    readonly ok: { readonly _rev: string; readonly _deleted?: boolean };
  }[];
  return leaves.map(({ ok: { _rev: rev, _deleted: deleted = false } }) => ({ rev, deleted }));
}

function stateOf(leaves: readonly Leaf[]): DocumentState {
  const [first] = leaves.toSorted(byRank);
  assert.ok(first !== undefined, 'the document is known');
  const living = leaves.filter(({ deleted, rev }) => !deleted && rev !== first.rev);
  return {
    winner: first.rev,
    deleted: first.deleted,
    conflicts: revs(living),
    leaves: revs(leaves),
  };
}

/** The living before the deleted, then the longer branch, then the higher digest. */
function byRank(a: Leaf, b: Leaf): number {
  if (a.deleted !== b.deleted) return a.deleted ? 1 : -1;
  const [generation, digest] = parts(a.rev);
  const [otherGeneration, otherDigest] = parts(b.rev);
  return otherGeneration - generation || (otherDigest > digest ? 1 : -1);
}

function parts(rev: string): readonly [generation: number, digest: string] {
  const [generation = '', digest = ''] = rev.split('-');
  return [Number(generation), digest];
}

function revs(leaves: readonly Leaf[]): readonly string[] {
  return leaves.map(({ rev }) => rev).toSorted();
}
