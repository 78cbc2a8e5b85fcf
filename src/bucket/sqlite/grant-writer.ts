import type { DatabaseSync } from 'node:sqlite';

import { mergedHistory, type HistoryGrant } from '../../channels/merged-history.ts';
import type { Sequence } from '../../document/types.ts';
import type { CollectionId, Grant, PrincipalKey } from '../bucket.ts';
import type { PrincipalChange } from '../principal-change.ts';
import type { GrantHistoryChange } from '../upkeep.ts';
import { Query } from './query.ts';
import { nextSequence, type Transaction } from './transaction.ts';

type GrantRow = readonly [
  id: number,
  database: string,
  principal: PrincipalKey,
  kind: string,
  collection: number,
  target: string,
  source: string,
];

type HistoryRow = readonly [
  id: number,
  from: Sequence,
  until: Sequence,
  merged: number,
  kind: string,
  collection: number,
  target: string,
];

const COLUMNS = 'id, database, principal, kind, collection, target, source';

/** What a document makes others have, in one database. */
interface DocumentGrants {
  readonly database: string;
  readonly grants: readonly Grant[];
  readonly sourceCollection: CollectionId;
  readonly source: string;
}

/**
 * Keeps the grants: a grant is never changed, it begins at one sequence and ends at another. Each
 * principal whose grants begin or end here gets this sequence as its access version.
 */
export class GrantWriter {
  readonly #bySource: Query<GrantRow>;
  readonly #byAdministrator: Query<GrantRow>;
  readonly #byClaims: Query<GrantRow>;
  readonly #insert: Query;
  readonly #end: Query;
  readonly #history: Query<HistoryRow>;
  readonly #forgetEnded: Query;
  readonly #merge: Query;
  readonly #remove: Query;
  readonly #touch: Query;

