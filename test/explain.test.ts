import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestDatabase } from './helpers/database.ts';
import { createDatabase, PASSWORD, putUser } from './helpers/database.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { Answer } from './helpers/http.ts';
import { request } from './helpers/http.ts';

// Why a user sees a document or not, told to administrators.

const SYNC = `function (doc) {
  channel(doc.channels);
  access(doc.to, doc.gives);
  role(doc.hires, doc.as);
}`;

let gateway: TestGateway;
before(async () => {
  gateway = await startTestGateway();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

let databases = 0;

async function database(config: Readonly<Record<string, unknown>> = {}): Promise<TestDatabase> {
  databases += 1;
  const name = `why${databases}`;
  return createDatabase({ urls: gateway }, name, { bucket: name, sync: SYNC, ...config });
}

async function put(url: string, json: unknown): Promise<string> {
  const answer = await request('PUT', url, { json });
  assert.ok(answer.status === 200 || answer.status === 201, answer.text);
  return (answer.json as { rev?: string } | undefined)?.rev ?? '';
}

interface Reason {
  readonly since: number;
  readonly until?: number;
  readonly granted_by: { readonly kind: string; readonly doc?: string; readonly keyspace?: string };
  readonly role?: Reason & { readonly name: string };
}

interface Explanation {
  readonly summary: string;
  readonly visible: boolean;
  readonly as_of: number;
  readonly disabled?: boolean;
  readonly document?: {
    readonly sequence: number;
    readonly deleted: boolean;
    readonly channels: readonly { readonly channel: string; readonly since: number }[];
    readonly left?: readonly unknown[];
  };
  readonly channels: readonly {
    readonly channel: string;
    readonly held: boolean;
    readonly since?: number;
    readonly reasons?: readonly Reason[];
    readonly ended?: readonly Reason[];
    readonly granted_to?: readonly string[];
    readonly granted_to_more?: true;
  }[];
  readonly missing_roles?: readonly string[];
}

async function explain(db: TestDatabase, query: string): Promise<Explanation> {
  const answer = await request('GET', `${db.admin}/_explain?${query}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json as unknown as Explanation;
}

async function refusal(db: TestDatabase, query: string): Promise<Answer> {
  return request('GET', `${db.admin}/_explain?${query}`);
}

test('the chain by a role and two documents is told, with sequences', async () => {
  const db = await database();
  await putUser(db, 'ann', {}); // 1
  await put(`${db.admin}/_role/staff`, {}); // 2
  await put(`${db.admin}/doc`, { channels: ['news', 'other'] }); // 3
  await put(`${db.admin}/grant`, { to: 'role:staff', gives: 'news' }); // 4
  await put(`${db.admin}/hire`, { hires: 'ann', as: 'role:staff' }); // 5
  const told = await explain(db, 'user=ann&doc=doc');
  assert.partialDeepStrictEqual(told, { visible: true, disabled: false, as_of: 5 });
  assert.partialDeepStrictEqual(told.document, {
    sequence: 3,
    deleted: false,
    channels: [
      { channel: 'news', since: 3 },
      { channel: 'other', since: 3 },
    ],
  });
  const document = (doc: string) => ({ kind: 'document', doc, keyspace: '_default._default' });
  assert.deepEqual(told.channels, [
    {
      channel: 'news',
      held: true,
      since: 5,
      reasons: [
        {
          since: 5,
          granted_by: document('grant'),
          role: { name: 'staff', since: 5, granted_by: document('hire') },
        },
      ],
    },
    { channel: 'other', held: false, granted_to: [] },
  ]);
  assert.equal(
    told.summary,
    'ann sees doc: it is in the channel news since 3, and ann has that since 5, by the role staff, ' +
      'which has it by the document grant of _default._default and which ann has since 5 by the ' +
      'document hire of _default._default.',
  );
});

test('what is not seen is told with the grants that ended, and with who has the channel', async () => {
  const db = await database();
  await putUser(db, 'ann', { admin_channels: ['news'] }); // 1
  await putUser(db, 'bob', { admin_channels: ['news'] }); // 2
  await put(`${db.admin}/doc`, { channels: ['news', 'secret'] }); // 3
  await putUser(db, 'ann', { admin_channels: [] }); // 4
  const told = await explain(db, 'user=ann&doc=doc');
  assert.equal(told.visible, false);
  assert.deepEqual(told.channels, [
    {
      channel: 'news',
      held: false,
      ended: [{ since: 1, until: 4, granted_by: { kind: 'administrator' } }],
      granted_to: ['bob'],
    },
    { channel: 'secret', held: false, granted_to: [] },
  ]);
  assert.equal(
    told.summary,
    'ann does not see doc: it is in 2 channels, of which ann has none. ann had the channel news ' +
      'from 1 until 4, granted by an administrator. The channel news is granted to bob. Nothing ' +
      'grants the channel secret to anybody now.',
  );
});

test('a document in no channel, one that moved, a deleted one, and `*`', async () => {
  const db = await database();
  await putUser(db, 'ann', { admin_channels: ['news'] });
  const rev = await put(`${db.admin}/doc`, { channels: ['news'] });
  const next = await put(`${db.admin}/doc?rev=${rev}`, {});
  const told = await explain(db, 'user=ann&doc=doc');
  assert.equal(told.visible, false);
  assert.deepEqual(told.document?.left, [{ channel: 'news', since: 2, until: 3, held: true }]);
  assert.match(told.summary, /in no channel.*was in the channel news, which ann has, until 3/);
  await putUser(db, 'ann', { admin_channels: ['*'] });
  const all = await explain(db, 'user=ann&doc=doc');
  assert.equal(all.visible, true);
  assert.match(all.summary, /ann has the channel \* \(all channels\) since 4/);
  await request('DELETE', `${db.admin}/doc?rev=${next}`);
  assert.match((await explain(db, 'user=ann&doc=doc')).summary, /The document is deleted/);
});

test('the disabled, the guest, roles, roles that do not exist, and the public channel', async () => {
  const db = await database();
  await put(`${db.admin}/_role/staff`, { admin_channels: ['news'] });
  await put(`${db.admin}/doc`, { channels: ['news'] });
  await put(`${db.admin}/open`, { channels: ['!'] });
  await putUser(db, 'ann', { admin_roles: ['staff', 'ghosts'] });
  assert.partialDeepStrictEqual(await explain(db, 'user=ann&doc=doc'), {
    visible: true,
    missing_roles: ['ghosts'],
  });
  await put(`${db.admin}/_user/ann`, { disabled: true });
  const disabled = await explain(db, 'user=ann&doc=doc');
  assert.partialDeepStrictEqual(disabled, { visible: false, disabled: true });
  assert.match(disabled.summary, /^ann is disabled: every request of it is refused/);
  assert.partialDeepStrictEqual(await explain(db, 'role=staff&doc=doc'), { visible: true });
  assert.partialDeepStrictEqual(await explain(db, 'user=GUEST&doc=open'), {
    visible: false,
    disabled: true,
  });
  await put(`${db.admin}/_user/GUEST`, { disabled: false });
  const guest = await explain(db, 'user=GUEST&doc=open');
  assert.equal(guest.visible, true);
  assert.deepEqual(guest.channels, [
    {
      channel: '!',
      held: true,
      since: 1,
      reasons: [{ since: 1, granted_by: { kind: 'everyone' } }],
    },
  ]);
});

test('a channel may be asked about instead of a document', async () => {
  const db = await database();
  await put(`${db.admin}/_role/staff`, { admin_channels: ['news'] });
  await putUser(db, 'ann', {});
  const told = await explain(db, 'user=ann&channel=news');
  assert.equal(told.visible, false);
  assert.deepEqual(told.channels, [{ channel: 'news', held: false, granted_to: ['role:staff'] }]);
  assert.match(told.summary, /does not see what is in the channel news/);
  await putUser(db, 'ann', { admin_roles: ['staff'] });
  assert.equal((await explain(db, 'user=ann&channel=news')).visible, true);
});

test('of very many channels, and of very many who have one, some are told', async () => {
  const db = await database();
  await putUser(db, 'ann', { admin_channels: ['c149'] });
  const channels = Array.from({ length: 150 }, (_, n) => `c${n}`);
  await put(`${db.admin}/doc`, { channels });
  const crew = Array.from({ length: 12 }, (_, n) => `role:crew${n}`);
  await put(`${db.admin}/grant`, { to: crew, gives: 'c0' });
  const told = await explain(db, 'user=ann&doc=doc');
  assert.partialDeepStrictEqual(told, { visible: true, more_channels: 50 });
  assert.equal(told.channels.length, 100);
  assert.deepEqual([told.channels[0]!.channel, told.channels[0]!.held], ['c149', true]);
  const wide = told.channels.find(({ channel }) => channel === 'c0');
  assert.deepEqual([wide?.granted_to?.length, wide?.granted_to_more], [10, true]);
  await put(`${db.admin}/_user/ann`, { admin_channels: [] });
  const { summary } = await explain(db, 'user=ann&doc=doc');
  assert.match(
    summary,
    /in 150 channels.*had the channel c149.*role:crew0,.* and others.*147 channels more/,
  );
});

test('collections have grants of their own', async () => {
  const collections = { orders: { sync: SYNC }, bills: { sync: SYNC } };
  const db = await database({ sync: undefined, scopes: { shop: { collections } } });
  await put(`${db.admin}/_user/ann`, {
    password: PASSWORD,
    collection_access: { shop: { orders: { admin_channels: ['news'] } } },
  });
  for (const keyspace of ['orders', 'bills'])
    await put(`${db.admin}.shop.${keyspace}/doc`, { channels: 'news' });
  const seen = async (keyspace: string): Promise<boolean> =>
    (await explain(db, `user=ann&doc=doc&keyspace=${keyspace}`)).visible;
  assert.deepEqual(
    [await seen('shop.orders'), await seen('orders'), await seen('shop.bills')],
    [true, true, false],
  );
  assert.equal((await refusal(db, 'user=ann&doc=doc')).status, 404);
  assert.equal((await refusal(db, 'user=ann&doc=doc&keyspace=none')).status, 404);
});

test('what is asked wrongly is refused, with what to say', async () => {
  const db = await database();
  await putUser(db, 'ann', {});
  await put(`${db.admin}/doc`, {});
  for (const [query, status, reason] of [
    ['', 400, /one of user and role/],
    ['user=ann&role=staff&doc=doc', 400, /one of user and role/],
    ['user=ann', 400, /one of doc and channel/],
    ['user=ann&doc=doc&channel=a', 400, /one of doc and channel/],
    ['user=nobody&doc=doc', 404, /no user nobody/],
    ['role=nobody&doc=doc', 404, /no role nobody/],
    ['user=ann&doc=none', 404, /no document none in _default._default/],
    ['user=ann&doc=_wrong', 400, /must not begin with an underscore/],
  ] as const) {
    const answer = await refusal(db, query);
    assert.equal(answer.status, status, `${query}: ${answer.text}`);
    assert.match((answer.json as { reason: string }).reason, reason);
  }
  const clients = await request('GET', `${db.public}/_explain?user=ann&doc=doc`);
  assert.equal(clients.status, 404);
});

test('a user and a role tell the reasons of what they have, where they are asked to', async () => {
  const db = await database();
  await put(`${db.admin}/_role/staff`, { admin_channels: ['news'] });
  await putUser(db, 'ann', { admin_channels: ['own'], admin_roles: ['staff'] });
  const plain = await request('GET', `${db.admin}/_user/ann`);
  assert.deepEqual(
    Object.keys(plain.json as object).filter((key) => key.endsWith('reasons')),
    [],
  );
  const { json } = await request('GET', `${db.admin}/_user/ann?reasons=true`);
  const administrator = { kind: 'administrator' };
  assert.partialDeepStrictEqual(json, {
    ...(plain.json as object),
    channel_reasons: {
      '_default._default': {
        '!': [{ since: 1, granted_by: { kind: 'everyone' } }],
        news: [
          {
            since: 2,
            granted_by: administrator,
            role: { name: 'staff', since: 2, granted_by: administrator },
          },
        ],
        own: [{ since: 2, granted_by: administrator }],
      },
    },
    role_reasons: { staff: [{ since: 2, granted_by: administrator }] },
  });
  const role = await request('GET', `${db.admin}/_role/staff?reasons=true`);
  assert.partialDeepStrictEqual(role.json, {
    channel_reasons: { '_default._default': { news: [{ since: 1, granted_by: administrator }] } },
  });
});
