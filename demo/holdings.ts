import type { TestDatabase } from '../test/helpers/database.ts';
import type { DocumentWatch, HeldDocument } from '../test/helpers/document-watch.ts';
import type { PouchClient } from '../test/helpers/pouch-client.ts';
import { FLAG } from './countries.ts';
import type { Principal } from './office.ts';
import { getPrincipal } from './office.ts';

// Who holds what, and why.

type Held = ReadonlyMap<string, HeldDocument>;

/** Why a user has a channel, outermost first: `role asia-desk ← user bao`. */
interface Reason {
  readonly channel: string;
  readonly because: string;
}

/** Everything in one of these channels, as the gateway holds it. */
export function visible(world: Held, channels: readonly string[]): Held {
  return new Map([...world].filter(([, held]) => regionsOf(held).some(isIn(channels))));
}

/** Whether both hold the same documents at the same revisions. */
export function areEqual(a: Held, b: Held): boolean {
  return a.size === b.size && [...a].every(([id, { rev }]) => b.get(id)?.rev === rev);
}

/** What came and what went between two moments, by name. */
export function difference(
  before: Held,
  after: Held,
): { readonly gained: readonly string[]; readonly lost: readonly string[] } {
  const missingIn = (held: Held): ((entry: [string, HeldDocument]) => boolean) => {
    return ([id]) => !held.has(id);
  };
  return {
    gained: [...after].filter(missingIn(before)).map(([, held]) => nameOf(held)),
    lost: [...before].filter(missingIn(after)).map(([, held]) => nameOf(held)),
  };
}

/** The table at the end: a row for each channel of each client, and a sum for each client. */
export async function holdingsTable(
  database: TestDatabase,
  clients: readonly PouchClient[],
  world: DocumentWatch,
): Promise<string> {
  const rows = [['client', 'channel', 'documents', 'because']];
  for (const { name, watch } of clients) {
    const reasons = await reasonsOf(database, name, world.held);
    for (const { channel, because } of reasons)
      rows.push([name, channel, String(visible(watch.held, [channel]).size), because]);
    const mayHold = visible(
      world.held,
      reasons.map(({ channel }) => channel),
    );
    const verdict = areEqual(watch.held, mayHold) ? 'all that it may hold' : 'NOT what it may hold';
    const flags = [...watch.held.values()].filter(hasFlag).length;
    rows.push([name, 'together', String(watch.held.size), `${verdict}; with ${flags} flags`]);
  }
  return aligned(rows);
}

/** Where each of a user's channels comes from, as administrators and documents gave them. */
async function reasonsOf(
  database: TestDatabase,
  name: string,
  world: Held,
): Promise<readonly Reason[]> {
  const user = await getPrincipal(database, `_user/${name}`);
  const roles = await Promise.all(
    (user.roles ?? []).map((role) => getPrincipal(database, `_role/${role}`)),
  );
  return user.all_channels.flatMap((channel) =>
    sourcesOf(channel, { user, roles, world }).map((because) => ({ channel, because })),
  );
}

function sourcesOf(
  channel: string,
  { user, roles, world }: { user: Principal; roles: readonly Principal[]; world: Held },
): readonly string[] {
  if (channel === '!') return ['everybody has it'];
  const byUser = isIn(user.admin_channels ?? [])(channel) ? [`user ${user.name}`] : [];
  const byRoles = roles
    .filter((role) => isIn(role.all_channels)(channel))
    .map((role) => `role ${role.name} ← user ${user.name}`);
  const byDocuments = [...world]
    .filter(([, { doc }]) => doc['user'] === user.name && namesIn(doc['grants']).includes(channel))
    .map(([id]) => `document ${id}`);
  return [...byUser, ...byRoles, ...byDocuments];
}

function regionsOf({ doc }: HeldDocument): readonly string[] {
  return namesIn(doc['regions']);
}

function namesIn(property: unknown): readonly string[] {
  return Array.isArray(property) ? property.map(String) : [];
}

function nameOf({ doc }: HeldDocument): string {
  return String(doc['name']);
}

function hasFlag({ doc }: HeldDocument): boolean {
  return FLAG in ((doc['_attachments'] as object | undefined) ?? {});
}

function isIn(channels: readonly string[]): (channel: string) => boolean {
  return (channel) => channels.includes(channel);
}

function aligned(rows: readonly (readonly string[])[]): string {
  const width = (column: number): number =>
    Math.max(...rows.map((row) => (row[column] ?? '').length));
  return rows
    .map(([client = '', channel = '', documents = '', because = '']) =>
      [
        client.padEnd(width(0)),
        channel.padEnd(width(1)),
        documents.padStart(width(2)),
        because,
      ].join('  '),
    )
    .join('\n');
}
