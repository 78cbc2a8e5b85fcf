import type { DatabaseConfig } from '../config/database-config.ts';
import type { ConfigChange } from './config-change.ts';
import { setOffline } from './config-change.ts';
import { forgetConfiguration, listVersions, readVersion } from './config-history.ts';
import type { ConfigRecords } from './config-records.ts';
import type { AcceptsVersion, Configuration } from './configuration.ts';
import { changeConfiguration, readConfiguration } from './configuration.ts';
import type { DatabaseRecord } from './database-record.ts';
import { readDatabaseRecord, replaceDatabaseRecord } from './database-record.ts';
import type { DatabaseServices } from './open-database.ts';

export interface ConfigurationStoreOptions {
  readonly services: DatabaseServices;
  readonly name: string;
  readonly bucketName: string;
  /** Where it is kept: its bucket, which may have to be opened for that, or this node. */
  readonly records: () => Promise<ConfigRecords>;
}

/** The configuration of one database where it is kept. */
export class ConfigurationStore {
  readonly #options: ConfigurationStoreOptions;

  constructor(options: ConfigurationStoreOptions) {
    this.#options = options;
  }

  async isThere(): Promise<boolean> {
    const records = await this.#options.records();
    return (await readDatabaseRecord(records, this.#options.name)) !== undefined;
  }

  /** Throws `missing` where there is none any more, `badRequest` for one of another version. */
  async read(): Promise<Configuration> {
    const { name, bucketName, services } = this.#options;
    const { variables } = services;
    return readConfiguration(await this.#options.records(), { name, bucketName, variables });
  }

  /** `previous`: what is served by now. Throws as `changeConfiguration`. */
  async change(
    change: ConfigChange,
    previous: DatabaseConfig,
    accepts: AcceptsVersion = () => true,
  ): Promise<Configuration> {
    const { name, bucketName, services } = this.#options;
    const { variables, sandbox, clock } = services;
    const options = { name, bucketName, variables, previous, sandbox, clock, accepts };
    return changeConfiguration(await this.#options.records(), change, options);
  }

  /** As stored, saying whether it is offline; what it says already is stored only `again`. */
  async storeOffline(
    offline: boolean,
    previous: DatabaseConfig,
    { again }: { readonly again: boolean },
  ): Promise<Configuration> {
    const stored = await this.read();
    if (stored.parsed.config.offline === offline && !again) return stored;
    return this.change(setOffline(offline), previous);
  }

  /** The one before again; undefined where another process has changed it since. */
  async putBack(before: Configuration, now: Configuration): Promise<Configuration | undefined> {
    const records = await this.#options.records();
    const stored = await replaceDatabaseRecord(records, before.stored.record, now.stored.cas);
    return stored && { ...before, stored };
  }

  /** Those of before that are kept, the oldest first, and the present one. */
  async versions(present: DatabaseRecord): Promise<readonly DatabaseRecord[]> {
    return [...(await listVersions(await this.#options.records(), present)), present];
  }

  /** A kept one by its number. Throws `missing` that tells which there are. */
  async version(number: number, present: DatabaseRecord): Promise<DatabaseRecord> {
    return readVersion(await this.#options.records(), present, number);
  }

  async forget(): Promise<void> {
    await forgetConfiguration(await this.#options.records(), this.#options.name);
  }
}