  constructor(db: DatabaseSync) {
    this.#bySource = new Query(
      db,
      `SELECT ${COLUMNS} FROM grants INDEXED BY grants_source
       WHERE source_collection = ? AND source = ? AND until_seq = 0 AND source_collection > 0`,
    );
    const ofNoDocument = `SELECT ${COLUMNS} FROM grants
       WHERE database = ? AND principal = ? AND source_collection = 0 AND until_seq = 0`;
    this.#byAdministrator = new Query(db, `${ofNoDocument} AND source = ''`);
    this.#byClaims = new Query(db, `${ofNoDocument} AND source <> ''`);
    this.#insert = new Query(
      db,
      `INSERT INTO grants (database, principal, kind, collection, target,
         source_collection, source, from_seq, until_seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)`,
    );
    this.#end = new Query(db, 'UPDATE grants SET until_seq = ? WHERE id = ?');
    this.#history = new Query(
      db,
      `SELECT id, from_seq, until_seq, merged, kind, collection, target FROM grants
       WHERE database = ? AND principal = ?`,
    );
    this.#forgetEnded = new Query(
      db,
      'DELETE FROM grants WHERE database = ? AND principal = ? AND until_seq BETWEEN 1 AND ?',
    );
    this.#merge = new Query(db, 'UPDATE grants SET from_seq = ?, merged = ? WHERE id = ?');
    this.#remove = new Query(db, 'DELETE FROM grants WHERE id = ?');
    this.#touch = new Query(
      db,
      `INSERT INTO principals (database, principal, value, seq, access_version)
       VALUES (?1, ?2, NULL, 0, ?3)
       ON CONFLICT (database, principal) DO UPDATE SET access_version = ?3`,
    );
  }

  /** What the document now grants, against what it granted before, in whichever database. */
  replaceOfDocument(tx: Transaction, made: DocumentGrants, seq: Sequence): void {
    const before = this.#bySource.all(made.sourceCollection, made.source);
    this.#replace(tx, { ...made, before, seq });
  }

  /** What the administrator now grants to the principal of the change. */
  replaceOfAdministrator(tx: Transaction, change: PrincipalChange, seq: Sequence): void {
    const { database, principal, grants } = change;
    if (grants.some((grant) => grant.principal !== principal)) {
      throw new Error('bug: an administrator grants to the principal of the change alone');
    }
    const before = this.#byAdministrator.all(database, principal);
    const source = { sourceCollection: 0 as CollectionId, source: '' };
    this.#replace(tx, { database, grants, ...source, before, seq });
  }

  /** What tokens now give to the principal of the change, where it says so. */
  replaceOfClaims(tx: Transaction, change: PrincipalChange, seq: Sequence): void {
    const { database, principal, claimed } = change;
    if (claimed === undefined) return;
    const { issuer, grants } = claimed;
    if (grants.some((grant) => grant.principal !== principal || issuer === '')) {
      throw new Error('bug: an issuer that is named grants to the principal of the change alone');
    }
    const before = this.#byClaims.all(database, principal);
    const source = { sourceCollection: 0 as CollectionId, source: issuer };
    this.#replace(tx, { database, grants, ...source, before, seq });
  }

  /**
   * Ends all grants of a document that is purged. This alone of a purge takes a sequence, so that
   * everyone learns of it; where there were none, none is taken.
   */
  endOfDocument(tx: Transaction, sourceCollection: CollectionId, source: string): void {
    const before = this.#bySource.all(sourceCollection, source);
    if (before.length === 0) return;
    const seq = nextSequence(tx);
    for (const [id, database, principal] of before) {
      this.#end.write(seq, id);
      this.touch(tx, { database, principal }, seq);
    }
  }

  /** See `GrantHistoryChange`. Nobody has more or less by it now: no access version rises. */
  compactHistory({ database, principal, upTo, forgetUpTo }: GrantHistoryChange): void {
    this.#forgetEnded.write(database, principal, forgetUpTo);
    const byTarget = new Map<string, HistoryGrant[]>();
    for (const [id, from, until, merged, ...what] of this.#history.all(database, principal)) {
      const key = JSON.stringify(what);
      const grant = { id, from, until, merged: merged === 1 };
      const same = byTarget.get(key);
      if (same === undefined) byTarget.set(key, [grant]);
      else same.push(grant);
    }
    for (const grants of byTarget.values()) {
      const merged = mergedHistory(grants, upTo);
      if (merged === undefined) continue;
      this.#merge.write(merged.from, merged.merged ? 1 : 0, merged.id);
      for (const id of merged.removed) this.#remove.write(id);
    }
  }

  /** Raises the access version. */
  touch(
    tx: Transaction,
    whom: { readonly database: string; readonly principal: PrincipalKey },
    seq: Sequence,
  ): void {
    const key = accessKey(whom.database, whom.principal);
    if (tx.accessVersions.get(key) === seq) return;
    this.#touch.write(whom.database, whom.principal, seq);
    tx.accessVersions.set(key, seq);
  }

  #replace(
    tx: Transaction,
    made: DocumentGrants & { readonly before: readonly GrantRow[]; readonly seq: Sequence },
  ): void {
    const { database, sourceCollection, source, before, seq } = made;
    const ending = new Map(before.map((row) => [JSON.stringify(row.slice(1)), row] as const));
    const known = new Set(ending.keys());
    for (const { principal, kind, collection, target } of made.grants) {
      const key = JSON.stringify([database, principal, kind, collection, target, source]);
      ending.delete(key);
      if (known.has(key)) continue;
      known.add(key);
      this.#insert.write(
        database,
        principal,
        kind,
        collection,
        target,
        sourceCollection,
        source,
        seq,
      );
      this.touch(tx, { database, principal }, seq);
    }
    for (const [id, of, principal] of ending.values()) {
      this.#end.write(seq, id);
      this.touch(tx, { database: of, principal }, seq);
    }
  }
}

/** The key of `Transaction.accessVersions`. */
export function accessKey(database: string, principal: PrincipalKey): string {
  return JSON.stringify([database, principal]);
}
