import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGatewayError } from '../util/errors.ts';
import { databaseConfigAnswer } from './config-answer.ts';
import type { DatabaseConfig } from './database-config.ts';
import { parseDatabaseConfig } from './database-config.ts';
import { claimedCollections, collectionsOf, scopeOf } from './scopes.ts';

const parse = (value: unknown) => parseDatabaseConfig(value, { name: 'db' });
const shop = (...names: readonly string[]) => ({
  shop: { collections: Object.fromEntries(names.map((name) => [name, {}])) },
});

function problems(value: unknown, previous?: DatabaseConfig): readonly string[] {
  try {
    parseDatabaseConfig(value, { name: 'db', ...(previous && { previous }) });
  } catch (error) {
    assert(isGatewayError(error, 'badRequest'));
    return error.details['problems'] as readonly string[];
  }
  return [];
}

const fullNames = (value: unknown): readonly string[] =>
  collectionsOf(parse(value).config).map(({ fullName }) => fullName);

test('without scopes there is the default collection, with the function at the top', () => {
  for (const value of [{}, { scopes: {} }, { scopes: null }]) {
    const { config } = parse({ ...value, sync: 'function(doc) {}' });
    assert.deepEqual(collectionsOf(config), [
      {
        fullName: '_default._default',
        name: '_default',
        sync: 'function(doc) {}',
        syncPath: 'sync',
        importFilter: '',
        importFilterPath: 'import_filter',
      },
    ]);
    assert.equal(scopeOf(config), '_default');
  }
});

test('each collection of the scope has a function of its own', () => {
  const goods = { sync: 'function(doc) { channel(doc.tag) }' };
  const scopes = { shop: { collections: { goods, orders: {} } } };
  const { config, given } = parse({ scopes });
  assert.deepEqual(
    collectionsOf(config).map(({ fullName, name, sync }) => [fullName, name, sync]),
    [
      ['shop.goods', 'goods', goods.sync],
      ['shop.orders', 'orders', ''],
    ],
  );
  assert.equal(scopeOf(config), 'shop');
  assert.deepEqual(given, { scopes });
});

test('a collection that is null is not there', () => {
  const { given } = parse({ scopes: { shop: { collections: { a: {}, b: null } }, x: null } });
  assert.deepEqual(given, { scopes: shop('a') });
});

test('the default collection may stand beside others of the default scope', () => {
  const scopes = { _default: { collections: { _default: {}, extra: {} } } };
  assert.deepEqual(fullNames({ scopes }), ['_default._default', '_default.extra']);
});

test('the default collection named alone may have its function in either place, not in both', () => {
  const named = (own: object) => ({ scopes: { _default: { collections: { _default: own } } } });
  const sync = 'function(doc) {}';
  for (const value of [{ ...named({}), sync }, named({ sync })])
    assert.equal(collectionsOf(parse(value).config)[0]?.sync, sync);
  assert.equal(problems({ ...named({ sync }), sync }).length, 1);
});

test('each collection has an import filter of its own', () => {
  const filter = 'function (doc) { return true; }';
  const scopes = { shop: { collections: { goods: { import_filter: filter }, orders: {} } } };
  const filters = (value: object) =>
    collectionsOf(parse(value).config).map(({ importFilter, importFilterPath }) => [
      importFilter,
      importFilterPath,
    ]);
  assert.deepEqual(filters({ scopes }), [
    [filter, 'scopes.shop.collections.goods.import_filter'],
    ['', 'scopes.shop.collections.orders.import_filter'],
  ]);
  assert.deepEqual(filters({ import_filter: filter }), [[filter, 'import_filter']]);
  const named = (own: object) => ({ scopes: { _default: { collections: { _default: own } } } });
  const sync = 'function () {}';
  assert.deepEqual(filters({ ...named({ sync }), import_filter: filter }), [
    [filter, 'import_filter'],
  ]);
  assert.deepEqual(filters({ ...named({ import_filter: filter }), sync }), [
    [filter, 'scopes._default.collections._default.import_filter'],
  ]);
});

