import type { TestDatabase } from '../test/helpers/database.ts';
import { createDatabase, putUser } from '../test/helpers/database.ts';
import { request } from '../test/helpers/http.ts';
import type { Fields } from '../test/helpers/pouch.ts';
import type { GatewayProcess } from '../test/helpers/run-gateway.ts';

// The office of the demo: a database whose sync function routes countries by region, three users
// who come to their regions in three ways, and what its administrator does over REST.

/** A country goes into the channels of its regions; who has one of them may write it. */
const SYNC_FUNCTION = `function (doc, oldDoc) {
  if (doc.type === 'assignment' || (oldDoc && oldDoc.type === 'assignment')) {
    requireAdmin();
    if (!doc._deleted) access(doc.user, doc.grants);
    return;
  }
  requireAccess((oldDoc || doc).regions);
  if (!doc._deleted) requireAccess(doc.regions);
  channel(doc.regions);
}`;

export const USERS = ['ada', 'bao', 'cleo'];

/** Opens the database; Ada has her region herself, Bao by his role, Cleo by a document. */
export async function openOffice(gateway: GatewayProcess): Promise<TestDatabase> {
  const database = await createDatabase(gateway, 'world', { sync: SYNC_FUNCTION });
  const role = { admin_channels: ['asia', 'oceania'] };
  await expectOk('PUT', `${database.admin}/_role/asia-desk`, role);
  await putUser(database, 'ada', { admin_channels: ['europe'] });
  await putUser(database, 'bao', { admin_roles: ['asia-desk'] });
  await putUser(database, 'cleo', {});
  await putDocument(database, assignment(['africa']));
  return database;
}

/** The document by which Cleo comes to her regions. */
export function assignment(grants: readonly string[]): Fields {
  return { _id: 'assignment:cleo', type: 'assignment', user: 'cleo', grants };
}

/** Writes all these documents in one request. */
export async function putDocuments(
  { admin }: TestDatabase,
  docs: readonly Fields[],
): Promise<void> {
  const rows = (await expectOk('POST', `${admin}/_bulk_docs`, { docs })) as readonly Fields[];
  const refused = rows.find((row) => row['error'] !== undefined);
  if (refused !== undefined) throw new Error(`not written: ${JSON.stringify(refused)}`);
}

/** Gives the revision. A document that is there already needs its `_rev`. */
export async function putDocument({ admin }: TestDatabase, document: Fields): Promise<string> {
  const { _id: id, ...body } = document;
  const { rev } = (await expectOk('PUT', `${admin}/${String(id)}`, body)) as { rev: string };
  return rev;
}

export async function getDocument({ admin }: TestDatabase, id: string): Promise<Fields> {
  return (await expectOk('GET', `${admin}/${id}`)) as Fields;
}

/** What an administrator sees of a user or a role. */
export interface Principal {
  readonly name: string;
  readonly all_channels: readonly string[];
  readonly admin_channels?: readonly string[];
  readonly roles?: readonly string[];
}

export async function getPrincipal({ admin }: TestDatabase, path: string): Promise<Principal> {
  return (await expectOk('GET', `${admin}/${path}`)) as Principal;
}

/** Gives the answer, whose form the caller knows. */
async function expectOk(method: string, url: string, json?: unknown): Promise<unknown> {
  const answer = await request(method, url, json === undefined ? {} : { json });
  if (answer.status >= 400) throw new Error(`${method} ${url}: ${answer.status} ${answer.text}`);
  return answer.json;
}
