import type {
  CollectionId,
  DocumentChange,
  Grant,
  KeepBody,
  RevisionBody,
} from '../bucket/bucket.ts';
import { FLAG } from '../bucket/bucket.ts';
import { moveChannels, noChannels, presentChannels } from '../document/channel-state.ts';
import type { InsertedEdit } from '../document/edit.ts';
import { applyEdit } from '../document/edit.ts';
import type { KeptBody, PrunedTree, RevisionTree } from '../document/revision-tree.ts';
import { allDigests, formatMetadata, hasDigests } from '../document/sync-metadata.ts';
import type { Attachments, Cas, DocId, RevId } from '../document/types.ts';
import { ZERO } from '../document/types.ts';
import { must } from '../util/assert.ts';
import type { CurrentDocument } from './current-document.ts';
import type { Verdict } from './judge-revision.ts';

/** A new revision that may be committed, and what its document was before. */
export interface JudgedEdit {
  readonly key: DocId;
  /** What the store has of the document before. */
  readonly cas: Cas | 'absent';
  readonly current: CurrentDocument | undefined;
  readonly planned: InsertedEdit;
  /** Of the new revision. */
  readonly content: RevisionBody;
  /** Of the revision that it comes from, where that is kept. */
  readonly parent: RevisionBody | undefined;
  readonly verdict: Verdict;
  /** Unix seconds; 0: none. */
  readonly expiry: number;
  /** As in `DocumentChange`; undefined: no xattr is looked at. */
  readonly xattrCrc: number | null | undefined;
  /** Where another branch wins by this edit (its winner was deleted): that branch's leaf. */
  readonly risen: RisenLeaf | undefined;
}

export interface RisenLeaf {
  readonly rev: RevId;
  readonly content: RevisionBody;
  readonly verdict: Verdict;
}

export interface ChangeRules {
  readonly collection: CollectionId;
  readonly database: string;
  readonly revsLimit: number;
  /** How long a superseded body is kept, seconds; 0: not at all. */
  readonly oldRevExpirySecs: number;
  /** Whether a copy of the winner's body is kept, for when a stranger writes over it. */
  readonly backsUp: boolean;
  /** Unix seconds. */
  readonly nowSecs: number;
}

/** Which revision wins when the edit is made. */
export function winnerAfter(tree: RevisionTree | undefined, planned: InsertedEdit): RevId {
  return applyEdit(tree, planned, {}).winner().rev;
}

/** The document's new state, pure: for the bucket to commit. */
export function documentChange(edit: JudgedEdit, rules: ChangeRules): DocumentChange {
  const { current, verdict, planned } = edit;
  const bodies = nextBodies(edit, rules);
  const next = rules.backsUp ? withBackup(bodies, edit) : bodies;
  const { tree, dropped } = next.tree.prune(rules.revsLimit);
  const winner = tree.winner();
  const state = winningState(edit, winner.rev);
  const moved = moveChannels(current?.metadata ?? noChannels, {
    into: state.channels,
    rev: winner.rev,
    deleted: winner.deleted,
    rowSeq: current?.seq ?? ZERO,
  });
  const metadata = {
    tree,
    channels: moved.channels,
    pastChannels: moved.pastChannels,
    attachments: winner.deleted ? {} : state.content.attachments,
    grantsPresent: state.grants === 'unchanged' ? grantedBefore(current) : state.grants.length > 0,
    savedAt: rules.nowSecs,
  };
  // NOTE: one property after the other: a literal made of others is far slower, on every write.
  const change: Making<DocumentChange> = {
    kind: 'document',
    collection: rules.collection,
    key: edit.key,
    ifCas: edit.cas,
    body: winner.deleted ? null : state.content.body,
    expiry: winner.deleted ? 0 : state.expiry,
    rev: winner.rev,
    flags: flagsOf(tree),
    metadata: formatMetadata(metadata),
    channels: { in: moved.in, out: moved.out },
  };
  const { function: judge, access } = verdict.judgement;
  if (judge !== undefined) change.function = judge;
  if (access !== undefined) change.access = access;
  if (edit.xattrCrc !== undefined) change.xattrCrc = edit.xattrCrc;
  if (state.grants !== 'unchanged' && (state.grants.length > 0 || grantedBefore(current)))
    change.grants = { database: rules.database, grants: state.grants };
  addBodies(change, { tree, keep: next.keep, drop: next.drop, dropped }, planned.rev);
  if (hasDigests(metadata) || (current !== undefined && hasDigests(current.metadata)))
    change.attachments = Array.from(allDigests(metadata), ([digest, until]) => ({ digest, until }));
  return change;
}

type Making<T> = { -readonly [K in keyof T]: T[K] };

function addBodies(
  change: Making<DocumentChange>,
  { tree, keep, drop, dropped }: NextBodies & PrunedTree,
  written: RevId,
): void {
  const kept = keep.length === 0 ? keep : keep.filter(({ rev }) => tree.has(rev));
  if (kept.length > 0) change.keepBodies = kept;
  if (drop.length === 0 && dropped.length === 0) return;
  const gone = dropped.filter(({ keptBody }) => keptBody !== undefined).map(({ rev }) => rev);
  if (drop.length + gone.length > 0)
    change.dropBodies = [...drop, ...gone].filter((rev) => rev !== written);
}

interface WinningState {
  readonly channels: readonly string[];
  readonly grants: readonly Grant[] | 'unchanged';
  readonly content: RevisionBody;
  readonly expiry: number;
}

