import type { DatabaseSync } from 'node:sqlite';

import type { Cas, DocId, Sequence } from '../../document/types.ts';
import type {
  AccessPrecondition,
  CollectionId,
  Grant,
  PrincipalKey,
  DocumentGrant,
  StoredGrant,
  StoredPrincipal,
} from '../bucket.ts';
import type { RecordKey, RecordRange, StoredRecord } from '../records.ts';
import type { BucketCounters } from './bucket-counters.ts';
import { Query } from './query.ts';
import { isPast } from './record-writer.ts';
import type { ListedPrincipal, PrincipalRange } from '../scan.ts';

/** Databases whose last change of access is remembered; past it the memory starts afresh. */
const DATABASES_REMEMBERED_MAX = 1000;

type PrincipalRow = readonly [value: string | null, seq: Sequence, accessVersion: Sequence];

type GrantRow = readonly [
  principal: PrincipalKey,
  kind: Grant['kind'],
  collection: CollectionId,
  target: string,
  sourceCollection: CollectionId,
  source: string,
  from: Sequence,
  until: Sequence,
  merged: number,
];

/** Reads principals, their grants, and records. */
export class AccessReader {
  readonly #principal: Query<PrincipalRow>;
  readonly #grants: Query<GrantRow>;
  readonly #grantsOf: Query<[database: string, ...GrantRow]>;
  readonly #version: Query<[version: Sequence]>;
  readonly #newestVersion: Query<[version: Sequence | null]>;
  readonly #listed: Query<[principal: PrincipalKey, value: string]>;
  readonly #record: Query<[cas: Cas, expiry: number, value: string]>;
  readonly #records: Query<[id: string, cas: Cas, expiry: number, value: string]>;
  readonly #counters: BucketCounters;
  /** By database, what `lastChange` found when the history ended at `asOf`. */
  readonly #accessChanges = new Map<string, { asOf: Sequence; change: Sequence }>();
  readonly #recordsVersion: Query<[count: number, newest: number | null]>;

