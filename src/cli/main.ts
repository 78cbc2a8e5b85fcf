#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { productVersion } from '../config/product-version.ts';
import { EXIT } from './exit-codes.ts';
import type { ServeFlags } from './serve.ts';
import { serve } from './serve.ts';

/** Runs one command line; gives the exit code of the process. */
async function main(args: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = commandLine(async (flags) => {
    exitCode = await serve(flags);
  });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause;
    return cause.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  return exitCode;
}

function commandLine(run: (flags: ServeFlags) => Promise<void>): Command {
  const program = new Command('tidegate')
    .description('A Sync Gateway: keeps clients in sync with a document bucket.')
    .version(productVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .showHelpAfterError('(tidegate --help tells what there is)')
    .exitOverride();
  program
    .command('serve', { isDefault: true })
    .description('run the gateway until SIGTERM or SIGINT (the default)')
    .option('--config <file>', 'start-up configuration; without it, a sample database is served')
    .option('--data-dir <dir>', 'folder of the buckets: the same as bootstrap.server sqlite:DIR')
    .option('--public-interface <host:port>', 'where clients connect (127.0.0.1:4984)')
    .option('--admin-interface <host:port>', 'where administrators connect (127.0.0.1:4985)')
    .option('--metrics-interface <host:port>', 'where Prometheus asks (127.0.0.1:4986)')
    .option('--log-level <level>', 'none, error, warn, info, debug or trace')
    .addHelpText('after', HELP_AFTER)
    .action((flags: ServeFlags) => run(flags));
  return program;
}

const HELP_AFTER = `
Flags stand above environment variables (TIDEGATE_CONFIG, TIDEGATE_DATA_DIR,
TIDEGATE_PUBLIC_INTERFACE, TIDEGATE_ADMIN_INTERFACE, TIDEGATE_METRICS_INTERFACE,
TIDEGATE_LOG_LEVEL), and those above the file. docs/configuration.md tells what the file may hold.`;

// NOTE: exit, not exitCode: whatever may still hold the event loop, the gateway has stopped.
process.exit(await main(process.argv.slice(2)));
