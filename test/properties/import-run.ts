import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createRevId } from '../../src/document/rev-id.ts';
import type { RevId } from '../../src/document/types.ts';
import { ForeignWriter } from '../helpers/foreign-writer.ts';
import type { TestGateway } from '../helpers/gateway.ts';
import { request } from '../helpers/http.ts';
import { until } from '../helpers/until.ts';
import { Run, step, USERS } from './access-run.ts';
import type { Step } from './access-run.ts';
import type { ModelDocument } from './sync-model.ts';

const IDS = ['d0', 'd1', 'd2', 'd3', 'd4', 'd5', 'd6', 'd7'];
const DELETED = '{"_deleted":true}';

const id = fc.constantFrom(...IDS);
const channels = fc.subarray(['a', 'b', 'c', 'd', '!'], { maxLength: 2 });

/** What an application does to a row of the bucket. */
type ForeignStep =
  | { readonly does: 'put'; readonly id: string; readonly body: Content }
  | { readonly does: 'replace'; readonly id: string; readonly body: Content }
  | { readonly does: 'delete'; readonly id: string }
  | { readonly does: 'refused'; readonly id: string }
  | { readonly does: 'restore'; readonly id: string };

type Content = Pick<ModelDocument, 'channels' | 'grant' | 'hire'>;

const content: fc.Arbitrary<Content> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ channels }) },
  {
    weight: 1,
    arbitrary: fc.record({
      channels: fc.constant([]),
      grant: fc.record({ channels, to: fc.constantFrom(...USERS, 'role:crew') }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      channels: fc.constant([]),
      hire: fc.record({ role: fc.constantFrom('crew', 'desk'), user: fc.constantFrom(...USERS) }),
    }),
  },
);

const foreignStep: fc.Arbitrary<ForeignStep> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ does: fc.constant('put' as const), id, body: content }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('replace' as const), id, body: content }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('delete' as const), id }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('refused' as const), id }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('restore' as const), id }) },
);

/** Clients and an application in turns. */
export const mixedStep: fc.Arbitrary<Step | ForeignStep> = fc.oneof(
  { weight: 3, arbitrary: step },
  { weight: 2, arbitrary: foreignStep },
);

export interface ImportRunOptions {
  readonly gateway: TestGateway;
  readonly database: string;
  /** Whether documents are imported as they are written, or when they are asked for. */
  readonly importDocs: boolean;
}

/** A `Run` in whose bucket an application writes, too. */
export class ImportRun implements Disposable {
  readonly run: Run;
  readonly #options: ImportRunOptions;
  readonly #admin: string;
  /** What an application wrote and no gateway has seen, with what there was before that. */
  readonly #pending = new Map<string, ModelDocument | undefined>();
  /** The body over which an application wrote what is refused. */
  readonly #covered = new Map<string, { readonly rev: string; readonly body: string }>();
  #application: ForeignWriter | undefined;
  #count = 0;

  constructor(options: ImportRunOptions) {
    this.#options = options;
    this.#admin = `${options.gateway.admin}/${options.database}`;
    this.run = new Run(options.gateway, options.database);
  }

  async start(): Promise<void> {
    await this.run.start();
    const { gateway, database, importDocs } = this.#options;
    const json = { import_docs: importDocs };
    const set = await request('POST', `${this.#admin}/_config`, { json });
    assert.ok(set.status < 300, set.text);
    this.#application = new ForeignWriter(gateway.dataDir, database);
  }

  async take(taken: Step | ForeignStep): Promise<void> {
    if ('does' in taken) return this.#write(taken);
    if (taken.do === 'follow') await this.settle();
    // What other documents grant holds once they are imported.
    if (taken.do === 'read') await this.settle(taken.id);
    // A run does not ask to delete what is deleted: then no gateway sees it.
    const isAsked = taken.do !== 'remove' || this.#isThere(taken.id);
    await this.run.take(taken);
    if ('id' in taken && isAsked) this.#pending.delete(taken.id);
  }

  /** Everything is imported, but one document where it is named. */
  async settle(except?: string): Promise<void> {
    if (this.#options.importDocs) {
      await until('nothing waits', async () => {
        const { json } = await request('GET', `${this.#admin}/_import`);
        return (json as { backlog: number }).backlog === 0 ? true : undefined;
      });
    }
    for (const docid of this.#pending.keys()) {
      if (docid === except) continue;
      if (!this.#options.importDocs) await request('GET', `${this.#admin}/${docid}`);
      this.#pending.delete(docid);
    }
  }

  #isThere(docid: string): boolean {
    return this.run.model.documents.get(docid)?.deleted === false;
  }

  async #write(taken: ForeignStep): Promise<void> {
    const application = this.#application;
    assert.ok(application !== undefined);
    const { documents } = this.run.model;
    const now = documents.get(taken.id);
    const before = this.#pending.has(taken.id) ? this.#pending.get(taken.id) : now;
    const parent = before?.rev as RevId | undefined;
    if (taken.does === 'delete') {
      application.remove(taken.id);
      if (now?.deleted === true) now.hidden = false;
      if (now === undefined || now.deleted) return;
      if (before === undefined) documents.delete(taken.id);
      else if (before.deleted) documents.set(taken.id, { ...before, hidden: false });
      else {
        const rev = createRevId(parent, DELETED);
        documents.set(taken.id, { rev, deleted: true, channels: [] });
      }
    } else if (taken.does === 'refused') {
      this.#cover(taken.id, now, application);
      application.put(taken.id, { refuse: true, n: (this.#count += 1) });
      if (before === undefined) documents.delete(taken.id);
      else documents.set(taken.id, { ...before, hidden: true });
    } else if (taken.does === 'restore') {
      const covered = this.#covered.get(taken.id);
      if (before === undefined || before.deleted || before.rev !== covered?.rev) return;
      application.put(taken.id, covered.body);
      documents.set(taken.id, { ...before, hidden: false });
    } else {
      this.#count += 1;
      // Its members are in the order of the canonical form.
      const text = JSON.stringify({ ...taken.body, n: this.#count });
      if (taken.does === 'put') application.put(taken.id, text);
      else application.run('REPLACE INTO documents (key, body) VALUES (?, ?)', taken.id, text);
      documents.set(taken.id, { ...taken.body, rev: createRevId(parent, text), deleted: false });
    }
    this.#pending.set(taken.id, before);
    if (this.#options.importDocs) await this.settle();
  }

  /** Keeps the body of what clients see, for when it is restored. */
  #cover(docid: string, now: ModelDocument | undefined, application: ForeignWriter): void {
    if (now === undefined || now.deleted || now.hidden === true || this.#pending.has(docid)) return;
    this.#covered.set(docid, { rev: now.rev, body: application.row(docid)?.body ?? '' });
  }

  [Symbol.dispose](): void {
    this.#application?.[Symbol.dispose]();
  }
}
