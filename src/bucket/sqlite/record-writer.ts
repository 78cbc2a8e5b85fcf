import type { DatabaseSync } from 'node:sqlite';

import type { Cas, Sequence } from '../../document/types.ts';
import type { AccessPrecondition, CommitResult, Judgement, RecordChange } from '../bucket.ts';
import type { PrincipalChange } from '../principal-change.ts';
import type { RecordKey } from '../records.ts';
import { accessKey, type GrantWriter } from './grant-writer.ts';
import type { LeaseWriter } from './lease-writer.ts';
import { Query } from './query.ts';
import { nextRecordCas, nextSequence, type Transaction } from './transaction.ts';

/** Writes records and principals, and checks the preconditions that are about them. */
export class RecordWriter {
  readonly #grants: GrantWriter;
  readonly #leases: LeaseWriter;
  readonly #record: Query<[cas: Cas, expiry: number]>;
  readonly #putRecord: Query;
  readonly #deleteRecord: Query;
  readonly #principal: Query<[seq: Cas, exists: number]>;
  readonly #putPrincipal: Query;
  readonly #accessVersion: Query<[version: Sequence]>;

  constructor(db: DatabaseSync, grants: GrantWriter, leases: LeaseWriter) {
    this.#grants = grants;
    this.#leases = leases;
    const where = 'WHERE kind = ? AND database = ? AND id = ?';
    this.#record = new Query(db, `SELECT cas, expiry FROM records ${where}`);
    this.#putRecord = new Query(
      db,
      `INSERT INTO records (kind, database, id, cas, expiry, value) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (kind, database, id) DO UPDATE
       SET cas = excluded.cas, expiry = excluded.expiry, value = excluded.value`,
    );
    this.#deleteRecord = new Query(db, `DELETE FROM records ${where}`);
    this.#principal = new Query(
      db,
      'SELECT seq, value IS NOT NULL FROM principals WHERE database = ? AND principal = ?',
    );
    this.#putPrincipal = new Query(
      db,
      `INSERT INTO principals (database, principal, value, seq, access_version)
       VALUES (?1, ?2, ?3, ?4, ?4)
       ON CONFLICT (database, principal) DO UPDATE SET value = ?3, seq = ?4, access_version = ?4`,
    );
    this.#accessVersion = new Query(
      db,
      'SELECT access_version FROM principals WHERE database = ? AND principal = ?',
    );
  }

  /** The first precondition that does not hold; undefined where all do. */
  judge(tx: Transaction, judgement: Judgement): 'lease' | 'function' | 'access' | undefined {
    const { function: judged, access, lease } = judgement;
    if (lease !== undefined && !this.#leases.holds(lease)) return 'lease';
    if (judged !== undefined && this.#casOf(tx, judged.record) !== judged.cas) return 'function';
    if (access !== undefined && this.#accessChanged(tx, access)) return 'access';
    return undefined;
  }

  applyRecord(tx: Transaction, change: RecordChange): CommitResult {
    const { kind, database, id } = change.record;
    const actualCas = this.#casOf(tx, change.record);
    if (change.ifCas !== undefined && change.ifCas !== actualCas) {
      return { ok: false, failed: 'cas', actualCas };
    }
    const { ifRecord, lease } = change;
    if (lease !== undefined && !this.#leases.holds(lease)) return { ok: false, failed: 'lease' };
    if (ifRecord !== undefined && this.#casOf(tx, ifRecord.record) !== ifRecord.cas) {
      return { ok: false, failed: 'record' };
    }
    const cas = nextRecordCas(tx);
    if (change.value === null) this.#deleteRecord.write(kind, database, id);
    else this.#putRecord.write(kind, database, id, cas, change.expiry, change.value);
    const state = change.value === null || isPast(change.expiry, tx.nowSecs) ? 'absent' : cas;
    tx.records.set(recordKey(change.record), state);
    tx.lastRecord = undefined;
    return { ok: true, cas, seq: 0 as Sequence };
  }

  applyPrincipal(tx: Transaction, change: PrincipalChange): CommitResult {
    const { database, principal, value } = change;
    const row = this.#principal.one(database, principal);
    const actualCas = row === undefined || row[1] === 0 ? 'absent' : row[0];
    if (change.ifCas !== actualCas) return { ok: false, failed: 'cas', actualCas };
    const seq = nextSequence(tx);
    this.#putPrincipal.write(database, principal, value, seq);
    tx.accessVersions.set(accessKey(database, principal), seq);
    this.#grants.replaceOfAdministrator(tx, change, seq);
    this.#grants.replaceOfClaims(tx, change, seq);
    return { ok: true, cas: seq as number as Cas, seq };
  }

  #casOf(tx: Transaction, record: RecordKey): Cas | 'absent' {
    if (tx.lastRecord?.key === record) return tx.lastRecord.cas;
    const key = recordKey(record);
    let cas = tx.records.get(key);
    if (cas === undefined) {
      const row = this.#record.one(record.kind, record.database, record.id);
      cas = row === undefined || isPast(row[1], tx.nowSecs) ? 'absent' : row[0];
      tx.records.set(key, cas);
    }
    tx.lastRecord = { key: record, cas };
    return cas;
  }

  #accessChanged(tx: Transaction, access: AccessPrecondition): boolean {
    return access.principals.some((principal) => {
      const key = accessKey(access.database, principal);
      let version = tx.accessVersions.get(key);
      if (version === undefined) {
        version = this.#accessVersion.one(access.database, principal)?.[0] ?? (0 as Sequence);
        tx.accessVersions.set(key, version);
      }
      return version > access.asOf;
    });
  }
}

/** Whether an expiry (Unix seconds, 0 for none) has passed. */
export function isPast(expiry: number, nowSecs: number): boolean {
  return expiry > 0 && expiry <= nowSecs;
}

function recordKey(record: RecordKey): string {
  return JSON.stringify([record.kind, record.database, record.id]);
}
