import fc from 'fast-check';

// What readers may see of documents that one or another sync function has routed.

/** A document of the model. */
export interface Doc {
  readonly a: string;
  readonly b: string;
  /** Whom the document grants. */
  readonly to: string;
  readonly n: number;
}

interface Routed {
  readonly channel: string;
  /** What whom the document grants gets of it. */
  readonly grant?: string;
  /** Whom the document grants gets the role, and the role gets this. */
  readonly grantOfRole?: string;
}

/** Functions, each with what it says in the model; undefined: it refuses. */
export const FUNCTIONS: readonly { source: string; route: (doc: Doc) => Routed | undefined }[] = [
  {
    source: 'function (doc) { channel(doc.a); access(doc.to, doc.b); }',
    route: ({ a, b }) => ({ channel: a, grant: b }),
  },
  { source: 'function (doc) { channel(doc.b); }', route: ({ b }) => ({ channel: b }) },
  {
    source:
      'function (doc) { if (doc.n % 3 == 0) throw({forbidden: "no"}); channel(doc.b); access(doc.to, doc.a); }',
    route: ({ a, b, n }) => (n % 3 === 0 ? undefined : { channel: b, grant: a }),
  },
  {
    source: 'function (doc) { channel("c" + doc.n % 4); }',
    route: ({ n }) => ({ channel: `c${n % 4}` }),
  },
  {
    source:
      'function (doc) { channel(doc.b); if (doc.n > 10) return; role(doc.to, "role:crew"); access("role:crew", doc.a); }',
    route: ({ a, b, n }) => (n > 10 ? { channel: b } : { channel: b, grantOfRole: a }),
  },
];

/** A role, with what an administrator gives it. */
export const ROLE = { name: 'crew', channels: ['c3'] } as const;

export const USERS = ['ann', 'bob', 'cat'] as const;
/** What an administrator gives a user. */
export const OWN: Readonly<Record<string, readonly string[]>> = {
  ann: ['c0'],
  bob: ['c1', 'c2'],
  cat: [],
  dan: ['c0', 'c3'],
  eve: ['c2'],
};
const channel = fc.constantFrom('c0', 'c1', 'c2', 'c3');
export const doc: fc.Arbitrary<Doc> = fc.record({
  a: channel,
  b: channel,
  to: fc.constantFrom(...USERS),
  n: fc.nat({ max: 20 }),
});

/** A document, and which function has routed it. */
export interface RoutedDoc {
  readonly id: string;
  readonly doc: Doc;
  readonly by: number;
}

/** Whether another function routes a document, or grants by it, otherwise. */
export function isChanged(each: Doc, by: number, then: number): boolean {
  const routed = (at: number): string => {
    const { channel, grant, grantOfRole } = FUNCTIONS[at]!.route(each) ?? {};
    return JSON.stringify([channel, grant, grantOfRole]);
  };
  return routed(by) !== routed(then);
}

/** What a user may see, in the order of the ids. */
export function visible(docs: readonly RoutedDoc[], user: string): readonly string[] {
  const routed = docs.map(({ id, doc: each, by }) => ({
    id,
    to: each.to,
    ...FUNCTIONS[by]!.route(each),
  }));
  const channels = new Set(OWN[user]);
  for (const { to, grant } of routed) if (to === user && grant !== undefined) channels.add(grant);
  const ofRole = routed.flatMap(({ to, grantOfRole }) =>
    grantOfRole === undefined ? [] : [{ to, channel: grantOfRole }],
  );
  if (ofRole.some(({ to }) => to === user))
    for (const each of [...ROLE.channels, ...ofRole.map(({ channel }) => channel)])
      channels.add(each);
  return routed
    .filter((each) => channels.has(each.channel ?? ''))
    .map(({ id }) => id)
    .toSorted();
}