function winningState(edit: JudgedEdit, winner: RevId): WinningState {
  const { planned, verdict, content, expiry, risen } = edit;
  if (winner === planned.rev)
    return { channels: verdict.channels, grants: verdict.grants, content, expiry };
  if (risen !== undefined) {
    const { channels, grants } = risen.verdict;
    return { channels, grants, content: risen.content, expiry: 0 };
  }
  const current = must(edit.current, 'a first revision wins');
  return {
    channels: presentChannels(current.metadata),
    grants: 'unchanged',
    content: { body: current.body ?? '{}', attachments: current.metadata.attachments },
    expiry: current.expiry,
  };
}

interface NextBodies {
  readonly tree: RevisionTree;
  readonly keep: readonly KeepBody[];
  readonly drop: readonly RevId[];
}

/** Which bodies are kept beside the document's own, and until when. */
function nextBodies(edit: JudgedEdit, rules: ChangeRules): NextBodies {
  const { current, planned, verdict, content, risen } = edit;
  let tree = applyEdit(current?.metadata.tree, planned, { channels: verdict.channels });
  const keep: KeepBody[] = [];
  const drop: RevId[] = [];
  const keepBody = (rev: RevId, body: KeepBody['body'], kept: Kept): void => {
    const keptBody = { expiry: kept.expiry, digests: digestsOf(kept.attachments) };
    const seq = rev === current?.rev ? (current.metadata.revisionSeq ?? current.seq) : undefined;
    tree = tree.withKeptBody(rev, seq === undefined ? keptBody : { ...keptBody, seq });
    keep.push({ rev, body, ...kept });
  };
  const until = rules.oldRevExpirySecs === 0 ? 0 : rules.nowSecs + rules.oldRevExpirySecs;
  const winner = tree.winner().rev;
  if (winner !== planned.rev || planned.deleted)
    if (content.body !== '{}' || !planned.deleted)
      keepBody(planned.rev, content.body, { attachments: content.attachments, expiry: 0 });
  if (current !== undefined && winner !== current.rev && current.body !== null) {
    const { attachments } = current.metadata;
    if (tree.isLeaf(current.rev)) keepBody(current.rev, 'stored', { attachments, expiry: 0 });
    else if (until > 0) keepBody(current.rev, 'stored', { attachments, expiry: until });
    else if (tree.get(current.rev)?.keptBody !== undefined) {
      tree = tree.withKeptBody(current.rev, undefined);
      drop.push(current.rev);
    }
  }
  const parent = planned.parent === undefined ? undefined : tree.get(planned.parent);
  if (parent?.keptBody?.expiry === 0 && (parent.rev !== current?.rev || current.body === null)) {
    // A losing leaf, a tombstone or what a stranger wrote over is superseded: its body was kept as
    // long as it was a leaf.
    if (until > 0 && edit.parent !== undefined)
      keepBody(parent.rev, edit.parent.body, {
        attachments: edit.parent.attachments,
        expiry: until,
      });
    else {
      tree = tree.withKeptBody(parent.rev, undefined);
      drop.push(parent.rev);
    }
  }
  const rising = risen === undefined ? undefined : tree.get(risen.rev);
  // A tombstone that wins stays where it is: only the body of a live winner is the document's own.
  if (risen !== undefined && rising?.keptBody !== undefined && !rising.deleted) {
    tree = tree.withKeptBody(risen.rev, undefined).withChannels(risen.rev, risen.verdict.channels);
    drop.push(risen.rev);
  }
  return { tree: withoutExpired(tree, rules.nowSecs), keep, drop };
}

/** With a copy of the winner's body: a stranger who writes takes the document's own away. */
function withBackup(bodies: NextBodies, { planned, content, risen }: JudgedEdit): NextBodies {
  const { rev, deleted } = bodies.tree.winner();
  const winning = rev === planned.rev ? content : rev === risen?.rev ? risen.content : undefined;
  if (deleted || winning === undefined) return bodies;
  const { body, attachments } = winning;
  const tree = bodies.tree.withKeptBody(rev, { expiry: 0, digests: digestsOf(attachments) });
  return { ...bodies, tree, keep: [...bodies.keep, { rev, body, attachments, expiry: 0 }] };
}

interface Kept {
  readonly attachments: Attachments;
  readonly expiry: number;
}

/** The bucket drops expired bodies by itself; the tree forgets them with the next change. */
function withoutExpired(tree: RevisionTree, nowSecs: number): RevisionTree {
  let next = tree;
  for (const { line } of tree.runs)
    for (const { rev, keptBody } of line)
      if (isExpired(keptBody, nowSecs)) next = next.withKeptBody(rev, undefined);
  return next;
}

function isExpired(keptBody: KeptBody | undefined, nowSecs: number): boolean {
  return keptBody !== undefined && keptBody.expiry > 0 && keptBody.expiry <= nowSecs;
}

const digestsOf = (attachments: Attachments): KeptBody['digests'] =>
  Object.values(attachments).map(({ digest }) => digest);

const grantedBefore = (current: CurrentDocument | undefined): boolean =>
  current?.metadata.grantsPresent === true;

function flagsOf(tree: RevisionTree): number {
  let flags = 0;
  if (tree.winner().deleted) flags |= FLAG.deleted;
  if (tree.hasBranches) flags |= FLAG.branched;
  if (tree.isConflicted) flags |= FLAG.conflict;
  return flags;
}