  constructor(db: DatabaseSync, counters: BucketCounters) {
    this.#counters = counters;
    const ofPrincipal = 'WHERE database = ? AND principal = ?';
    this.#principal = new Query(
      db,
      `SELECT value, seq, access_version FROM principals ${ofPrincipal}`,
    );
    const columns = `principal, kind, collection, target, source_collection, source,
      from_seq, until_seq, merged`;
    this.#grants = new Query(
      db,
      `SELECT ${columns} FROM grants ${ofPrincipal} ORDER BY from_seq, id`,
    );
    this.#grantsOf = new Query(
      db,
      `SELECT database, ${columns} FROM grants INDEXED BY grants_source
       WHERE source_collection = ? AND source = ? AND until_seq = 0 AND source_collection > 0
       ORDER BY id`,
    );
    this.#version = new Query(db, `SELECT access_version FROM principals ${ofPrincipal}`);
    this.#newestVersion = new Query(
      db,
      'SELECT max(access_version) FROM principals WHERE database = ?',
    );
    this.#listed = new Query(
      db,
      `SELECT principal, value FROM principals
       WHERE database = ? AND principal >= ? AND principal < ? AND value IS NOT NULL
       ORDER BY principal LIMIT abs(?)`,
    );
    this.#record = new Query(
      db,
      'SELECT cas, expiry, value FROM records WHERE kind = ? AND database = ? AND id = ?',
    );
    this.#records = new Query(
      db,
      `SELECT id, cas, expiry, value FROM records
       WHERE kind = ? AND database = ? AND id >= ? AND (expiry = 0 OR expiry > ?)
       ORDER BY id LIMIT abs(?)`,
    );
    this.#recordsVersion = new Query(
      db,
      'SELECT count(*), max(cas) FROM records WHERE kind = ? AND database = ?',
    );
  }

  /** The principal, then the roles that it has or had. Call it in a snapshot. */
  access(database: string, principal: PrincipalKey): readonly StoredPrincipal[] {
    const first = this.#stored(database, principal);
    const roles = new Set<PrincipalKey>();
    for (const { kind, target } of first.grants) if (kind === 'role') roles.add(`role:${target}`);
    roles.delete(principal);
    return [first, ...[...roles].sort().map((role) => this.#stored(database, role))];
  }

  grantsOf(collection: CollectionId, key: DocId): readonly DocumentGrant[] {
    return this.#grantsOf
      .all(collection, key)
      .map(([database, ...grant]) => ({ ...storedGrant(grant), database }));
  }

  list({ database, kind, after, limit }: PrincipalRange): readonly ListedPrincipal[] {
    const start = after === undefined ? `${kind}:` : `${after}\0`;
    // The character after the colon ends the kind.
    return this.#listed
      .all(database, start, `${kind};`, limit)
      .map(([principal, value]) => ({ principal, value }));
  }

  lastChange(database: string, principals: readonly PrincipalKey[] | undefined): Sequence {
    if (principals === undefined) return this.#lastChangeOfAll(database);
    let last = 0 as Sequence;
    for (const principal of principals) {
      const version = this.#version.one(database, principal)?.[0] ?? (0 as Sequence);
      if (version > last) last = version;
    }
    return last;
  }

  /** Each change of access takes a sequence: as long as none was taken, there was none. */
  #lastChangeOfAll(database: string): Sequence {
    const asOf = this.#counters.seq;
    const known = this.#accessChanges.get(database);
    if (known?.asOf === asOf) return known.change;
    const change = this.#newestVersion.one(database)?.[0] ?? (0 as Sequence);
    if (known !== undefined) Object.assign(known, { asOf, change });
    else {
      if (this.#accessChanges.size >= DATABASES_REMEMBERED_MAX) this.#accessChanges.clear();
      this.#accessChanges.set(database, { asOf, change });
    }
    return change;
  }

  /** Whether the rights that the precondition names changed after its time. */
  isStale({ database, principals, asOf }: AccessPrecondition): boolean {
    return this.lastChange(database, principals) > asOf;
  }

  record(key: RecordKey, nowSecs: number): StoredRecord | undefined {
    const row = this.#record.one(key.kind, key.database, key.id);
    if (row === undefined || isPast(row[1], nowSecs)) return undefined;
    const [cas, expiry, value] = row;
    return { key, cas, value, expiry };
  }

  records(range: RecordRange, nowSecs: number): readonly StoredRecord[] {
    const { kind, database, after, limit } = range;
    // The first id after another, in the order of bytes, is that one with a NUL.
    const start = after === undefined ? '' : `${after}\0`;
    return this.#records
      .all(kind, database, start, nowSecs, limit)
      .map(([id, cas, expiry, value]) => ({ key: { kind, database, id }, cas, value, expiry }));
  }

  /** The CAS of a new record is the greatest that there ever was. */
  recordsVersion({ kind, database }: Pick<RecordRange, 'kind' | 'database'>): string {
    const [count, newest] = this.#recordsVersion.one(kind, database) ?? [0, null];
    return `${count} ${newest ?? 0}`;
  }

  #stored(database: string, principal: PrincipalKey): StoredPrincipal {
    const row = this.#principal.one(database, principal);
    const [value, seq, accessVersion] = row ?? [null, 0 as Sequence, 0 as Sequence];
    return {
      principal,
      record: value === null ? undefined : { value, cas: seq as number as Cas, seq },
      accessVersion,
      grants: this.#grants.all(database, principal).map(storedGrant),
    };
  }
}

function storedGrant(row: GrantRow): StoredGrant {
  const [principal, kind, collection, target, sourceCollection, source, from, until, merged] = row;
  const grant = { principal, kind, collection, target, sourceCollection, source, from, until };
  return merged === 0 ? grant : { ...grant, merged: true };
}
