import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson } from '../document/canonical-json.ts';
import { scanObject } from '../document/json-scanner.ts';
import { createRevId, parseRevId } from '../document/rev-id.ts';
import type { RevId } from '../document/types.ts';
import { isGatewayError } from '../util/errors.ts';
import { nextTurn } from '../util/next-turn.ts';
import type { TestDatabase } from './test-database.ts';
import { openTestDatabase } from './test-database.ts';

/**
 * A client and an application that write one document by turns, beside a model of it: the history
 * has each state that was taken in exactly once, and no write silently takes another's place.
 */

const SEED = Number(process.env['TIDEGATE_TEST_SEED'] ?? 20261129);
const RUNS = Number(process.env['TIDEGATE_TEST_RUNS'] ?? 60);

type Step =
  | { readonly by: 'app'; readonly does: 'put' | 'refused' | 'expiry'; readonly n: number }
  | { readonly by: 'app'; readonly does: 'delete' }
  | {
      readonly by: 'client';
      readonly does: 'put' | 'delete';
      readonly rev: 'current' | 'none' | 'old';
      readonly n: number;
    }
  | { readonly by: 'client'; readonly does: 'read' };

// Few bodies, so that the same one comes again.
const n = fc.integer({ min: 0, max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      by: fc.constant('app' as const),
      does: fc.constantFrom('put', 'put', 'put', 'refused', 'expiry'),
      n,
    }),
  },
  { weight: 1, arbitrary: fc.constant({ by: 'app', does: 'delete' } as const) },
  {
    weight: 4,
    arbitrary: fc.record({
      by: fc.constant('client' as const),
      does: fc.constantFrom('put', 'put', 'put', 'delete'),
      rev: fc.constantFrom('current', 'current', 'none', 'old'),
      n,
    }),
  },
  { weight: 2, arbitrary: fc.constant({ by: 'client', does: 'read' } as const) },
);

const bodyOf = (value: number): string => JSON.stringify({ n: value });
const refusedBody = (value: number): string => JSON.stringify({ type: 'no', n: value });
const GONE = '{"_deleted":true}';

/** What the document should be. */
class Model {
  /** The newest last. */
  readonly revs: RevId[] = [];
  /** Of the newest revision; null: it is a tombstone, or there is none. */
  body: string | null = null;
  /** The row in the file. */
  row: string | null = null;
  /** Whether an application wrote since the gateway did. */
  isForeign = false;

  get isHidden(): boolean {
    return this.isForeign;
  }

  /** What every read and write does first. */
  import(): void {
    if (!this.isForeign) return;
    const { row } = this;
    if (row?.includes('"type":"no"') === true) return;
    this.isForeign = false;
    if (row === this.body) return;
    this.add(row);
  }

  add(body: string | null): RevId {
    const canonical = body === null ? GONE : canonicalJson(scanObject(body), () => false);
    const rev = createRevId(this.revs.at(-1), canonical);
    this.revs.push(rev);
    this.body = body;
    this.row = body;
    this.isForeign = false;
    return rev;
  }

  /** Whether a client’s write is taken that names this revision. */
  takes(rev: RevId | undefined): boolean {
    const current = this.revs.at(-1);
    if (rev !== undefined) return rev === current;
    return current === undefined || this.body === null || this.isHidden;
  }
}

let opened: TestDatabase;
let app: DatabaseSync;
before(async () => {
  const filter = 'function (doc) { return doc.type !== "no"; }';
  opened = await openTestDatabase({ import_docs: false, import_filter: filter, revs_limit: 1000 });
  app = new DatabaseSync(opened.file, { timeout: 5000 });
});
after(async () => {
  app?.close();
  await opened?.[Symbol.asyncDispose]();
});

let documents = 0;
const ADMIN = { kind: 'admin' } as const;
const cancellation = { signal: AbortSignal.timeout(300_000) };

/** Undefined where it was refused as a conflict, or is not there. */
async function attempted<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (cause) {
    if (!isGatewayError(cause, 'conflict', 'missing', 'deleted')) throw cause;
    return undefined;
  }
}

function appWrites(id: string, model: Model, made: Extract<Step, { by: 'app' }>): void {
  if (made.does === 'delete') {
    app.prepare('DELETE FROM documents WHERE key = ?').run(id);
    // What no gateway knows is gone without a trace.
    model.isForeign = model.revs.length > 0 && (model.body !== null || model.isForeign);
    model.row = null;
    if (model.body === null) model.isForeign = false;
    return;
  }
  if (made.does === 'expiry') {
    const expiry = 4_000_000_000 + made.n;
    app.prepare('UPDATE documents SET expiry = ? WHERE key = ?').run(expiry, id);
    if (model.row !== null) model.isForeign = true;
    return;
  }
  const body = made.does === 'put' ? bodyOf(made.n) : refusedBody(made.n);
  app
    .prepare('INSERT OR REPLACE INTO documents (key, body, expiry) VALUES (?, ?, 0)')
    .run(id, body);
  model.row = body;
  model.isForeign = true;
}

async function clientWrites(
  id: string,
  model: Model,
  made: Extract<Step, { does: 'put' | 'delete'; by: 'client' }>,
): Promise<void> {
  model.import();
  const { collection } = opened;
  const current = model.revs.at(-1);
  const old = model.revs.at(-2) ?? parseRevId('1-never');
  const rev = { current, none: undefined, old }[made.rev];
  const takes = model.takes(rev);
  const text = bodyOf(made.n);
  const written = await attempted(
    made.does === 'put'
      ? collection.update(ADMIN, id, { text, rev, newEdits: true, cancellation })
      : collection.remove(ADMIN, id, { rev, cancellation }),
  );
  assert.equal(written !== undefined, takes, 'it is taken, or a conflict');
  if (takes) assert.equal(written?.rev, model.add(made.does === 'put' ? text : null));
}

async function checked(id: string, model: Model): Promise<void> {
  model.import();
  const { collection } = opened;
  const read = await attempted(Promise.resolve(id).then((it) => collection.read(ADMIN, it)));
  const isSeen = model.body !== null && !model.isHidden;
  assert.equal(read !== undefined, isSeen, 'it is seen');
  if (isSeen) {
    const [newest = '', ...earlier] = model.revs.toReversed();
    assert.equal(read?.rev, newest);
    const { n: value } = JSON.parse(read.text()) as { n: number };
    assert.equal(bodyOf(value), model.body);
    for (const rev of earlier) assert.ok(read.descendsFrom(rev), `it comes from ${rev}`);
    const { _revisions: told } = JSON.parse(read.text({ revisions: {} })) as {
      _revisions: { ids: string[] };
    };
    assert.equal(told.ids.length, model.revs.length, 'and from nothing else');
  }
  const row = app.prepare('SELECT body FROM documents WHERE key = ?').get(id);
  assert.equal(row === undefined ? null : row['body'], model.row);
}

test('client and application write one document by turns', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const id = `d${documents++}`;
      const model = new Model();
      for (const made of steps) {
        // NOTE: reads of one turn share a snapshot, and this application writes within it.
        await nextTurn();
        if (made.by === 'app') appWrites(id, model, made);
        else if (made.does === 'read') await checked(id, model);
        else await clientWrites(id, model, made);
      }
      await nextTurn();
      await checked(id, model);
    }),
    { seed: SEED, numRuns: RUNS },
  );
});
