import type { DatabaseSync } from 'node:sqlite';

import type { Cas, Sequence } from '../../document/types.ts';
import { type CommitResult, type DocumentChange, FLAG } from '../bucket.ts';
import type { HiddenRevision, RejectionChange, TakenChange } from '../foreign-writes.ts';
import type { PurgeChange } from '../purge-change.ts';
import type { DocumentHistoryChange, ReferencesChange } from '../upkeep.ts';
import type { AttachmentWriter } from './attachment-writer.ts';
import type { ChannelIndexWriter } from './channel-index-writer.ts';
import {
  type ChannelList,
  formatChannelList,
  NO_CHANNELS,
  parseChannelList,
} from './channel-list.ts';
import { crcOf, type ForeignWriter, isForeign } from './foreign-writer.ts';
import type { GrantWriter } from './grant-writer.ts';
import { Query } from './query.ts';
import type { RecordWriter } from './record-writer.ts';
import { nextSequence, type Transaction } from './transaction.ts';

/** The parts of a write transaction, which share one connection. */
interface WriterParts {
  readonly channels: ChannelIndexWriter;
  readonly grants: GrantWriter;
  readonly records: RecordWriter;
  readonly attachments: AttachmentWriter;
  readonly foreign: ForeignWriter;
}

type MetadataRow = readonly [
  id: number,
  seq: Sequence,
  channels: string,
  document: number,
  /** The body's row, where it is still as the gateway wrote it. */
  own: number | null,
  foreign: number | null,
  foreignCas: Cas | null,
];

/** A document as it stands before a change. */
interface Standing {
  readonly cas: Cas | 'absent';
  /** 0 where there is no metadata. */
  readonly id: number;
  readonly seq: Sequence;
  readonly channels: string | undefined;
  /** The row of the body, whoever wrote it; 0 for none. */
  readonly document: number;
  /** The row of the gateway's body, whether it is still there or not; 0 for a tombstone. */
  readonly ownDocument: number;
}

/** In place of a CRC: the one that is stored. */
const STAYS = 'stays';

/** Applies changes of documents: body, metadata, channel index, grants, kept bodies, references. */
export class DocumentWriter {
  readonly #parts: WriterParts;
  readonly #claim: Query;
  readonly #metadata: Query<MetadataRow>;
  readonly #foreign: Query<[id: number, cas: Cas]>;
  readonly #insertBody: Query;
  readonly #updateBody: Query;
  readonly #deleteBody: Query;
  readonly #stampBody: Query;
  readonly #takeBody: Query;
  readonly #takeDocument: Query;
  readonly #body: Query<[body: string]>;
  readonly #flags: Query<[flags: number]>;
  readonly #insertMetadata: Query;
  readonly #updateMetadata: Query;
  readonly #setText: Query;
  readonly #deleteMetadata: Query;
  readonly #keep: Query;
  readonly #drop: Query;
  readonly #dropAll: Query;

