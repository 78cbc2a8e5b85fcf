import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { AdminClient, CommandProblem, segment } from './admin-client.ts';
import type { AdminFlags } from './admin-flags.ts';
import { done, print, withAdminFlags } from './admin-flags.ts';
import { configCommand } from './db-config-command.ts';
import { eventsCommand } from './db-events-command.ts';
import { table } from './table.ts';

interface Stated {
  readonly db_name: string;
  readonly bucket: string;
  readonly state: string;
  readonly state_since?: string;
  readonly state_reason?: string;
  readonly online_at?: string;
}

/** Requests at one time. */
const TOGETHER_MAX = 8;

/** `tidegate db …`: what the admin port does, from the command line. */
export function dbCommand(program: Command): void {
  const db = program
    .command('db')
    .description('look at and change the databases of a running gateway, over its admin port')
    .addHelpText('after', HELP_AFTER);
  withAdminFlags(db.command('list').description('all databases, with their states')).action(
    (flags: AdminFlags) => list(flags),
  );
  withAdminFlags(
    db
      .command('offline <database>')
      .description('take a database offline: feeds end, open requests finish')
      .option('--node-only', 'on this node alone, not on all that share its configuration'),
  ).action((name: string, flags: AdminFlags & ScopeFlags) => goOffline(name, flags));
  withAdminFlags(
    db
      .command('online <database>')
      .description('bring a database online')
      .option('--delay <seconds>', 'in so many seconds', seconds)
      .option('--node-only', 'on this node alone'),
  ).action((name: string, flags: AdminFlags & ScopeFlags & { readonly delay?: number }) =>
    goOnline(name, flags),
  );
  withAdminFlags(
    db.command('reload').description('read the start-up file again, as SIGHUP does'),
  ).action((flags: AdminFlags) => reload(flags));
  configCommand(db);
  eventsCommand(db);
}

const HELP_AFTER = `
Examples:
  tidegate db list
  tidegate db offline shop
  tidegate db online shop --delay 5
  tidegate db config history shop
  tidegate db config rollback shop 3
  tidegate db events status shop
  tidegate db list --admin http://127.0.0.1:5985 --json

Exit codes: 0 done, 1 the gateway refused it or does not answer, 2 the command line is wrong.`;

interface ScopeFlags {
  readonly nodeOnly?: boolean;
}

async function list({ admin, json = false }: AdminFlags): Promise<void> {
  const client = new AdminClient(admin);
  const listed = (await client.send({ method: 'GET', path: '/_all_dbs?verbose=true' }))
    .json as readonly Stated[];
  const all: Stated[] = [];
  for (let from = 0; from < listed.length; from += TOGETHER_MAX)
    all.push(
      ...(await Promise.all(
        listed.slice(from, from + TOGETHER_MAX).map((it) => withState(client, it)),
      )),
    );
  if (json) return print(all);
  if (all.length === 0) return console.log('there are no databases');
  const rows = all.map((it) => [
    it.db_name,
    it.bucket,
    it.state,
    it.state_since ?? '',
    it.online_at === undefined ? (it.state_reason ?? '') : `comes online at ${it.online_at}`,
  ]);
  for (const line of table(['database', 'bucket', 'state', 'since', 'why'], rows))
    console.log(line);
}

async function withState(client: AdminClient, listed: Stated): Promise<Stated> {
  const path = `/${segment(listed.db_name)}/?verbose=true`;
  const { status, json } = await client.try({ method: 'GET', path });
  if (status >= 400 || typeof json !== 'object' || json === null) return listed;
  const { state, state_since, state_reason, online_at } = json as Stated;
  return {
    ...listed,
    state,
    ...(state_since === undefined ? {} : { state_since }),
    ...(state_reason === undefined ? {} : { state_reason }),
    ...(online_at === undefined ? {} : { online_at }),
  };
}

async function goOffline(name: string, flags: AdminFlags & ScopeFlags): Promise<void> {
  await new AdminClient(flags.admin).send({
    method: 'POST',
    path: `/${segment(name)}/_offline${scopeOf(flags)}`,
  });
  done(flags, `${name} is offline`);
}

async function goOnline(
  name: string,
  flags: AdminFlags & ScopeFlags & { readonly delay?: number },
): Promise<void> {
  const { delay = 0 } = flags;
  const client = new AdminClient(flags.admin);
  await client.send({
    method: 'POST',
    path: `/${segment(name)}/_online${scopeOf(flags)}`,
    json: { delay },
  });
  if (delay > 0) return done(flags, `${name} comes online in ${delay} s`);
  const { json } = await client.send({ method: 'GET', path: `/${segment(name)}/?verbose=true` });
  const { state, state_reason: why = '' } = json as Stated;
  if (state !== 'Online') throw new CommandProblem(`${name} is ${state.toLowerCase()}: ${why}`);
  done(flags, `${name} is online`);
}

async function reload(flags: AdminFlags): Promise<void> {
  const { json } = await new AdminClient(flags.admin).send({
    method: 'POST',
    path: '/_config/reload',
  });
  if (flags.json === true) return print(json);
  const { databases, restart_needed: restart } = json as {
    readonly databases: Readonly<Record<string, readonly string[]>>;
    readonly restart_needed: readonly string[];
  };
  for (const [what, names] of Object.entries(databases))
    if (names.length > 0) console.log(`${what}: ${names.join(', ')}`);
  if (Object.values(databases).every((names) => names.length === 0))
    console.log('no database has changed');
  if (restart.length > 0) console.log(`acts after a restart only: ${restart.join(', ')}`);
}

const scopeOf = ({ nodeOnly = false }: ScopeFlags): string => (nodeOnly ? '?scope=node' : '');

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0))
    throw new InvalidArgumentError('it is no number of seconds.');
  return value;
}
