import type { InsertedEdit } from '../document/edit.ts';
import type { RevId } from '../document/types.ts';
import type { Awaitable } from '../util/awaitable.ts';
import { GatewayError } from '../util/errors.ts';
import type { CollectionContext } from './collection-context.ts';
import type { CurrentDocument } from './current-document.ts';
import { revisionBody } from './current-document.ts';
import type { RisenLeaf } from './document-change.ts';
import { winnerAfter } from './document-change.ts';
import { judgeRevision } from './judge-revision.ts';

/**
 * Where the winner's deletion lets another branch win, that branch's leaf is routed and grants
 * again: judged anew, as by an administrator, since nobody writes it now. Undefined also where the
 * document was changed meanwhile: what rests on it as it was is not committed.
 */
export function risenLeaf(
  context: CollectionContext,
  current: CurrentDocument | undefined,
  planned: InsertedEdit,
): Awaitable<RisenLeaf | undefined> {
  if (current === undefined || !current.metadata.tree.hasBranches) return undefined;
  const rev = winnerAfter(current.metadata.tree, planned);
  if (rev === planned.rev || rev === current.rev) return undefined;
  return judgedLeaf(context, current, rev);
}

async function judgedLeaf(
  context: CollectionContext,
  current: CurrentDocument,
  rev: RevId,
): Promise<RisenLeaf | undefined> {
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
