import type { Reader, UserAccess } from '../principals/access.ts';
import { FeedView, type ViewOptions } from './feed-view.ts';

/** Views that are kept of one user: of its collections, and of what its clients filter by. */
const KEPT_MAX = 8;

/**
 * Views of readers, made once for all feeds and polls of a user: to make one costs as much as the
 * user has channels, and most requests find access as it was. They go with the access.
 */
export class FeedViews {
  /** By the roles, which are the same object where an access was only found to hold later, too. */
  readonly #ofUsers = new WeakMap<UserAccess['roles'], FeedView[]>();
  readonly #ofAdministrators: FeedView[] = [];

  of(reader: Reader, options: ViewOptions): FeedView {
    const kept = this.#kept(reader);
    const index = kept.findIndex((view) => view.isWith(options));
    const known = kept[index];
    if (known?.isOf(reader) === true) return known;
    const view = known?.renewed(reader) ?? new FeedView(reader, options);
    if (index >= 0) kept[index] = view;
    else if (kept.unshift(view) > KEPT_MAX) kept.pop();
    return view;
  }

  #kept(reader: Reader): FeedView[] {
    if (reader.kind === 'admin') return this.#ofAdministrators;
    const { roles } = reader.access;
    let kept = this.#ofUsers.get(roles);
    if (kept === undefined) this.#ofUsers.set(roles, (kept = []));
    return kept;
  }
}
