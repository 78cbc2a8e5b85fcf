import type { Sequence } from '../document/types.ts';
import type { FeedView } from './feed-view.ts';
import type { WalkedPage } from './page-walk.ts';

/** Where a feed stands that is to be told new rows of the tail and nothing else. */
export interface PagePlace {
  readonly view: FeedView;
  readonly from: Sequence;
  readonly allLeaves: boolean;
  readonly activeOnly: boolean;
}

/** A page, and whether it is the same for all who stand at its place. */
export interface FoundPage {
  readonly page: WalkedPage;
  readonly isOfAll: boolean;
}

interface Shared {
  readonly place: PagePlace;
  /** While it is walked, too; undefined where others have to walk it for themselves. */
  readonly page: Promise<WalkedPage | undefined>;
}

/** The most views of which a page is kept. Its rows are the tail's. */
const VIEWS_MAX = 1000;

/**
 * Pages that were walked of the tail as it is, for whoever stands at the same place: what one feed
 * of a user is told at its turn, the others mostly are, too. A page is the same only for the same
 * view, so for the same access; and only until the tail changes.
 */
export class SharedPages {
  #pages = new Map<FeedView, Shared>();

  /** The tail, or what is known of access, has changed. */
  drop(): void {
    // NOTE: not cleared, which would tie the old table to the new one (see `SlotList`).
    if (this.#pages.size > 0) this.#pages = new Map();
  }

  /** The page at `place`: another feed's, or the one that `walk` finds. */
  async at(place: PagePlace, walk: () => Promise<FoundPage>): Promise<WalkedPage> {
    const pages = this.#pages;
    const known = pages.get(place.view);
    if (known !== undefined && isSame(known.place, place)) {
      const page = await known.page;
      // What happened meanwhile may have changed what would be told.
      if (page !== undefined && pages === this.#pages) return page;
      return (await walk()).page;
    }
    const walking = walk();
    if (pages.size < VIEWS_MAX)
      pages.set(place.view, { place, page: walking.then(ofAll, nothing) });
    return (await walking).page;
  }
}

const ofAll = ({ page, isOfAll }: FoundPage): WalkedPage | undefined =>
  isOfAll ? page : undefined;
const nothing = (): undefined => undefined;

function isSame(a: PagePlace, b: PagePlace): boolean {
  return a.from === b.from && a.allLeaves === b.allLeaves && a.activeOnly === b.activeOnly;
}
