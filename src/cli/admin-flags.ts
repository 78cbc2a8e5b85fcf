import type { Command } from 'commander';
import { DEFAULT_ADMIN } from './admin-client.ts';

/** What every command for a running gateway may be told. */
export interface AdminFlags {
  readonly admin: string;
  readonly json?: boolean;
}

export function withAdminFlags(command: Command): Command {
  return command
    .option('--admin <url>', 'the admin port', DEFAULT_ADMIN)
    .option('--json', 'answer in JSON, for programs');
}

/** What was done, for people; for programs `{}` or what is given. */
export function done(flags: AdminFlags, text: string, json: unknown = {}): void {
  if (flags.json === true) print(json);
  else console.log(text);
}

export function print(json: unknown): void {
  console.log(JSON.stringify(json, null, 2));
}
