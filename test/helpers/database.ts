import assert from 'node:assert/strict';
import type { GatewayProcess } from './run-gateway.ts';
import { request } from './http.ts';

/** A database of a gateway: where it is on each port. */
export interface TestDatabase {
  readonly public: string;
  readonly admin: string;
}

export async function createDatabase(
  { urls }: Pick<GatewayProcess, 'urls'>,
  name: string,
  config: Readonly<Record<string, unknown>>,
): Promise<TestDatabase> {
  const created = await request('PUT', `${urls.admin}/${name}/`, { json: config });
  assert.equal(created.status, 201, created.text);
  return { public: `${urls.public}/${name}`, admin: `${urls.admin}/${name}` };
}

/** A user with the password `letmein`, or another state of that user. */
export async function putUser(
  database: Pick<TestDatabase, 'admin'>,
  name: string,
  access: { readonly admin_channels?: readonly string[]; readonly admin_roles?: readonly string[] },
): Promise<void> {
  const answer = await request('PUT', `${database.admin}/_user/${name}`, {
    json: { password: PASSWORD, ...access },
  });
  assert.ok(answer.status === 200 || answer.status === 201, answer.text);
}

export const PASSWORD = 'letmein';
