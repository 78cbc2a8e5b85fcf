import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGatewayError } from '../util/errors.ts';
import { databaseConfigAnswer } from './config-answer.ts';
import { javascriptTimeoutMs, parseDatabaseConfig, parseDatabaseName } from './database-config.ts';

const parse = (value: unknown) => parseDatabaseConfig(value, { name: 'db' });

function problems(value: unknown): readonly string[] {
  try {
    parse(value);
  } catch (error) {
    assert(isGatewayError(error, 'badRequest'));
    return error.details['problems'] as readonly string[];
  }
  return [];
}

test('an empty configuration has every default', () => {
  const { config, given, warnings } = parse({});
  assert.equal(config.name, 'db');
  assert.equal(config.bucket, 'db');
  assert.equal(config.revs_limit, 50);
  assert.equal(config.guest.disabled, true);
  assert.equal(config.session_cookie_http_only, true);
  assert.equal(config.limits.document_bytes_max, 20_971_520);
  assert.equal(javascriptTimeoutMs(config), 1000);
  assert.deepEqual(given, {});
  assert.deepEqual(warnings, []);
});

test('only what was given is kept, and null means absent', () => {
  const value = {
    bucket: 'b',
    sync: 'function (doc) {}',
    revs_limit: null,
    guest: { disabled: false, admin_channels: ['*'], admin_roles: null },
    cache: { channel_cache: { max_length: 100 } },
    javascript_timeout_secs: 5,
  };
  const { config, given } = parse(value);
  assert.deepEqual(given, {
    bucket: 'b',
    sync: 'function (doc) {}',
    guest: { disabled: false, admin_channels: ['*'] },
    cache: { channel_cache: { max_length: 100 } },
    javascript_timeout_secs: 5,
  });
  assert.deepEqual(config.guest.admin_channels, ['*']);
  assert.deepEqual(config.guest.admin_roles, []);
  assert.equal(config.cache.channel_cache.max_length, 100);
  assert.equal(javascriptTimeoutMs(config), 5000);
  assert.deepEqual(parse(given).given, given);
});

test('every mistake is told at once', () => {
  const value = {
    nosuch_property: 1,
    rev_limit: 5,
    revs_limit: 'ten',
    sync: 1,
    offline: 'yes',
    guest: { disabled: 'x', channels: [], admin_channels: ['a,b'] },
    bcrypt_cost: 12,
    name: 'other',
    cache: { channel_cache: { max_length: 0 } },
  };
  assert.deepEqual(problems(value), [
    'nosuch_property: is no known property',
    'rev_limit: is no known property; did you mean revs_limit?',
    'bcrypt_cost: belongs into the start-up configuration: auth.bcrypt_cost',
    'offline: must be true or false, is "yes"',
    'revs_limit: must be a whole number of at least 1, is "ten"',
    'sync: must be a string with the source of one JavaScript function, is 1',
    'guest.channels: is no known property; did you mean guest.admin_channels?',
    'guest.disabled: must be true or false, is "x"',
    'cache.channel_cache.max_length: must be a whole number of at least 1, is 0',
    'name: must be the name in the URL, "db"',
    'guest.admin_channels[0]: a channel’s name has no comma',
  ]);
});

test('what is no object is refused', () => {
  for (const value of [[], null, undefined, 'x', 1, true]) {
    assert.equal(problems(value).length, 1, String(value));
  }
});

test('revs_limit follows allow_conflicts', () => {
  assert.equal(parse({ allow_conflicts: true }).config.revs_limit, 100);
  assert.equal(parse({ allow_conflicts: true, revs_limit: 20 }).config.revs_limit, 20);
  assert.equal(problems({ allow_conflicts: true, revs_limit: 19 }).length, 1);
  assert.equal(parse({ revs_limit: 1 }).config.revs_limit, 1);
  for (const wrong of [0, -1, 1.5, '10']) assert.equal(problems({ revs_limit: wrong }).length, 1);
});

test('users.GUEST is the older form of guest, and no other principal may be named', () => {
  const { config, given } = parse({ users: { GUEST: { disabled: false, admin_channels: ['a'] } } });
  assert.equal(config.guest.disabled, false);
  assert.deepEqual(given, { guest: { disabled: false, admin_channels: ['a'] } });
  for (const wrong of [
    { users: { a: { password: 'geheim' } } },
    { users: { 'bad:name': { password: 'geheim' } } },
    { users: [] },
    { users: { GUEST: {} }, guest: {} },
    { roles: { r: {} } },
    { guest: { password: 'geheim' } },
  ]) {
    const told = problems(wrong);
    assert.equal(told.length, 1, JSON.stringify(wrong));
    assert.doesNotMatch(told.join(), /geheim/);
  }
  assert.deepEqual(parse({ users: {} }).given, {});
});

