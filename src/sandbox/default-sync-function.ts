/**
 * The function that rules a collection where the configuration names none: in the default
 * collection the document's `channels` property routes it, in a collection with a name every
 * document goes into the channel of that name. `collectionName` is without its scope; `_default` is
 * the default one.
 */
export function defaultSyncFunction(collectionName: string): string {
  const channels = collectionName === '_default' ? 'doc.channels' : JSON.stringify(collectionName);
  return `function(doc) { channel(${channels}); }`;
}