test('scopes that are refused, each with its reason', () => {
  const one = { collections: { c: {} } };
  const refused: readonly (readonly [value: object, reason: RegExp])[] = [
    [{ scopes: { a: one, b: one } }, /^scopes: must name exactly one scope, names a, b$/],
    [{ scopes: { a: { collections: {} } } }, /^scopes\.a\.collections: must name at least one/],
    [{ scopes: { a: {} } }, /^scopes\.a\.collections: must name at least one/],
    [{ scopes: { a: { collections: { c: null } } } }, /^scopes\.a\.collections: must name/],
    [{ scopes: { a: one }, sync: 'function(doc) {}' }, /^sync: with scopes/],
    [{ scopes: { a: { collections: { _default: {} } } } }, /_default: is in the scope _default/],
    [
      { scopes: { a: { collections: { c: { nosuch: 1 } } } } },
      /collections\.c\.nosuch: is no known/,
    ],
    [{ scopes: { a: { collections: { c: { import_filter: 1 } } } } }, /must be a string/],
    [{ scopes: { a: one }, import_filter: 'function(doc) {}' }, /^import_filter: with scopes/],
    [
      { scopes: { a: { collections: { c: [] } } } },
      /^scopes\.a\.collections\.c: must be an object/,
    ],
    [{ scopes: [] }, /^scopes: must be an object, is a list$/],
    [{ scopes: { a: 'b' } }, /^scopes\.a: must be an object, is "b"$/],
  ];
  for (const [value, reason] of refused)
    assert.match(problems(value)[0] ?? '', reason, JSON.stringify(value));
});

test('names are those of Couchbase Server', () => {
  for (const name of ['a', '9', '-', 'A_b-c%d', 'constructor', 'x'.repeat(251)]) {
    assert.deepEqual(fullNames({ scopes: shop(name) }), [`shop.${name}`]);
    assert.deepEqual(fullNames({ scopes: { [name]: { collections: { c: {} } } } }), [`${name}.c`]);
  }
  for (const name of [
    '',
    'a.b',
    '_system',
    '%a',
    'a b',
    'é',
    'a\n',
    '__proto__',
    'x'.repeat(252),
  ]) {
    const collections = JSON.parse(`{${JSON.stringify(name)}: {}}`) as object;
    const told = problems({ scopes: { shop: { collections } } });
    assert.match(told[0] ?? '', /^scopes\.shop\.collections: the name .* must be /s, name);
  }
});

test('a database has at most a thousand collections', () => {
  const names = Array.from({ length: 1001 }, (_, n) => `c${n}`);
  assert.match(problems({ scopes: shop(...names) })[0] ?? '', /must have at most 1000 properties/);
  assert.equal(fullNames({ scopes: shop(...names.slice(1)) }).length, 1000);
});

test('a database with named collections cannot go back to none', () => {
  const named = parse({ scopes: shop('a') }).config;
  const plain = parse({}).config;
  assert.match(problems({}, named)[0] ?? '', /^scopes: a database with named collections/);
  assert.equal(problems({ scopes: {} }, named).length, 1);
  assert.deepEqual(problems({ scopes: shop('b') }, named), []);
  assert.deepEqual(problems({ scopes: shop('b') }, plain), []);
  assert.deepEqual(problems({}, plain), []);
});

test('the guest may have channels in the collections that there are', () => {
  const access = (collection: string, channel = '*') => ({
    guest: { collection_access: { shop: { [collection]: { admin_channels: [channel] } } } },
  });
  const { config } = parse({ scopes: shop('a'), ...access('a') });
  assert.deepEqual(config.guest.collection_access, { shop: { a: { admin_channels: ['*'] } } });
  assert.match(
    problems({ scopes: shop('a'), ...access('b') })[0] ?? '',
    /^guest\.collection_access\.shop\.b: the database has no such collection$/,
  );
  assert.match(
    problems({ scopes: shop('a'), ...access('a', 'x,y') })[0] ?? '',
    /^guest\.collection_access\.shop\.a\.admin_channels\[0\]: a channel’s name has no comma$/,
  );
  assert.equal(problems(access('a')).length, 1);
  const unnamed = { collection_access: { _default: { _default: { admin_channels: ['x'] } } } };
  assert.match(problems({ guest: unnamed })[0] ?? '', /its channels are given in guest/);
});

test('what a stored configuration claims is told even where it is not valid', () => {
  assert.deepEqual(claimedCollections({}), ['_default._default']);
  assert.deepEqual(claimedCollections({ scopes: shop('a', 'b'), nosuch: 1 }), ['shop.a', 'shop.b']);
  assert.deepEqual(claimedCollections({ scopes: 'x' }), ['_default._default']);
});

test('GET _config shows scopes as given, and can leave the functions out', () => {
  const scopes = { shop: { collections: { a: { sync: 'function(doc) {}' }, b: {} } } };
  const guest = { collection_access: { shop: { a: { admin_channels: ['x'] } } } };
  const parsed = parse({ scopes, guest });
  assert.deepEqual(databaseConfigAnswer(parsed)['scopes'], scopes);
  assert.deepEqual(
    databaseConfigAnswer(parsed, { includeJavascript: false })['scopes'],
    shop('a', 'b'),
  );
  const runtime = databaseConfigAnswer(parsed, { includeRuntime: true });
  assert.deepEqual(runtime['scopes'], scopes);
  assert.deepEqual(runtime['guest'], { name: '', ...guest, disabled: true });
  assert.equal('scopes' in databaseConfigAnswer(parse({}), { includeRuntime: true }), false);
});
