import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../config/check-table.ts';
import { readDatabaseConfig } from '../config/database-config.ts';
import type { Environment } from '../config/environment.ts';
import type { FileDatabase } from '../config/file-databases.ts';
import { configurationError } from '../config/findings.ts';
import { noFindings } from '../config/check-table.ts';
import type { ReadText } from '../config/function-places.ts';
import { inlineFunctions, isFilePath, isUrl } from '../config/function-places.ts';
import { claimedCollections } from '../config/scopes.ts';
import type { Log } from '../observability/log.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { GatewayError, isGatewayError } from '../util/errors.ts';
import { functionProblems } from './checked-config.ts';
import { applyPrincipals, principalProblems } from './file-principals.ts';
import type { DatabaseRegistry } from './registry.ts';

export interface CheckingFile {
  readonly sandbox: Sandbox;
  /** Reads functions of which the file names the place. */
  readonly read: ReadText;
  /** What `${NAME}` stands for; undefined: itself. */
  readonly variables: Environment | undefined;
}

export interface CheckedFile {
  /** With their functions in them. */
  readonly databases: readonly FileDatabase[];
  readonly problems: readonly string[];
}

/** What a reload did, by names of databases. */
export interface FileChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/**
 * Reads the functions of the file's databases, compiles them, and looks at the users and roles: all
 * that can be known to be wrong before something is changed.
 */
export async function checkFileDatabases(
  databases: readonly FileDatabase[],
  { sandbox, read, variables }: CheckingFile,
): Promise<CheckedFile> {
  const checked: FileDatabase[] = [];
  const problems: string[] = [];
  for (const database of databases) {
    const { name } = database;
    const tell = (problem: string): void => void problems.push(`databases.${name}.${problem}`);
    const inlined = await inlineFunctions(
      database.given,
      read,
      (text) => isUrl(text) || isFilePath(text),
    );
    for (const problem of inlined.problems) tell(problem);
    // What is wrong with the rest was told when the file was read.
    const { config } = readDatabaseConfig(inlined.given, { name, variables }).parsed;
    for (const problem of principalProblems(database, config)) tell(problem);
    // NOTE: what could not be read is no function, which has been told.
    if (inlined.problems.length === 0)
      for (const problem of await functionProblems(config, sandbox)) tell(problem);
    checked.push({ ...database, given: inlined.given });
  }
  return { databases: checked, problems };
}

/**
 * The databases of the start-up file on this node. Those that were made over REST are not touched,
 * and neither is one whose part of the file has not changed: what was changed of it over REST holds
 * until the process ends.
 */
export class LocalDatabases {
  readonly #registry: DatabaseRegistry;
  readonly #log: Log;
  /** As the file had them when it was last applied. */
  #applied = new Map<string, FileDatabase>();

  constructor({ registry, log }: { readonly registry: DatabaseRegistry; readonly log: Log }) {
    this.#registry = registry;
    this.#log = log.with({ key: 'Config' });
  }

  /** At the start: one that cannot be served is told in the log and left out. */
  async load(databases: readonly FileDatabase[]): Promise<void> {
    for (const database of databases) {
      try {
        await this.#add(database);
      } catch (cause) {
        const { name, bucket } = database;
        this.#log.error('a database could not be loaded', { db: name, bucket, error: cause });
      }
    }
  }

  /**
   * Serves what the file says now. Throws `badRequest` where a bucket cannot be opened, with
   * nothing changed; `unavailable` where something failed in spite of all checks: the rest is then
   * as in the file.
   */
  async reload(databases: readonly FileDatabase[]): Promise<FileChanges> {
    await this.#tryBuckets(databases);
    const plan = planOf(this.#applied, databases);
    const failed: string[] = [];
    const trying = async (name: string, work: () => Promise<void>): Promise<void> => {
      try {
        await work();
      } catch (cause) {
        this.#log.error('a database of the file could not be changed', { db: name, error: cause });
        failed.push(`${name}: ${isGatewayError(cause) ? cause.message : 'internal error'}`);
      }
    };
    for (const name of [...plan.removed, ...plan.moved.map((it) => it.name)])
      await trying(name, () => this.#remove(name));
    for (const database of plan.changed) await trying(database.name, () => this.#change(database));
    for (const database of [...plan.moved, ...plan.added])
      await trying(database.name, () => this.#add(database));
    if (failed.length > 0)
      throw new GatewayError('unavailable', `not all could be changed: ${failed.join('; ')}`);
    return {
      added: plan.added.map((it) => it.name),
      changed: [...plan.changed, ...plan.moved].map((it) => it.name).toSorted(),
      removed: plan.removed,
    };
  }

  async #add(database: FileDatabase): Promise<void> {
    const { name, given } = database;
    const { principals } = await this.#registry.create(name, given);
    this.#applied.set(name, database);
    await applyPrincipals(principals, database);
  }

  async #remove(name: string): Promise<void> {
    this.#applied.delete(name);
    try {
      await this.#registry.delete(name);
    } catch (cause) {
      // Deleted over REST already.
      if (!isGatewayError(cause, 'missing')) throw cause;
    }
  }

  async #change(database: FileDatabase): Promise<void> {
    const { name, given } = database;
    // Deleted over REST; now the file says something new of it.
    if (this.#registry.get(name) === undefined) return this.#add(database);
    const before = this.#applied.get(name)?.given ?? {};
    if (!isDeepStrictEqual(before, given)) {
      const served = this.#registry.served(name);
      await served.configure(
        (now) => withOffline(given, before['offline'] === given['offline'] ? now : given),
        () => true,
      );
    }
    this.#applied.set(name, database);
    await applyPrincipals(this.#registry.served(name).current.principals, database);
  }

  async #tryBuckets(databases: readonly FileDatabase[]): Promise<void> {
    const problems: string[] = [];
    for (const { name, bucket } of databases) {
      try {
        await this.#registry.tryBucket(bucket);
      } catch (cause) {
        if (!isGatewayError(cause)) throw cause;
        problems.push(`databases.${name}.bucket: ${cause.message}`);
      }
    }
    if (problems.length > 0)
      throw configurationError('start-up configuration', { ...noFindings(), problems });
  }
}

interface Plan {
  readonly removed: readonly string[];
  /** Into another bucket or over other collections: ended there and begun here. */
  readonly moved: readonly FileDatabase[];
  readonly changed: readonly FileDatabase[];
  readonly added: readonly FileDatabase[];
}

function planOf(
  applied: ReadonlyMap<string, FileDatabase>,
  databases: readonly FileDatabase[],
): Plan {
  const names = new Set(databases.map(({ name }) => name));
  const known = databases.filter(({ name }) => applied.has(name));
  const differing = known.filter((it) => !isDeepStrictEqual(it, applied.get(it.name)));
  const isMoved = (it: FileDatabase): boolean => placeOf(it) !== placeOf(applied.get(it.name));
  return {
    removed: [...applied.keys()].filter((name) => !names.has(name)),
    moved: differing.filter(isMoved),
    changed: differing.filter((it) => !isMoved(it)),
    added: databases.filter(({ name }) => !applied.has(name)),
  };
}

function placeOf(database: FileDatabase | undefined): string | undefined {
  if (database === undefined) return undefined;
  return JSON.stringify([database.bucket, claimedCollections(database.given).toSorted()]);
}

/** Whether it is offline is its state, which the file changes only where it says something new. */
function withOffline(given: JsonObject, { offline }: JsonObject): JsonObject {
  const { offline: _, ...rest } = given;
  return offline === undefined ? rest : { ...rest, offline };
}
