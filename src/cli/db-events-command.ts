import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { AdminClient, segment } from './admin-client.ts';
import type { AdminFlags } from './admin-flags.ts';
import { done, print, withAdminFlags } from './admin-flags.ts';
import { table } from './table.ts';

interface HandlerStatus {
  readonly id: string;
  readonly url: string;
  readonly position?: number;
  readonly lag?: number;
  readonly waiting?: number;
  readonly dead_letters: number;
  readonly last_error?: { readonly reason: string };
}

interface DeadLetter {
  readonly id: string;
  readonly event: string;
  readonly handler: string;
  readonly doc?: string;
  readonly attempts: number;
  readonly reason: string;
  readonly last_attempt: string;
}

/** `tidegate db events …`: the webhooks of one database. */
export function eventsCommand(db: Command): void {
  const events = db.command('events').description('the webhooks of a database');
  withAdminFlags(
    events.command('status <database>').description('where each webhook stands'),
  ).action((name: string, flags: AdminFlags) => status(name, flags));
  withAdminFlags(
    events.command('dead-letters <database>').description('events that were given up'),
  ).action((name: string, flags: AdminFlags) => deadLetters(name, flags));
  withAdminFlags(
    events.command('resend <database> <id>').description('send a dead letter once more'),
  ).action(async (name: string, id: string, flags: AdminFlags) => {
    const path = `${pathOf(name)}/dead_letters/${segment(id)}/resend`;
    await new AdminClient(flags.admin).send({ method: 'POST', path });
    done(flags, `${id} was accepted`);
  });
  withAdminFlags(events.command('drop <database> <id>').description('forget a dead letter')).action(
    async (name: string, id: string, flags: AdminFlags) => {
      const path = `${pathOf(name)}/dead_letters/${segment(id)}`;
      await new AdminClient(flags.admin).send({ method: 'DELETE', path });
      done(flags, `${id} is forgotten`);
    },
  );
  withAdminFlags(
    events
      .command('replay <database>')
      .description('tell a webhook again of every document that changed after a sequence')
      .requiredOption('--from <sequence>', 'the sequence', sequence)
      .option('--handler <id>', 'which webhook; may be left out where there is one'),
  ).action((name: string, flags: AdminFlags & ReplayFlags) => replay(name, flags));
}

interface ReplayFlags {
  readonly from: number;
  readonly handler?: string;
}

const pathOf = (name: string): string => `/${segment(name)}/_events`;

async function status(name: string, flags: AdminFlags): Promise<void> {
  const { json } = await new AdminClient(flags.admin).send({ method: 'GET', path: pathOf(name) });
  if (flags.json === true) return print(json);
  const { document_changed: documents = [], db_state_changed: states = [] } = json as {
    readonly document_changed?: readonly HandlerStatus[];
    readonly db_state_changed?: readonly HandlerStatus[];
  };
  const rows = [
    ...documents.map((it) => rowOf('document_changed', it)),
    ...states.map((it) => rowOf('db_state_changed', it)),
  ];
  if (rows.length === 0) return console.log(`${name} has no webhooks`);
  const titles = ['event', 'id', 'url', 'position', 'lag', 'waiting', 'dead', 'last error'];
  for (const line of table(titles, rows)) console.log(line);
}

function rowOf(event: string, it: HandlerStatus): readonly string[] {
  const { id, url, position = '', lag = '', waiting = '', dead_letters: dead } = it;
  const numbers = [position, lag, waiting, dead].map(String);
  return [event, id, url, ...numbers, it.last_error?.reason ?? ''];
}

async function deadLetters(name: string, flags: AdminFlags): Promise<void> {
  const path = `${pathOf(name)}/dead_letters`;
  const { json } = await new AdminClient(flags.admin).send({ method: 'GET', path });
  if (flags.json === true) return print(json);
  const { dead_letters: letters } = json as { readonly dead_letters: readonly DeadLetter[] };
  if (letters.length === 0) return console.log(`${name} has no dead letters`);
  const rows = letters.map((it) => {
    const { id, event, handler, doc = '', attempts, reason, last_attempt: at } = it;
    return [id, event, handler, doc, String(attempts), at, reason];
  });
  const titles = ['id', 'event', 'handler', 'document', 'attempts', 'last attempt', 'why'];
  for (const line of table(titles, rows)) console.log(line);
}

async function replay(name: string, flags: AdminFlags & ReplayFlags): Promise<void> {
  const handler = flags.handler === undefined ? '' : `&handler=${segment(flags.handler)}`;
  const path = `${pathOf(name)}/replay?from=${flags.from}${handler}`;
  const { json } = await new AdminClient(flags.admin).send({ method: 'POST', path });
  done(flags, `the webhook is told of all that changed after ${flags.from}`, json);
}

function sequence(text: string): number {
  if (!/^\d{1,15}$/u.test(text)) throw new InvalidArgumentError('it is no sequence.');
  return Number(text);
}
