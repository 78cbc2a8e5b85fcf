import { z } from 'zod';
import type { BatchChange } from '../../bucket/batch-change.ts';
import type { Bucket, Change, Grant, PrincipalKey, RecordChange } from '../../bucket/bucket.ts';
import type { PrincipalChange } from '../../bucket/principal-change.ts';
import type { RecordKey } from '../../bucket/records.ts';
import type { Cas } from '../../document/types.ts';
import { must } from '../../util/assert.ts';
import { GatewayError } from '../../util/errors.ts';

/** Users and roles of one commit: other writers of the bucket wait for it. */
const AT_ONCE = 200;
/** How often they are read anew when somebody changes one of them meanwhile. */
const ATTEMPTS_MAX = 50;

const schema = z.object({
  run: z.string(),
  kind: z.enum(['role', 'user', 'none']),
  after: z.string(),
});

/** How far a run is: the next kind, and the last key of it that is done. */
type Progress = z.infer<typeof schema>;

/**
 * Gives every role and user a new sequence, as each of them is: so a user is told anew in its feed.
 * How far it is stands in the bucket, and is stored with each step: so each gets one, whichever
 * processes are at it, and however they end. Throws `unavailable` on `signal`, and as the bucket.
 */
export async function regeneratePrincipals(
  bucket: Bucket,
  of: {
    readonly database: string;
    readonly run: string;
    /** Of the task: whoever was paused until that is over changes nothing more. */
    readonly ifRecord?: RecordChange['ifRecord'];
  },
  signal: AbortSignal,
): Promise<void> {
  const record = { kind: 'regenerated_principals', database: of.database, id: 'resync' };
  const { ifRecord } = of;
  let failures = 0;
  for (;;) {
    if (signal.aborted) throw new GatewayError('unavailable', 'the resync is left');
    const { progress, cas } = await readProgress(bucket, record, of.run);
    const { kind, after } = progress;
    if (kind === 'none') return;
    const page = await bucket.listPrincipals({
      database: of.database,
      kind,
      ...(after === '' ? {} : { after: after as PrincipalKey }),
      limit: AT_ONCE,
    });
    const last = page.at(-1)?.principal;
    const next: Progress =
      last === undefined
        ? { run: of.run, kind: kind === 'role' ? 'user' : 'none', after: '' }
        : { run: of.run, kind, after: last };
    const changes: BatchChange['changes'] = [
      ...(await Promise.all(page.map(({ principal }) => same(bucket, of.database, principal)))),
      {
        kind: 'record',
        record,
        ifCas: cas,
        ...(ifRecord && { ifRecord }),
        value: JSON.stringify(next),
        expiry: 0,
      },
    ];
    const batch: Change = { kind: 'batch', changes };
    const [result] = await bucket.commit([batch]);
    const committed = must(result, 'one result for each change');
    if (!committed.ok && committed.failed === 'record')
      throw new GatewayError('unavailable', 'the resync is over');
    // NOTE: another process was faster, or an administrator changed one of them.
    failures = committed.ok ? 0 : failures + 1;
    if (failures === ATTEMPTS_MAX)
      throw new GatewayError('unavailable', 'users are being changed all the time');
  }
}

/** What is there, as a change. */
async function same(
  bucket: Bucket,
  database: string,
  principal: PrincipalKey,
): Promise<PrincipalChange> {
  const { principals } = await bucket.readAccess(database, principal);
  const stored = must(principals[0], 'a snapshot begins with the principal asked for');
  const grants = stored.grants
    .filter(({ until, source }) => until === 0 && source === '')
    .map(({ kind, collection, target }): Grant => ({ principal, kind, collection, target }));
  const { value = null, cas = 'absent' as const } = stored.record ?? {};
  return { kind: 'principal', database, principal, ifCas: cas, value, grants };
}

async function readProgress(
  bucket: Bucket,
  record: RecordKey,
  run: string,
): Promise<{ readonly progress: Progress; readonly cas: Cas | 'absent' }> {
  const stored = await bucket.getRecord(record);
  const parsed = stored === undefined ? undefined : schema.safeParse(JSON.parse(stored.value));
  if (parsed?.success === false)
    throw new GatewayError('corrupt', 'the record of regenerated users is unreadable');
  const known = parsed?.data;
  return {
    progress: known?.run === run ? known : { run, kind: 'role', after: '' },
    cas: stored?.cas ?? 'absent',
  };
}
