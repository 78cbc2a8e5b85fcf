import type { FileDatabase } from '../config/file-databases.ts';
import type { DatabaseConfig } from '../config/database-config.ts';
import { collectionsOf, DEFAULT_COLLECTION } from '../config/scopes.ts';
import { checkPassword } from '../principals/passwords.ts';
import type { PrincipalInput, UserInput } from '../principals/principal-input.ts';
import { parseRoleInput, parseUserInput } from '../principals/principal-input.ts';
import { isValidPrincipalName } from '../principals/principal-name.ts';
import type { RoleView, UserView } from '../principals/principal-view.ts';
import type { Principals } from '../principals/principals.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';

/**
 * `users` and `roles` of a start-up file. What the file says of one rules: it is set again at each
 * start and reload, where it differs. Those that it does not name, and what it does not say of
 * those that it names, stay.
 */
type FilePrincipals = Pick<FileDatabase, 'users' | 'roles'>;

/** Every mistake, each beginning with its path in the database's configuration. */
export function principalProblems(
  { users, roles }: FilePrincipals,
  config: DatabaseConfig,
): readonly string[] {
  const served = new Set([DEFAULT_COLLECTION]);
  for (const { fullName } of collectionsOf(config)) served.add(fullName);
  const problems: string[] = [];
  const check = (path: string, name: string, parse: () => PrincipalInput): void => {
    try {
      if (!isValidPrincipalName(name)) problems.push(`${path}: is no name of a user or role`);
      const input = parse();
      if (input.name !== undefined && input.name !== name)
        problems.push(`${path}.name: must be ${name}, or be left out`);
      for (const collection of input.adminChannels.keys())
        if (!served.has(collection))
          problems.push(`${path}.collection_access: the database has no collection ${collection}`);
    } catch (cause) {
      if (!isGatewayError(cause, 'badRequest')) throw cause;
      problems.push(`${path}: ${cause.message}`);
    }
  };
  for (const [name, value] of Object.entries(roles))
    check(`roles.${name}`, name, () => parseRoleInput(value));
  for (const [name, value] of Object.entries(users))
    check(`users.${name}`, name, () => checkedUser(value, config.allow_empty_password));
  return problems;
}

function checkedUser(value: unknown, mayBeEmpty: boolean): UserInput {
  const input = parseUserInput(value);
  const { password = '' } = input;
  if (password !== '') checkPassword(password);
  else if (!mayBeEmpty) throw new GatewayError('badRequest', 'a password is required');
  return input;
}

/** Creates and changes what is not as the file says. Throws what `Principals` throws. */
export async function applyPrincipals(
  principals: Principals,
  { users, roles }: FilePrincipals,
): Promise<void> {
  for (const [name, value] of Object.entries(roles)) {
    const now = await orAbsent(principals.getRole(name));
    if (now === undefined || !hasChannels(now, parseRoleInput(value)))
      await principals.putRole(name, value);
  }
  for (const [name, value] of Object.entries(users)) {
    const now = await orAbsent(principals.getUser(name));
    const input = parseUserInput(value);
    if (now === undefined || !(await isAsInput(principals, now, input)))
      await principals.putUser(name, value);
  }
}

async function isAsInput(
  principals: Principals,
  now: UserView,
  input: UserInput,
): Promise<boolean> {
  const { email, disabled, adminRoles, password } = input;
  if (email !== undefined && email !== now.email) return false;
  if (disabled !== undefined && disabled !== now.disabled) return false;
  if (adminRoles !== undefined && !isSame(adminRoles, now.admin_roles)) return false;
  if (!hasChannels(now, input)) return false;
  // NOTE: a new hash of the same password would end the user's sessions.
  return (
    password === undefined || (await principals.verifyPassword(now.name, password)) !== undefined
  );
}

function hasChannels(now: UserView | RoleView, { adminChannels }: PrincipalInput): boolean {
  for (const [fullName, channels] of adminChannels) {
    const dot = fullName.indexOf('.');
    const inCollection = now.collection_access?.[fullName.slice(0, dot)]?.[fullName.slice(dot + 1)];
    const has = fullName === DEFAULT_COLLECTION ? now.admin_channels : inCollection?.admin_channels;
    if (!isSame(channels, has)) return false;
  }
  return true;
}

function isSame(names: readonly string[], others: readonly string[] = []): boolean {
  return names.length === others.length && names.every((name, index) => name === others[index]);
}

async function orAbsent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (cause) {
    if (isGatewayError(cause, 'missing')) return undefined;
    throw cause;
  }
}
