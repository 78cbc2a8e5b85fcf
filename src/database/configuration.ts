import { isJsonObject } from '../config/check-table.ts';
import type { DatabaseConfig, ParsedDatabaseConfig } from '../config/database-config.ts';
import { parseDatabaseConfig } from '../config/database-config.ts';
import type { Environment } from '../config/environment.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { Clock } from '../util/clock.ts';
import { GatewayError } from '../util/errors.ts';
import { checkedDatabaseConfig } from './checked-config.ts';
import { claimChange } from './collection-claims.ts';
import type { ConfigChange } from './config-change.ts';
import type { ConfigRecords } from './config-records.ts';
import type { StoredDatabase } from './database-record.ts';
import { configVersion, readDatabaseRecord } from './database-record.ts';

/** A configuration, whole: as stored and as checked. */
export interface Configuration {
  readonly stored: StoredDatabase;
  readonly parsed: ParsedDatabaseConfig;
}

/** Whether it is this version of the configuration that is to be changed. */
export type AcceptsVersion = (version: string) => boolean;

export interface ConfigurationChange {
  readonly name: string;
  readonly bucketName: string;
  /** What `${NAME}` stands for; undefined: itself. */
  readonly variables: Environment | undefined;
  /** What is served by now: not everything may change. */
  readonly previous: DatabaseConfig;
  readonly sandbox: Sandbox;
  readonly clock: Clock;
  readonly accepts: AcceptsVersion;
}

/** Changes of one configuration by other processes at the same time: administrators are few. */
const ATTEMPTS_MAX = 5;

/** Throws `missing` where there is none, `badRequest` where this version does not accept it. */
export async function readConfiguration(
  records: ConfigRecords,
  { name, bucketName, variables }: Pick<ConfigurationChange, 'name' | 'bucketName' | 'variables'>,
): Promise<Configuration> {
  const stored = await readStored(records, name);
  const value = inBucket(stored.record.given, bucketName);
  return { stored, parsed: parseDatabaseConfig(value, { name, variables }) };
}

/**
 * Stores a changed configuration, made from the one that is stored: of two processes that change it
 * at once, the later one changes what the first one stored. Throws, with nothing changed,
 * `preconditionFailed` where the stored version is not accepted, `badRequest` naming every mistake
 * or where a function does not compile, `missing` for another bucket, `conflict` where another
 * database serves one of its collections.
 */
export async function changeConfiguration(
  records: ConfigRecords,
  change: ConfigChange,
  { name, bucketName, variables, previous, sandbox, clock, accepts }: ConfigurationChange,
): Promise<Configuration> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const before = await readStored(records, name);
    if (!accepts(configVersion(before.record)))
      throw new GatewayError('preconditionFailed', 'the configuration has changed');
    const value = inBucket(change(before.record.given), bucketName);
    const parsed = await checkedDatabaseConfig(value, { name, previous, variables }, sandbox);
    if (parsed.config.bucket !== bucketName)
      throw new GatewayError('missing', `a database stays in its bucket, ${bucketName}`);
    const updatedAt = new Date(clock.now()).toISOString();
    const record = { ...before.record, given: parsed.given, updatedAt };
    const stored = await claimChange(records, record, before);
    if (stored !== undefined) return { stored, parsed };
  }
  throw new GatewayError('unavailable', 'the configuration is being changed elsewhere; try again');
}

async function readStored(records: ConfigRecords, name: string): Promise<StoredDatabase> {
  const stored = await readDatabaseRecord(records, name);
  if (stored === undefined)
    throw new GatewayError('missing', `the database ${name} was deleted by another process`);
  return stored;
}

/** Where none is named, it is the one in which the database is. */
function inBucket(value: unknown, bucket: string): unknown {
  return isJsonObject(value) ? { ...value, bucket: value['bucket'] ?? bucket } : value;
}
