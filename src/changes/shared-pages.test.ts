import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { CollectionId } from '../bucket/bucket.ts';
import { sequence } from '../document/types.ts';
import { FeedView } from './feed-view.ts';
import { SharedPages, type FoundPage, type PagePlace } from './shared-pages.ts';

const options = { database: 'db', collection: 1 as CollectionId, channels: undefined };
const place = (view: FeedView, from = 3): PagePlace => ({
  view,
  from: sequence(from),
  allLeaves: false,
  activeOnly: false,
});
const found = (isOfAll = true): FoundPage => ({
  page: { rows: [], at: { seq: sequence(9) }, caughtUp: true, stale: false },
  isOfAll,
});
const newView = (): FeedView => new FeedView({ kind: 'admin' }, options);

test('who stands at one place has one page, also while it is walked', async () => {
  const pages = new SharedPages();
  const view = newView();
  let walks = 0;
  const walk = async (): Promise<FoundPage> => {
    walks += 1;
    await new Promise(setImmediate);
    return found();
  };
  const early = await Promise.all([1, 2, 3].map(() => pages.at(place(view), walk)));
  const late = await pages.at(place(view), walk);
  assert.equal(walks, 1);
  for (const page of early) assert.equal(page, late);
});

test('another view, place or style has another page', async () => {
  const pages = new SharedPages();
  const view = newView();
  const walk = async (): Promise<FoundPage> => found();
  const first = await pages.at(place(view), walk);
  for (const other of [
    place(newView()),
    place(view, 4),
    { ...place(view), allLeaves: true },
    { ...place(view), activeOnly: true },
  ]) {
    assert.notEqual(await pages.at(other, walk), first);
  }
});

test('after a change each page is walked anew, also one that was being walked', async () => {
  const pages = new SharedPages();
  const view = newView();
  const walking = Promise.withResolvers<FoundPage>();
  const first = pages.at(place(view), () => walking.promise);
  const second = pages.at(place(view), async () => found());
  pages.drop();
  const third = await pages.at(place(view), async () => found());
  walking.resolve(found());
  assert.notEqual(await second, await first);
  assert.notEqual(await second, third);
  assert.equal(await pages.at(place(view), async () => found()), third);
});

test('a page that is of one feed alone, or that could not be walked, is walked by each', async () => {
  const pages = new SharedPages();
  const view = newView();
  const own = pages.at(place(view), async () => found(false));
  assert.notEqual(await pages.at(place(view), async () => found()), await own);
  const lost = pages.at(place(view, 5), () => Promise.reject(new Error('lost')));
  const later = pages.at(place(view, 5), async () => found());
  await assert.rejects(lost, /lost/);
  assert.equal((await later).caughtUp, true);
});

test('no more pages are kept than there is room for', async () => {
  const pages = new SharedPages();
  let walks = 0;
  const walk = async (): Promise<FoundPage> => {
    walks += 1;
    return found();
  };
  const views = Array.from({ length: 1001 }, newView);
  for (const view of views) await pages.at(place(view), walk);
  for (const view of views) await pages.at(place(view), walk);
  assert.equal(walks, 1002);
});
