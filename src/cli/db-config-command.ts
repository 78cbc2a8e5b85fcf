import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { parseConfigText } from '../config/config-text.ts';
import { AdminClient, segment } from './admin-client.ts';
import type { AdminFlags } from './admin-flags.ts';
import { done, print, withAdminFlags } from './admin-flags.ts';
import { readConfigFile } from './read-config-file.ts';
import { table } from './table.ts';

interface Version {
  readonly version: number;
  readonly current: boolean;
  readonly updated_at: string;
  readonly etag: string;
  readonly changed: readonly string[];
}

/** `tidegate db config …`: the configuration of one database. */
export function configCommand(db: Command): void {
  const config = db.command('config').description('the configuration of a database');
  withAdminFlags(
    config
      .command('get <database>')
      .description('print it as it was given, secrets hidden')
      .option('--runtime', 'with every default')
      .option('--version-number <n>', 'as it was in that version', wholeNumber),
  ).action((name: string, flags: GetFlags) => get(name, flags));
  withAdminFlags(
    config
      .command('set <database> <file>')
      .description('replace it by that of a file; comments and backticks are understood')
      .option('--merge', 'change only what the file names')
      .option('--if-match <etag>', 'only where nobody else has changed it since'),
  ).action((name: string, file: string, flags: SetFlags) => set(name, file, flags));
  withAdminFlags(
    config.command('history <database>').description('the versions that are kept'),
  ).action((name: string, flags: AdminFlags) => history(name, flags));
  withAdminFlags(
    config
      .command('rollback <database>')
      .description('give it the configuration of an earlier version')
      .argument('<version>', 'its number, of the history', wholeNumber),
  ).action((name: string, version: number, flags: AdminFlags) => rollback(name, version, flags));
}

type GetFlags = AdminFlags & { readonly runtime?: boolean; readonly versionNumber?: number };
type SetFlags = AdminFlags & { readonly merge?: boolean; readonly ifMatch?: string };

async function get(name: string, flags: GetFlags): Promise<void> {
  const client = new AdminClient(flags.admin);
  const { versionNumber } = flags;
  if (versionNumber === undefined) {
    const path = `/${segment(name)}/_config${flags.runtime === true ? '?include_runtime=true' : ''}`;
    return print((await client.send({ method: 'GET', path })).json);
  }
  const path = `/${segment(name)}/_config/history?version=${versionNumber}`;
  const { json } = await client.send({ method: 'GET', path });
  print((json as { readonly config: unknown }).config);
}

async function set(name: string, file: string, flags: SetFlags): Promise<void> {
  const json = parseConfigText(await readConfigFile(file));
  const { etag } = await new AdminClient(flags.admin).send({
    method: flags.merge === true ? 'POST' : 'PUT',
    path: `/${segment(name)}/_config`,
    json,
    ...(flags.ifMatch === undefined ? {} : { headers: { 'If-Match': flags.ifMatch } }),
  });
  done(flags, `${name} has the configuration of ${file}`, { etag });
}

async function history(name: string, flags: AdminFlags): Promise<void> {
  const path = `/${segment(name)}/_config/history`;
  const { json } = await new AdminClient(flags.admin).send({ method: 'GET', path });
  const { versions } = json as { readonly versions: readonly Version[] };
  if (flags.json === true) return print(json);
  const rows = versions.map(({ version, current, updated_at: at, changed }) => [
    `${version}${current ? ' (now)' : ''}`,
    at,
    changed.join(', '),
  ]);
  for (const line of table(['version', 'since', 'changed'], rows)) console.log(line);
}

async function rollback(name: string, version: number, flags: AdminFlags): Promise<void> {
  const path = `/${segment(name)}/_config/rollback?to=${version}`;
  const { etag } = await new AdminClient(flags.admin).send({ method: 'POST', path });
  done(flags, `${name} has the configuration of version ${version}`, { etag });
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,11}$/u.test(text))
    throw new InvalidArgumentError('it is no whole number from 1.');
  return Number(text);
}