  constructor(db: DatabaseSync, parts: WriterParts) {
    this.#parts = parts;
    const query = (sql: string): Query => new Query(db, sql);
    this.#claim = query('UPDATE bucket SET writing = 1');
    this.#metadata = new Query(
      db,
      `SELECT m.id, m.seq, m.channels, m.document, d.id, f.id, f.cas FROM metadata m
       LEFT JOIN documents d ON d.id = m.document AND d.cas = m.seq
       LEFT JOIN documents f INDEXED BY documents_foreign
         ON f.collection = m.collection AND f.key = m.key AND f.cas < 0
       WHERE m.collection = ? AND m.key = ?`,
    );
    this.#foreign = new Query(
      db,
      `SELECT id, cas FROM documents INDEXED BY documents_foreign
       WHERE collection = ? AND key = ? AND cas < 0`,
    );
    this.#insertBody = query(
      'INSERT INTO documents (collection, key, cas, expiry, body) VALUES (?, ?, ?, ?, ?)',
    );
    this.#updateBody = query('UPDATE documents SET cas = ?, expiry = ?, body = ? WHERE id = ?');
    this.#stampBody = query('UPDATE documents SET cas = ?, expiry = ? WHERE id = ?');
    this.#takeBody = query('UPDATE documents SET cas = ? WHERE id = ?');
    this.#takeDocument = query('UPDATE metadata SET document = ? WHERE id = ?');
    this.#deleteBody = query('DELETE FROM documents WHERE id = ?');
    this.#body = new Query(db, 'SELECT body FROM documents WHERE id = ?');
    this.#flags = new Query(db, 'SELECT flags FROM metadata WHERE id = ?');
    this.#insertMetadata = query(
      `INSERT INTO metadata
       (collection, key, seq, rev, flags, document, channels, text, body_crc, xattr_crc)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#updateMetadata = query(
      `UPDATE metadata SET seq = ?1, rev = ?2, flags = ?3, document = ?4, channels = ?5, text = ?6,
         body_crc = iif(?7 = 'stays', body_crc, ?7), xattr_crc = iif(?8 = 'stays', xattr_crc, ?8)
       WHERE id = ?9`,
    );
    this.#setText = query('UPDATE metadata SET text = ? WHERE id = ?');
    this.#deleteMetadata = query('DELETE FROM metadata WHERE id = ?');
    const keep =
      'INSERT OR REPLACE INTO revision_bodies (metadata, rev, expiry, attachments, body)';
    this.#keep = query(`${keep} VALUES (?, ?, ?, ?, ?)`);
    this.#drop = query('DELETE FROM revision_bodies WHERE metadata = ? AND rev = ?');
    this.#dropAll = query('DELETE FROM revision_bodies WHERE metadata = ?');
  }

  apply(tx: Transaction, change: DocumentChange): CommitResult {
    const standing = this.#standing(change.collection, change.key);
    const refusal = this.#refusal(tx, change, standing);
    if (refusal !== undefined) return refusal;
    this.#beginWriting(tx);
    if (isForeign(standing.cas)) this.#parts.foreign.settle(change.collection, change.key);
    const seq = nextSequence(tx);
    const stored = this.#storedBody(change, standing);
    const { channels } = this.#parts;
    const old = { id: standing.id, seq: standing.seq, list: listOf(standing) };
    const list = channels.replace(change, old);
    const document = this.#writeBody(change, standing.document, seq);
    const id = this.#writeMetadata(change, {
      id: standing.id,
      seq,
      document,
      channels: formatChannelList(list),
    });
    channels.insert(change, { id, seq, list });
    this.#writeKept(change, id, stored);
    if (change.grants !== undefined) {
      const source = { sourceCollection: change.collection, source: change.key };
      this.#parts.grants.replaceOfDocument(tx, { ...change.grants, ...source }, seq);
    }
    if (change.attachments !== undefined) {
      this.#parts.attachments.refer(id, change.attachments, tx.nowSecs);
    }
    return { ok: true, cas: seq as number as Cas, seq };
  }

  purge(tx: Transaction, change: PurgeChange): CommitResult {
    const standing = this.#standing(change.collection, change.key);
    if (change.ifCas !== undefined && change.ifCas !== standing.cas) {
      return { ok: false, failed: 'cas', actualCas: standing.cas };
    }
    const { id } = standing;
    this.#beginWriting(tx);
    if (isForeign(standing.cas)) this.#parts.foreign.settle(change.collection, change.key);
    if (id !== 0) {
      this.#deleteMetadata.write(id);
      this.#parts.channels.remove(id, standing.seq, listOf(standing));
      this.#dropAll.write(id);
      this.#parts.attachments.refer(id, [], tx.nowSecs);
      this.#parts.grants.endOfDocument(tx, change.collection, change.key);
    }
    if (standing.document !== 0) this.#deleteBody.write(standing.document);
    return { ok: true, cas: 0 as Cas, seq: 0 as Sequence };
  }

  /** What is kept beside a document, which stays as it is. */
  keep(tx: Transaction, change: ReferencesChange | DocumentHistoryChange): CommitResult {
    const { id, cas } = this.#standing(change.collection, change.key);
    if (change.ifCas !== cas || id === 0) return { ok: false, failed: 'cas', actualCas: cas };
    if (change.kind === 'documentHistory') this.#setText.write(change.metadata, id);
    else this.#parts.attachments.refer(id, change.attachments, tx.nowSecs);
    return { ok: true, cas, seq: 0 as Sequence };
  }

  reject(tx: Transaction, change: RejectionChange): CommitResult {
    const standing = this.#standing(change.collection, change.key);
    const refusal = this.#refusal(tx, change, standing);
    if (refusal !== undefined) return refusal;
    if (!isForeign(standing.cas)) throw new Error('bug: a write of the gateway is rejected');
    this.#parts.foreign.reject(change);
    const { hides, ifCas: cas } = change;
    if (hides === undefined || hides.ofSeq !== standing.seq)
      return { ok: true, cas, seq: 0 as Sequence };
    return { ok: true, cas, seq: this.#hide(tx, { ...change, ...hides }, standing) };
  }

  /** What was the document's own becomes its hidden revision; the stranger's row stays. */
  #hide(
    tx: Transaction,
    hidden: RejectionChange & HiddenRevision,
    { id, seq: before, channels: listed, ownDocument }: Standing,
  ): Sequence {
    const { channels } = this.#parts;
    const seq = nextSequence(tx);
    const list = channels.replace(hidden, { id, seq: before, list: listOf({ channels: listed }) });
    const { rev, flags, metadata } = hidden;
    const text = formatChannelList(list);
    this.#updateMetadata.write(seq, rev, flags, ownDocument, text, metadata, STAYS, STAYS, id);
    channels.insert(hidden, { id, seq, list });
    return seq;
  }

  take(tx: Transaction, change: TakenChange): CommitResult {
    const standing = this.#standing(change.collection, change.key);
    const refusal = this.#refusal(tx, change, standing);
    if (refusal !== undefined) return refusal;
    const { id, seq, document, ownDocument } = standing;
    const foreign = isForeign(standing.cas);
    // It was judged before another node refused this very write.
    if (foreign && this.#isHidden(id)) return { ok: false, failed: 'function' };
    this.#parts.foreign.settle(change.collection, change.key);
    if (foreign) {
      const isOfRevision = ownDocument !== 0 && document !== 0;
      if (!isOfRevision) throw new Error('bug: taken without a revision that has this body');
      this.#beginWriting(tx);
      this.#takeBody.write(seq, document);
      this.#takeDocument.write(document, id);
    }
    return { ok: true, cas: seq as number as Cas, seq: 0 as Sequence };
  }

  #isHidden(id: number): boolean {
    return ((this.#flags.one(id)?.[0] ?? 0) & FLAG.hidden) !== 0;
  }

  /** The precondition that does not hold; undefined where all do. */
  #refusal(
    tx: Transaction,
    change: DocumentChange | RejectionChange | TakenChange,
    { cas }: Standing,
  ): CommitResult | undefined {
    if (change.ifCas !== cas) return { ok: false, failed: 'cas', actualCas: cas };
    const failed = this.#parts.records.judge(tx, change);
    return failed === undefined ? undefined : { ok: false, failed };
  }

  /** From here to the end of the transaction what changes of documents is the gateway's. */
  #beginWriting(tx: Transaction): void {
    if (tx.writing) return;
    this.#claim.write();
    tx.writing = true;
  }

  #standing(collection: number, key: string): Standing {
    const row = this.#metadata.one(collection, key);
    if (row === undefined) {
      const foreign = this.#foreign.one(collection, key);
      const none = { id: 0, seq: 0 as Sequence, channels: undefined, ownDocument: 0 };
      if (foreign === undefined) return { ...none, cas: 'absent', document: 0 };
      return { ...none, cas: foreign[1], document: foreign[0] };
    }
    const [id, seq, channels, document, own, foreign, foreignCas] = row;
    const cas = casOf({ seq, document, own, foreignCas });
    return { cas, id, seq, channels, document: foreign ?? own ?? 0, ownDocument: document };
  }

  /** The body before the change, where one is to be kept. */
  #storedBody(change: DocumentChange, standing: Standing): string | undefined {
    const wanted = change.keepBodies?.some(({ body }) => body === 'stored') ?? false;
    return wanted ? this.#body.one(standing.document)?.[0] : undefined;
  }

  /** Gives the row of the body, 0 for none. */
  #writeBody(change: DocumentChange, document: number, seq: Sequence): number {
    const { body, expiry } = change;
    if (change.keepsBody === true) {
      if (document !== 0) this.#stampBody.write(seq, expiry, document);
      return document;
    }
    if (body === null) {
      if (document !== 0) this.#deleteBody.write(document);
      return 0;
    }
    if (document === 0) {
      return this.#insertBody.run(change.collection, change.key, seq, expiry, body).lastId;
    }
    this.#updateBody.write(seq, expiry, body, document);
    return document;
  }

  #writeMetadata(
    change: DocumentChange,
    at: { id: number; seq: Sequence; document: number; channels: string },
  ): number {
    const { collection, key, rev, flags, metadata } = change;
    const { id, seq, document, channels } = at;
    const crc = crcOf(change.body);
    if (id === 0) {
      return this.#insertMetadata.run(
        collection,
        key,
        seq,
        rev,
        flags,
        document,
        channels,
        metadata,
        crc,
        change.xattrCrc ?? null,
      ).lastId;
    }
    this.#updateMetadata.write(
      seq,
      rev,
      flags,
      document,
      channels,
      metadata,
      change.keepsBody === true ? STAYS : crc,
      change.xattrCrc === undefined ? STAYS : change.xattrCrc,
      id,
    );
    return id;
  }

  #writeKept(change: DocumentChange, id: number, stored: string | undefined): void {
    for (const rev of change.dropBodies ?? []) this.#drop.write(id, rev);
    for (const { rev, body, attachments, expiry } of change.keepBodies ?? []) {
      const text = body === 'stored' ? stored : body;
      if (text !== undefined) this.#keep.write(id, rev, expiry, JSON.stringify(attachments), text);
    }
  }
}

/**
 * The CAS of a document with metadata: the gateway's own (its sequence), a stranger's where one
 * wrote, and where one deleted the body, the negative of the gateway's.
 */
export function casOf(row: {
  readonly seq: Sequence;
  readonly document: number;
  readonly own: number | null;
  readonly foreignCas: Cas | null;
}): Cas {
  if (row.foreignCas !== null) return row.foreignCas;
  const deletedByStranger = row.document !== 0 && row.own === null;
  const own: number = row.seq;
  return (deletedByStranger ? -own : own) as Cas;
}

function listOf(standing: Pick<Standing, 'channels'>): ChannelList {
  return standing.channels === undefined ? NO_CHANNELS : parseChannelList(standing.channels);
}
