import type { CheckedDatabase } from './checked-file.ts';
import { checkDatabaseFile, checkStartupFile, looksLikeDatabase } from './checked-file.ts';
import { print } from './admin-flags.ts';
import { EXIT } from './exit-codes.ts';

export interface CheckConfigFlags {
  readonly kind?: string;
  readonly name?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
}

/** Tells all that is wrong with a file, without starting a gateway; gives the exit code. */
export async function checkConfig(file: string, flags: CheckConfigFlags): Promise<number> {
  const isDatabase =
    flags.kind === undefined ? await looksLikeDatabase(file) : flags.kind === 'database';
  const { problems, warnings } = isDatabase
    ? await checkDatabaseFile(file, { name: flags.name })
    : await checkedStartup(file, flags);
  const kind = isDatabase ? 'configuration of a database' : 'start-up configuration';
  if (flags.json === true) print({ ok: problems.length === 0, kind, problems, warnings });
  else tell(file, kind, { problems, warnings });
  return problems.length === 0 ? EXIT.ok : EXIT.usage;
}

async function checkedStartup(
  file: string,
  { dataDir }: CheckConfigFlags,
): Promise<CheckedDatabase> {
  const { config, problems } = await checkStartupFile(
    file,
    dataDir === undefined ? {} : { dataDir },
  );
  return { problems, warnings: config.warnings };
}

function tell(file: string, kind: string, { problems, warnings }: CheckedDatabase): void {
  for (const warning of warnings) console.log(`warning: ${warning}`);
  if (problems.length === 0) return console.log(`${file}: a right ${kind}`);
  console.log(`${file}: a ${kind} that is wrong in ${count(problems.length)}:`);
  for (const problem of problems) console.log(`  - ${problem}`);
}

const count = (places: number): string => (places === 1 ? 'one place' : `${places} places`);
