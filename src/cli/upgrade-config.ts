import { writeFile } from 'node:fs/promises';
import { givenConfigAnswer } from '../config/config-answer.ts';
import type { JsonObject } from '../config/check-table.ts';
import { objectAt } from '../config/check-table.ts';
import type { FileDatabase } from '../config/file-databases.ts';
import { AdminClient, CommandProblem, DEFAULT_ADMIN, segment } from './admin-client.ts';
import type { CheckedStartup } from './checked-file.ts';
import { checkStartupFile } from './checked-file.ts';
import { EXIT } from './exit-codes.ts';

export interface UpgradeFlags {
  readonly out?: string;
  readonly apply?: boolean;
  readonly admin?: string;
  readonly dataDir?: string;
}

/**
 * From the older form of a start-up file to the newer one and a configuration for each database;
 * gives the exit code. Without `apply` nothing but the files of `out` is changed.
 */
export async function upgradeConfig(file: string, flags: UpgradeFlags): Promise<number> {
  const { dataDir } = flags;
  const checked = await checkStartupFile(file, dataDir === undefined ? {} : { dataDir });
  if (checked.problems.length > 0) {
    console.error(`tidegate: ${file} is wrong; nothing was done:`);
    for (const problem of checked.problems) console.error(`  - ${problem}`);
    return EXIT.usage;
  }
  for (const warning of checked.config.warnings) console.log(`warning: ${warning}`);
  const startup = newerStartup(checked);
  if (flags.out === undefined) showPlan(startup, checked.databases);
  else await writeFiles(flags.out, startup, checked.databases);
  if (flags.apply !== true) return EXIT.ok;
  await apply(new AdminClient(flags.admin ?? DEFAULT_ADMIN), checked.databases);
  return EXIT.ok;
}

/** What the file says beside its databases, by the newer names. */
function newerStartup({ config }: CheckedStartup): JsonObject {
  const { disable_persistent_config: _, ...given } = config.given;
  return {
    ...given,
    bootstrap: { ...objectAt(given, 'bootstrap'), server: config.bootstrap.server },
  };
}

function showPlan(startup: JsonObject, databases: readonly FileDatabase[]): void {
  console.log('The start-up file (--out FILE writes it):');
  console.log(JSON.stringify(startup, null, 2));
  for (const database of databases) {
    const { name, bucket, given, users, roles } = database;
    console.log(
      `\nThe database ${name} in the bucket ${bucket}, as PUT /${segment(name)}/ takes it:`,
    );
    console.log(JSON.stringify(givenConfigAnswer(given, { name, bucket }), null, 2));
    for (const [what, names] of [
      ['roles', roles],
      ['users', users],
    ] as const)
      if (Object.keys(names).length > 0)
        console.log(`${what} that --apply makes: ${Object.keys(names).join(', ')}`);
  }
  console.log('\n--apply makes them on a running gateway that was started with the start-up file.');
}

/** None that is there is written over. */
async function writeFiles(
  out: string,
  startup: JsonObject,
  databases: readonly FileDatabase[],
): Promise<void> {
  const stem = out.replace(/\.json$/u, '');
  const files: readonly (readonly [string, JsonObject])[] = [
    [out, startup],
    ...databases.map(
      ({ name, bucket, given }) =>
        [`${stem}.${segment(name)}.json`, { ...given, name, bucket }] as const,
    ),
  ];
  for (const [file, json] of files) {
    try {
      // NOTE: there may be secrets in it.
      await writeFile(file, `${JSON.stringify(json, null, 2)}\n`, { flag: 'wx', mode: 0o600 });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new CommandProblem(`cannot write ${file}: ${why}`, EXIT.usage);
    }
    console.log(`written: ${file}`);
  }
  for (const { name, users, roles } of databases)
    if (Object.keys({ ...users, ...roles }).length > 0)
      console.log(`note: users and roles of ${name} are in no file; --apply makes them`);
}

/** May be done again: what is there already is left as it is, users and roles are set. */
async function apply(client: AdminClient, databases: readonly FileDatabase[]): Promise<void> {
  const welcome = await client.send({ method: 'GET', path: '/' });
  const { persistent_config: isPersistent } = (welcome.json ?? {}) as Record<string, unknown>;
  if (isPersistent === false)
    throw new CommandProblem(
      'this gateway has its databases from a file: start it with the new start-up file first',
    );
  for (const { name, bucket, given, users, roles } of databases) {
    const path = `/${segment(name)}`;
    const exists = (await client.try({ method: 'GET', path: `${path}/_config` })).status < 400;
    if (!exists) await client.send({ method: 'PUT', path: `${path}/`, json: { ...given, bucket } });
    console.log(
      exists ? `${name} is there already, and stays as it is configured` : `${name} was made`,
    );
    for (const [role, json] of Object.entries(roles))
      await client.send({ method: 'PUT', path: `${path}/_role/${segment(role)}`, json });
    for (const [user, json] of Object.entries(users))
      await client.send({ method: 'PUT', path: `${path}/_user/${segment(user)}`, json });
    const [r, u] = [Object.keys(roles).length, Object.keys(users).length];
    if (r + u > 0) console.log(`  ${r} roles and ${u} users were set`);
  }
}
