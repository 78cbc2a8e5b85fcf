import type { Bucket, PrincipalKey, StoredGrant, StoredPrincipal } from '../../bucket/bucket.ts';
import { BATCH_MAX } from '../../bucket/bucket.ts';
import { nameOf } from '../../principals/principal-name.ts';
import { must } from '../../util/assert.ts';
import { nextTurn } from '../../util/next-turn.ts';
import type { PlannedGrants } from './planned-grants.ts';
import { channelText, roleIn, roleText } from './planned-grants.ts';

/** The channels that a principal holds now, and would hold, each a `channelText`. */
export interface Access {
  readonly before: ReadonlySet<string>;
  readonly after: ReadonlySet<string>;
}

interface AccessOptions {
  readonly bucket: Bucket;
  readonly database: string;
  /** Collections whose documents' grants are those of the plan; those of others stay. */
  readonly planned: ReadonlySet<number>;
  readonly grants: PlannedGrants;
}

/**
 * The access of every role and then of every user, in the order of their names: what administrators
 * and documents grant, to the user and to its roles that exist. Users whose grants are not all
 * known are left out.
 */
export async function* plannedAccess(
  options: AccessOptions,
): AsyncGenerator<{ readonly principal: PrincipalKey; readonly access: Access }> {
  const roles = new Map<string, Access>();
  for await (const stored of storedPrincipals(options, 'role')) {
    const own = ownGrants(stored, options);
    const exists = stored.grants.some(({ kind, until }) => kind === 'exists' && until === 0);
    if (!exists) continue;
    const access = { before: channelsIn(own.before), after: channelsIn(own.after) };
    roles.set(nameOf(stored.principal), access);
    yield { principal: stored.principal, access };
  }
  for await (const stored of storedPrincipals(options, 'user')) {
    if (!options.grants.isComplete(stored.principal)) return;
    const own = ownGrants(stored, options);
    const access = {
      before: withRoles(own.before, roles, 'before'),
      after: withRoles(own.after, roles, 'after'),
    };
    yield { principal: stored.principal, access };
  }
}

async function* storedPrincipals(
  { bucket, database }: AccessOptions,
  kind: 'user' | 'role',
): AsyncGenerator<StoredPrincipal> {
  let after: PrincipalKey | undefined;
  for (;;) {
    const page = await bucket.listPrincipals({
      database,
      kind,
      ...(after === undefined ? {} : { after }),
      limit: BATCH_MAX,
    });
    for (const [at, { principal }] of page.entries()) {
      const { principals } = await bucket.readAccess(database, principal);
      yield must(principals[0], 'a snapshot begins with the principal that was asked for');
      if (at % PRINCIPALS_A_TURN === 0) await nextTurn();
    }
    after = page.at(-1)?.principal;
    if (after === undefined || page.length < BATCH_MAX) return;
  }
}

/** Some milliseconds' work. */
const PRINCIPALS_A_TURN = 20;

/** Grants to the principal itself that hold now, and that would hold, as texts. */
function ownGrants({ principal, grants }: StoredPrincipal, options: AccessOptions): Access {
  const before = new Set<string>();
  const after = new Set(options.grants.of(principal));
  for (const grant of grants) {
    const text = textOf(grant);
    if (grant.until !== 0 || text === undefined) continue;
    before.add(text);
    // The collection 0 is that of administrators and of tokens.
    if (!options.planned.has(grant.sourceCollection)) after.add(text);
  }
  return { before, after };
}

function textOf({ kind, collection, target }: StoredGrant): string | undefined {
  if (kind === 'exists') return undefined;
  return kind === 'role' ? roleText(target) : channelText(collection, target);
}

function channelsIn(texts: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...texts].filter((text) => roleIn(text) === undefined));
}

function withRoles(
  own: ReadonlySet<string>,
  roles: ReadonlyMap<string, Access>,
  when: 'before' | 'after',
): ReadonlySet<string> {
  const held = new Set<string>();
  for (const text of own) {
    const role = roleIn(text);
    if (role === undefined) held.add(text);
    else for (const channel of roles.get(role)?.[when] ?? []) held.add(channel);
  }
  return held;
}
