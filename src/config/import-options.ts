import { z } from 'zod';
import { option } from './option.ts';
import type { ValueType } from './value-type.ts';
import { flag, integer, javascript, text } from './value-type.ts';

/** The older form `"continuous"` means true. */
const importDocs: ValueType<boolean | 'continuous'> = {
  says: 'true, false or "continuous"',
  schema: z.union([z.boolean(), z.literal('continuous')]),
};

/** How a database takes in what applications write into its bucket. */
export const IMPORT_OPTIONS = {
  enable_shared_bucket_access: option({
    type: flag,
    default: true,
    about:
      'Whether documents that applications write into the bucket are taken in. With false clients ' +
      'do not see them.',
    live: true,
  }),
  import_docs: option({
    type: importDocs,
    default: true,
    about:
      'Whether the nodes of this configuration take them in as they are written (`"continuous"`: ' +
      'the same). With false a document is taken in when it is read or written by its id.',
    live: true,
  }),
  import_filter: option({
    type: javascript,
    default: '',
    about:
      'Source of a function of the document that answers whether it is taken in. Empty: all are. ' +
      'Not beside named collections, which have filters of their own.',
    live: true,
  }),
  import_backup_old_rev: option({
    type: flag,
    default: false,
    about:
      'Whether a copy of each current body is kept, so that the revision that an import replaces ' +
      'can be read for `old_rev_expiry_seconds` more. Doubles the room of documents written from ' +
      'then on.',
    live: true,
  }),
  user_xattr_key: option({
    type: text(1, 15),
    default: undefined,
    about:
      'Name of the xattr that the sync function gets in its third argument, as `meta.xattrs.NAME`. ' +
      'A document whose xattr an application changes is routed anew, without a new revision.',
    live: true,
  }),
  import_partitions: option({
    type: integer(1, 1024),
    default: 16,
    about: 'In how many parts nodes share the import; a part is one node’s at a time.',
    live: true,
  }),
};
