import type { CommitResult, StoredDocument } from '../bucket/bucket.ts';
import {
  importCancelled,
  importedSame,
  importEnded,
  importRefused,
} from '../observability/import-events.ts';
import { must } from '../util/assert.ts';
import { isGatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';
import type { ImportingContext, PreparedImport } from './prepare-import.ts';
import { prepareImport } from './prepare-import.ts';

/** Counts and logs what became of it. */
export function importSettled(
  { imports, clock }: ImportingContext,
  prepared: PreparedImport,
  result: CommitResult,
): void {
  const { key } = prepared.change;
  if (!result.ok) {
    if (result.failed === 'cas') importCancelled(imports.details, { id: key });
    return;
  }
  if (prepared.kind === 'refusal') {
    const { change, why } = prepared;
    const { rejectedAs, reason, ifCas: cas } = change;
    const nowMs = clock.now();
    // A request and the queue may both come upon it.
    if (imports.hasRefused({ key, cas }, nowMs)) return;
    imports.refused({ key, cas, nowMs, hasBroken: why === 'broken' });
    importRefused(imports.observer, {
      id: key,
      rejectedAs,
      reason,
      isMistake: why !== 'no',
      seq: result.seq,
    });
    return;
  }
  if (prepared.kind === 'same') importedSame(imports.details, { id: key });
  else importEnded(imports.details, { id: key, rev: prepared.change.rev, seq: result.seq });
}

/**
 * Takes a foreign write in before a request goes on. `again`: the document has to be read anew;
 * `refused`: it stays as it is, and clients do not see it.
 */
export async function importNow(
  context: CollectionContext,
  stored: StoredDocument,
): Promise<'again' | 'refused'> {
  if (!isImporting(context)) return 'refused';
  const { imports, clock } = context;
  const startedAt = clock.now();
  if (imports.hasRefused(stored, startedAt)) return 'refused';
  const prepared = await prepareImport(context, stored);
  const result = await commit(context, prepared);
  if (result !== undefined) importSettled(context, prepared, result);
  imports.took(clock.now() - startedAt);
  if (prepared.kind === 'refusal') {
    // Where it is hidden by this, it has other metadata from now on.
    if (result?.ok === true) return result.seq > 0 ? 'again' : 'refused';
    // Where the rules were changed meanwhile, those who have the new ones judge it anew.
    return result?.failed === 'cas' ? 'again' : 'refused';
  }
  if (result?.ok === false && result.failed === 'function') await context.syncFunction.reload();
  return 'again';
}

export function isImporting(context: CollectionContext): context is ImportingContext {
  return context.imports !== undefined;
}

/** Undefined where a refusal cannot be noted now: nobody has to wait for that. */
async function commit(
  { bucket }: ImportingContext,
  prepared: PreparedImport,
): Promise<CommitResult | undefined> {
  try {
    const [result] = await bucket.commit([prepared.change]);
    return must(result, 'one result for each change');
  } catch (cause) {
    if (prepared.kind === 'refusal' && isGatewayError(cause, 'unavailable')) return undefined;
    throw cause;
  }
}
