import { group, mapOf, option } from './option.ts';
import type { ValueType } from './value-type.ts';
import { javascript, listOf, text } from './value-type.ts';

/** As Couchbase Server names scopes and collections. */
const NAME_LENGTH_MAX = 251;
const COLLECTIONS_MAX = 1000;

const name: ValueType<string> = {
  says:
    `_default, or 1 to ${NAME_LENGTH_MAX} letters, digits, _, - and %, ` +
    'of which the first is a letter, a digit or -',
  schema: text(1, NAME_LENGTH_MAX).schema.refine((it) =>
    /^(?:_default|[-A-Za-z0-9][-A-Za-z0-9_%]*)$/.test(it),
  ),
};

const inScope = { placeholder: 'scope', name, countMax: COLLECTIONS_MAX };
const inCollection = { placeholder: 'collection', name, countMax: COLLECTIONS_MAX };

const collection = group('One collection.', {
  sync: option({
    type: javascript,
    default: '',
    about:
      'Source of its sync function. Empty: every document goes into the channel of the ' +
      'collection’s name; in `_default`, `channel(doc.channels)`.',
    live: true,
  }),
  import_filter: option({
    type: javascript,
    default: '',
    about:
      'Source of a function of the document that answers whether what an application wrote is ' +
      'taken in. Empty: all is.',
    live: true,
  }),
});

/** `scopes` of a database: at most one, which `scopes.ts` checks with what else must fit. */
export const SCOPES = mapOf(
  'The one scope whose collections the database serves. Absent: the collection ' +
    '`_default._default` alone, with the functions at the top.',
  {
    ...inScope,
    each: group('One scope.', {
      collections: mapOf(
        `Its collections, at least one. The name of a scope or a collection is ${name.says}.`,
        { ...inCollection, each: collection },
      ),
    }),
  },
);

/** `collection_access` of the guest. */
export const GUEST_COLLECTION_ACCESS = mapOf('What the guest may have in named collections.', {
  ...inScope,
  each: mapOf('Of one scope.', {
    ...inCollection,
    each: group('Of one collection.', {
      admin_channels: option({
        type: listOf(text(1, 250)),
        default: [],
        about: 'Channels of the guest in this collection; `*` for all.',
        live: true,
      }),
    }),
  }),
});
