#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander';
import { productVersion } from '../config/product-version.ts';
import { CommandProblem, DEFAULT_ADMIN } from './admin-client.ts';
import type { CheckConfigFlags } from './check-config.ts';
import { dbCommand } from './db-command.ts';
import { EXIT } from './exit-codes.ts';
import type { ConfigFlags } from './load-config.ts';
import { resyncCommand } from './resync-command.ts';
import { serve } from './serve.ts';
import { startProblem } from './start-problem.ts';
import type { UpgradeFlags } from './upgrade-config.ts';

/** Runs one command line; gives the exit code of the process. */
async function main(args: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = commandLine((code) => (exitCode = code));
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (cause) {
    if (cause instanceof CommanderError) return cause.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const problem = cause instanceof CommandProblem ? cause : undefined;
    const started = startProblem(cause);
    if (problem === undefined && started === undefined) throw cause;
    for (const line of started?.lines ?? [problem?.message]) console.error(`tidegate: ${line}`);
    return problem?.exitCode ?? started?.exitCode ?? EXIT.failed;
  }
  return exitCode;
}

function commandLine(endsWith: (exitCode: number) => void): Command {
  const program = new Command('tidegate')
    .description('A Sync Gateway: keeps clients in sync with a document bucket.')
    .version(productVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .showHelpAfterError('(tidegate --help tells what there is)')
    .exitOverride();
  serveCommand(program, endsWith);
  checkCommand(program, endsWith);
  upgradeCommand(program, endsWith);
  dbCommand(program);
  resyncCommand(program);
  return program;
}

function serveCommand(program: Command, endsWith: (exitCode: number) => void): void {
  program
    .command('serve', { isDefault: true })
    .description('run the gateway until SIGTERM or SIGINT (the default)')
    .option('--config <file>', 'start-up configuration; without it, a sample database is served')
    .option('--data-dir <dir>', 'folder of the buckets: the same as bootstrap.server sqlite:DIR')
    .option('--public-interface <host:port>', 'where clients connect (127.0.0.1:4984)')
    .option('--admin-interface <host:port>', 'where administrators connect (127.0.0.1:4985)')
    .option('--metrics-interface <host:port>', 'where Prometheus asks (127.0.0.1:4986)')
    .option('--log-level <level>', 'none, error, warn, info, debug or trace')
    .option('--disable-persistent-config', 'databases live on this node and in its file only')
    .addHelpText('after', HELP_AFTER)
    .action(async (flags: ConfigFlags) => endsWith(await serve(flags)));
}

// NOTE: what the next two need is loaded when they run, so that --help is answered at once.

function checkCommand(program: Command, endsWith: (exitCode: number) => void): void {
  program
    .command('check-config <file>')
    .description('tell all that is wrong with a configuration, without starting')
    .addOption(
      new Option('--kind <kind>', 'what the file is (default: told by its properties)').choices([
        'startup',
        'database',
      ]),
    )
    .option('--name <database>', 'of a database’s configuration: the name it is for')
    .option('--data-dir <dir>', 'as for serve: it stands above servers that the file names')
    .option('--json', 'answer in JSON, for programs')
    .addHelpText('after', CHECK_HELP_AFTER)
    .action(async (file: string, flags: CheckConfigFlags) => {
      const { checkConfig } = await import('./check-config.ts');
      endsWith(await checkConfig(file, flags));
    });
}

function upgradeCommand(program: Command, endsWith: (exitCode: number) => void): void {
  program
    .command('upgrade-config <file>')
    .description('turn a file of the older form (databases: …) into what is used now')
    .option('--out <file>', 'write the start-up file there, and one for each database beside it')
    .option('--apply', 'make the databases, roles and users on a running gateway')
    .option('--admin <url>', 'its admin port', DEFAULT_ADMIN)
    .option('--data-dir <dir>', 'folder of the buckets, instead of the servers that the file names')
    .addHelpText('after', UPGRADE_HELP_AFTER)
    .action(async (file: string, flags: UpgradeFlags) => {
      const { upgradeConfig } = await import('./upgrade-config.ts');
      endsWith(await upgradeConfig(file, flags));
    });
}

const HELP_AFTER = `
Flags stand above environment variables (TIDEGATE_CONFIG, TIDEGATE_DATA_DIR,
TIDEGATE_PUBLIC_INTERFACE, TIDEGATE_ADMIN_INTERFACE, TIDEGATE_METRICS_INTERFACE,
TIDEGATE_LOG_LEVEL), and those above the file. docs/configuration.md tells what the file may hold.`;

const CHECK_HELP_AFTER = `
The file is a start-up configuration, of the older form too, or the body of PUT /{db}/.
Functions are compiled, and read from where the file says that they are.

Examples:
  tidegate check-config /etc/tidegate.json
  tidegate check-config shop.json --kind database --name shop

Exit codes: 0 it is right, 1 it could not be checked, 2 it is wrong or cannot be read.`;

const UPGRADE_HELP_AFTER = `
Without --out and --apply it only shows what would be made. docs/migration.md tells the steps.

Examples:
  tidegate upgrade-config old.json --data-dir /var/lib/tidegate
  tidegate upgrade-config old.json --data-dir /var/lib/tidegate --out tidegate.json
  tidegate upgrade-config old.json --data-dir /var/lib/tidegate --apply

Exit codes: 0 done, 1 the gateway refused it or does not answer, 2 the file is wrong.`;

// NOTE: exit, not exitCode: whatever may still hold the event loop, the gateway has stopped.
process.exit(await main(process.argv.slice(2)));
