import type { InsertedEdit } from '../document/edit.ts';
import { GatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';
import type { CurrentDocument } from './current-document.ts';
import { revisionBody } from './current-document.ts';
import type { RisenLeaf } from './document-change.ts';
import { winnerAfter } from './document-change.ts';
import { judgeRevision } from './judge-revision.ts';

/**
 * Of a document with branches: where the winner's deletion lets another one win, its leaf is routed
 * and grants again: judged anew, as by an administrator, since nobody writes it now. Undefined also
 * where the document was changed meanwhile: what rests on it as it was is not committed.
 */
export async function risenLeaf(
  context: CollectionContext,
  current: CurrentDocument,
  planned: InsertedEdit,
): Promise<RisenLeaf | undefined> {
  const rev = winnerAfter(current.metadata.tree, planned);
  if (rev === planned.rev || rev === current.rev) return undefined;
  const content = await revisionBody(context, current, rev);
  if (content === undefined) {
    const stored = await context.bucket.get(context.id, current.key);
    if (stored?.cas !== current.cas) return undefined;
    throw new GatewayError('corrupt', `the body of the leaf ${rev} of a document is gone`);
  }
  const verdict = await judgeRevision(context, {
    id: current.key,
    rev,
    body: content.body,
    deleted: current.metadata.tree.get(rev)?.deleted === true,
    parent: undefined,
    writer: { kind: 'admin' },
    xattrs: current.xattrs,
    mustPass: true,
  });
  return { rev, content, verdict };
}
