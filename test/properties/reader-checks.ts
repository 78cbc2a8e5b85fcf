import assert from 'node:assert/strict';
import { request } from '../helpers/http.ts';
import type { CollectionName, CollectionsModel } from './collections-model.ts';

interface Asked {
  readonly user: string;
  readonly collection: CollectionName;
}

/**
 * A user reads one document, in one of the ways in which that can be done: it gets the body of what
 * its channels hold, and of nothing else (invariant 2).
 */
export async function assertReads(
  keyspace: string,
  model: CollectionsModel,
  { user, collection, id, which }: Asked & { readonly id: string; readonly which: number },
): Promise<void> {
  const as = `${user}:letmein`;
  const document = model.document(collection, id);
  const about = `${user} reads ${id} of ${collection}`;
  if (!model.admits(user)) {
    const answer = await request('GET', `${keyspace}/${id}`, { as });
    assert.equal(answer.status, 401, `${about}: ${answer.text}`);
    return;
  }
  const isAllowed = document !== undefined && model.maySee(user, collection, document);
  if (which <= 1 || document === undefined) {
    const answer = await request('GET', `${keyspace}/${id}`, { as });
    const status = document === undefined ? 404 : !isAllowed ? 403 : document.deleted ? 404 : 200;
    assert.equal(answer.status, status, `${about}: ${answer.text}`);
    if (status === 200) assert(answer.text.includes(document?.content.token ?? ''), about);
    return;
  }
  if (which <= 3) {
    const revisions = [...document.revisions].filter(([, { deleted }]) => !deleted);
    const [rev, revision] = revisions[(which * 7) % Math.max(revisions.length, 1)] ?? [];
    if (revision === undefined) return;
    const answer = await request('GET', `${keyspace}/${id}?rev=${rev}`, { as });
    const shows = answer.text.includes(revision.content.token);
    assert.equal(answer.status, 200, `${about}, ${rev}: ${answer.text}`);
    assert.equal(shows, model.maySee(user, collection, revision), `${about}, ${rev}`);
    return;
  }
  const answer =
    which === 4
      ? await request('GET', `${keyspace}/${id}?open_revs=all`, { as })
      : await request('POST', `${keyspace}/_bulk_get`, { as, json: { docs: [{ id }] } });
  const isShown = isAllowed && !document.deleted;
  if (document.deleted) return;
  assert.equal(answer.text.includes(document.content.token), isShown, `${about}: ${answer.text}`);
}

/** A user lists all documents: those that it may see. */
export async function assertLists(
  keyspace: string,
  model: CollectionsModel,
  { user, collection }: Asked,
): Promise<void> {
  const answer = await request('GET', `${keyspace}/_all_docs?include_docs=true`, {
    as: `${user}:letmein`,
  });
  if (!model.admits(user)) {
    assert.equal(answer.status, 401, answer.text);
    return;
  }
  const { rows } = answer.json as unknown as {
    rows: { id: string; value: { rev: string }; doc: { in: string } }[];
  };
  assert.deepEqual(
    new Map(rows.map(({ id, value }) => [id, value.rev])),
    model.visible(user, collection),
    `what ${user} is told to be in ${collection}`,
  );
  for (const { doc } of rows) assert.equal(doc.in, collection);
}
