import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { AdminClient, CommandProblem, segment } from './admin-client.ts';
import type { AdminFlags } from './admin-flags.ts';
import { print, withAdminFlags } from './admin-flags.ts';
import { EXIT } from './exit-codes.ts';
import { readConfigFile } from './read-config-file.ts';
import { planLines, resyncLines } from './resync-lines.ts';
import type { PlanStatus, ResyncStatus } from './resync-lines.ts';
import { watchTask } from './watch-task.ts';

/** `tidegate resync …`: a changed sync function over what is stored. */
export function resyncCommand(program: Command): void {
  const resync = program
    .command('resync')
    .description('run the stored documents of a database through a changed sync function')
    .addHelpText('after', HELP_AFTER);
  withWatch(
    withFunction(
      resync
        .command('plan <database>')
        .description('find out what would change, and change nothing')
        .option('--reset', 'begin anew where a plan was stopped'),
    ),
  ).action((name: string, flags: FunctionFlags) => plan(name, flags));
  withWatch(
    withFunction(
      resync
        .command('start <database>')
        .description('start it, or go on with one that was stopped')
        .option('--online', 'the database serves meanwhile; without it, it must be offline')
        .option('--regenerate-sequences', 'every document gets a new sequence')
        .option('--reset', 'begin anew where a resync was stopped'),
    ),
  ).action((name: string, flags: StartFlags) => start(name, flags));
  withWatch(
    resync
      .command('status <database>')
      .description('where it stands, on all nodes together')
      .option('--plan', 'where the plan stands, and what it found'),
  ).action((name: string, flags: PlanFlags) => status(name, flags));
  withAdminFlags(
    resync
      .command('stop <database>')
      .description('stop it; a later start goes on')
      .option('--plan', 'stop the plan'),
  ).action((name: string, flags: PlanFlags) => stop(name, flags));
  withWatch(
    resync
      .command('undo <database>')
      .description('run the functions from before the last resync over its collections')
      .option('--online', 'with the database serving, though the last one ran offline'),
  ).action((name: string, flags: WatchFlags & { readonly online?: boolean }) => undo(name, flags));
}

const HELP_AFTER = `
Examples:
  tidegate resync plan shop --function sync.js --watch
  tidegate resync start shop --online --function sync.js --watch
  tidegate resync start shop --collection sales.orders --watch
  tidegate resync status shop --plan
  tidegate resync undo shop

--watch shows how far it is until it ends; to interrupt that does not stop it.
Exit codes: 0 done, 1 the gateway refused it or does not answer, or what was watched did not
complete, 2 the command line is wrong.`;

type WatchFlags = AdminFlags & { readonly watch?: boolean };
type PlanFlags = WatchFlags & { readonly plan?: boolean };
type FunctionFlags = WatchFlags & {
  readonly function?: string;
  readonly collection?: readonly string[];
  readonly reset?: boolean;
};
type StartFlags = FunctionFlags & {
  readonly online?: boolean;
  readonly regenerateSequences?: boolean;
};

function withWatch(command: Command): Command {
  return withAdminFlags(command).option('--watch', 'show how far it is, until it ends');
}

function withFunction(command: Command): Command {
  return command
    .option('--function <file>', 'the new sync function; without it, the configured one')
    .option('--collection <scope.collection>', 'only that one; may be repeated', collection);
}

async function plan(name: string, flags: FunctionFlags): Promise<void> {
  const path = pathOf(name, { action: 'plan', reset: flags.reset });
  await begin(flags, { path, json: await bodyOf(flags), what: 'plan', of: name });
}

async function start(name: string, flags: StartFlags): Promise<void> {
  const path = pathOf(name, { action: 'start', reset: flags.reset });
  const json = {
    ...(await bodyOf(flags)),
    ...(flags.online === true ? { online: true } : {}),
    ...(flags.regenerateSequences === true ? { regenerate_sequences: true } : {}),
  };
  await begin(flags, { path, json, what: 'resync', of: name });
}

async function undo(
  name: string,
  flags: WatchFlags & { readonly online?: boolean },
): Promise<void> {
  const json = flags.online === true ? { online: true } : {};
  const path = pathOf(name, { action: 'undo' });
  await begin(flags, { path, json, what: 'resync', of: name });
}

async function status(name: string, flags: PlanFlags): Promise<void> {
  const what = flags.plan === true ? 'plan' : 'resync';
  if (flags.watch === true) return watched(flags, { what, of: name });
  tell(flags, what, await read(new AdminClient(flags.admin), what, name));
}

async function stop(name: string, flags: PlanFlags): Promise<void> {
  const what = flags.plan === true ? 'plan' : 'resync';
  const client = new AdminClient(flags.admin);
  const path = pathOf(name, { action: 'stop', plan: flags.plan });
  await client.send({ method: 'POST', path });
  tell(flags, what, await read(client, what, name));
}

type Status = ResyncStatus | PlanStatus;
type What = 'plan' | 'resync';

async function begin(
  flags: WatchFlags,
  { path, json, what, of }: { path: string; json: unknown; what: What; of: string },
): Promise<void> {
  const client = new AdminClient(flags.admin);
  await client.send({ method: 'POST', path, json });
  if (flags.watch === true) return watched(flags, { what, of });
  tell(flags, what, await read(client, what, of));
}

async function watched(
  flags: WatchFlags,
  { what, of }: { readonly what: What; readonly of: string },
): Promise<void> {
  const client = new AdminClient(flags.admin);
  const end = await watchTask(() => read(client, what, of));
  tell(flags, what, end);
  if (end.status === 'completed') return;
  const why = end.last_error === '' ? '' : `: ${end.last_error}`;
  throw new CommandProblem(`the ${what} has ended as ${end.status}${why}`);
}

async function read(client: AdminClient, what: What, name: string): Promise<Status> {
  const query = what === 'plan' ? 'action=plan' : 'verbose=true';
  const path = `/${segment(name)}/_resync?${query}`;
  return (await client.send({ method: 'GET', path })).json as Status;
}

function tell(flags: AdminFlags, what: What, told: Status): void {
  if (flags.json === true) return print(told);
  const lines = what === 'plan' ? planLines(told as PlanStatus) : resyncLines(told as ResyncStatus);
  for (const line of lines) console.log(line);
}

function pathOf(
  name: string,
  query: Readonly<Record<string, string | boolean | undefined>>,
): string {
  const given = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, String(value)] as [string, string]],
  );
  return `/${segment(name)}/_resync?${new URLSearchParams(given)}`;
}

async function bodyOf(flags: FunctionFlags): Promise<Readonly<Record<string, unknown>>> {
  const { function: file, collection: names } = flags;
  if (file !== undefined && names !== undefined && names.length > 1)
    throw new CommandProblem('--function: is for one --collection', EXIT.usage);
  const scopes: Record<string, string[]> = {};
  for (const name of names ?? []) {
    const [scope = '', inner = ''] = name.split('.');
    (scopes[scope] ??= []).push(inner);
  }
  return {
    ...(names === undefined ? {} : { scopes }),
    ...(file === undefined ? {} : { sync: await readConfigFile(file) }),
  };
}

function collection(text: string, before: readonly string[] = []): readonly string[] {
  if (!/^[^.]+\.[^.]+$/u.test(text))
    throw new InvalidArgumentError('it is no scope.collection such as _default._default.');
  return [...before, text];
}
