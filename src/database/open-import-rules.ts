import { javascriptTimeoutMs } from '../config/database-config.ts';
import { collectionsOf } from '../config/scopes.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { must } from '../util/assert.ts';
import type { CollectionContext } from './collection-context.ts';
import { kindInGroup } from './group-records.ts';
import { ImportRules } from './import-rules.ts';
import type { SharedContext } from './open-collections.ts';
import { collectionContexts } from './open-collections.ts';

/** What the rules of imports are made with. */
interface ImportServices {
  readonly sandbox: Sandbox;
  /** Of nodes, which share a configuration: another one may have other filters. */
  readonly group: string;
}

/**
 * As `collectionContexts`, each with the rules of its import, unless the configuration switches
 * that off. Throws `badRequest` for a filter that does not compile, too.
 */
export async function importingContexts(
  shared: SharedContext,
  { sandbox, group }: ImportServices,
  opening: AsyncDisposableStack,
): Promise<ReadonlyMap<string, CollectionContext>> {
  const contexts = await collectionContexts(shared, sandbox, opening);
  const importing = new Map<string, CollectionContext>();
  for (const [fullName, context] of contexts) {
    const { bucket, config, database, observer, syncFunction } = context;
    if (!config.enable_shared_bucket_access) return contexts;
    const collection = collectionsOf(config).find((each) => each.fullName === fullName);
    const { importFilter: filter } = must(collection, 'the contexts are of its collections');
    const imports = opening.use(
      await ImportRules.open({
        bucket,
        sandbox,
        record: { kind: kindInGroup('import_rules', group), database, id: fullName },
        filter,
        functionCas: syncFunction.now.cas,
        bytesMax: config.limits.document_bytes_max,
        timeoutMs: javascriptTimeoutMs(config),
        observer: { ...observer, log: observer.log.with({ collection: fullName }) },
      }),
    );
    importing.set(fullName, { ...context, imports });
  }
  return importing;
}