test('what a later version brings is refused by name, unless it asks for nothing new', () => {
  const later = {
    oidc: { providers: { p: { issuer: 'x', client_id: 'y', validation_key: 'geheim' } } },
    delta_sync: { enabled: true },
    replications: { r: { remote: 'http://ann:geheim@x/' } },
  };
  for (const [name, value] of Object.entries(later)) {
    const told = problems({ [name]: value });
    assert.equal(told.length, 1, name);
    assert.match(told[0] ?? '', new RegExp(`^${name}: is not supported by this version yet`));
    assert.doesNotMatch(told.join(), /geheim/);
  }
  const harmless = {
    event_handlers: {},
    delta_sync: { enabled: false },
    replications: {},
    unsupported: { oidc_test_provider: { enabled: false }, user_views: {} },
  };
  assert.deepEqual(problems(harmless), []);
});

test('import_docs where shared access is off is accepted with a warning', () => {
  const off = { enable_shared_bucket_access: false };
  for (const value of [true, 'continuous'])
    assert.deepEqual(parse({ ...off, import_docs: value }).warnings, [
      'configuration of database db: import_docs has no effect, as ' +
        'enable_shared_bucket_access is false',
    ]);
  for (const value of [off, { ...off, import_docs: false }, { import_docs: true }])
    assert.deepEqual(parse(value).warnings, []);
  assert.equal(parse({}).config.import_docs, true);
  assert.match(problems({ import_docs: 'no' })[0] ?? '', /^import_docs: must be true, false or/);
});

test('what nothing here acts on is accepted with a warning of each kind', () => {
  const { warnings } = parse({
    num_index_replicas: 0,
    use_views: true,
    store_legacy_revtree_data: false,
    cache: { rev_cache: { size: 10 } },
  });
  assert.deepEqual(warnings, [
    'configuration of database db: only Couchbase Server could use this, it has no effect: ' +
      'use_views, num_index_replicas',
    'configuration of database db: accepted, but nothing here acts on it: ' +
      'store_legacy_revtree_data, cache.rev_cache.size',
  ]);
  assert.equal(problems({ compact_interval_days: 0.01 }).length, 1);
  assert.equal(problems({ query_pagination_limit: 1 }).length, 1);
});

test('names of databases', () => {
  for (const name of ['a', 'db1', 'a-b_c$d(e)+/f', 'x'.repeat(128)]) {
    assert.equal(parseDatabaseName(name), name);
  }
  for (const name of [
    '',
    'Upper',
    '1abc',
    '-a',
    'a.b',
    'a b',
    '_x',
    'é',
    'aB',
    'a\n',
    'x'.repeat(129),
  ]) {
    assert.throws(
      () => parseDatabaseName(name),
      (error) => isGatewayError(error, 'badRequest'),
    );
  }
  assert.deepEqual(parse({ name: 'db' }).given, { name: 'db' });
  assert.deepEqual(parse({ name: '' }).given, {});
});

test('GET _config shows what was given; the runtime form shows every default', () => {
  const parsed = parse({
    revs_limit: 30,
    sync: 'function(doc){channel(doc.c)}',
    guest: { disabled: true },
  });
  assert.deepEqual(databaseConfigAnswer(parsed), {
    name: 'db',
    bucket: 'db',
    revs_limit: 30,
    sync: 'function(doc){channel(doc.c)}',
    guest: { disabled: true },
  });
  const plain = databaseConfigAnswer(parsed, { includeJavascript: false, refresh: true });
  assert.deepEqual(plain, {
    name: 'db',
    bucket: 'db',
    revs_limit: 30,
    guest: { name: '', disabled: true },
  });
  const runtime = databaseConfigAnswer(parsed, { includeRuntime: true, server: 'sqlite:data' });
  assert.equal(runtime['server'], 'sqlite:data');
  assert.equal(runtime['password'], 'xxxxx');
  assert.equal(runtime['old_rev_expiry_seconds'], 300);
  assert.deepEqual(runtime['guest'], { name: '', disabled: true });
  assert.deepEqual(runtime['delta_sync'], { enabled: false, rev_max_age_seconds: 86_400 });
  assert.equal('import_filter' in runtime, false);
});
