import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inlineFunctions, isFilePath, isUrl } from './function-places.ts';
import { OLDER_STARTUP_NAMES } from './older-names.ts';
import { readStartup } from './startup-config.ts';
import { STARTUP_OPTIONS } from './startup-options.ts';

const read = (file: object, flags = {}) => readStartup(JSON.stringify(file), flags, { V: '7' });

test('every newer name that an older one stands for is an option', () => {
  for (const { from, to } of OLDER_STARTUP_NAMES) {
    let at: unknown = STARTUP_OPTIONS;
    for (const name of to?.split('.') ?? []) {
      const entry: unknown = (at as Record<string, unknown>)[name];
      assert.ok(entry !== undefined || isOpaque(at), `${from} → ${to ?? ''}`);
      const { kind, options } = (entry ?? {}) as { kind?: string; options?: unknown };
      at = kind === 'group' ? options : entry;
    }
  }
});

/** An option of a later version, whose inside no table describes. */
const isOpaque = (at: unknown): boolean => (at as { kind?: string })?.kind === 'option';

test('older names are read as their newer ones, in any case, with their older units', () => {
  const { config, problems } = read({
    interface: '127.0.0.1:1234',
    admininterface: 'localhost:1235',
    maxIncomingConnections: 9,
    serverReadTimeout: 20,
    maxHeartbeat: '${V}',
    log: ['HTTP'],
    CORS: { Origin: ['http://a.example'], MaxAge: 5 },
    bcrypt_cost: 11,
    slowServerCallWarningThreshold: 100,
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(config.api.public_interface, { host: '127.0.0.1', port: 1234 });
  assert.equal(config.api.admin_interface.port, 1235);
  assert.equal(config.api.max_connections, 9);
  assert.equal(config.api.server_read_timeout.ms, 20_000);
  assert.equal(config.replicator.max_heartbeat.ms, 7000);
  assert.deepEqual(config.api.cors.origin, ['http://a.example']);
  assert.deepEqual(config.logging.console.log_keys, ['HTTP']);
  assert.equal(config.databases, undefined, 'configurations are kept in buckets');
  assert.match(config.warnings.join('\n'), /older names are read: interface \(now api\.public/u);
  assert.match(config.warnings.join('\n'), /nothing here acts on it: slowServerCall/u);
});

test('a mistake is told by the name that stands in the file', () => {
  const { problems } = read({
    interface: 5,
    SSLCert: '/c.pem',
    pretty: true,
    api: { pretty: false },
    facebook: { register: true },
    CORS: { Orign: [] },
  });
  const told = problems.join('\n');
  assert.match(told, /^interface \(now api\.public_interface\): must be HOST:PORT/mu);
  assert.match(told, /^SSLCert \(now api\.https\): is not supported by this version yet/mu);
  assert.match(told, /^pretty: is the older name of api\.pretty, which is given too/mu);
  assert.match(told, /^facebook: logins by Facebook are not there/mu);
  assert.match(told, /^CORS: may have Origin/mu);
});

test('databases of the file are taken with their older names, users and roles', () => {
  const { config, problems } = read({
    databases: {
      shop: {
        server: 'sqlite:/data',
        bucket: 'b',
        username: 'x',
        rev_cache_size: 10,
        cache: { channel_cache_max_length: 600, max_wait_pending: 100 },
        users: { GUEST: { disabled: false }, ann: { password: 'pw-${V}' } },
        roles: { staff: { admin_channels: ['s'] } },
      },
      other: { revs_limit: '${V}' },
    },
  });
  assert.deepEqual(problems, []);
  assert.equal(config.bootstrap.server, 'sqlite:/data');
  const [shop, other] = config.databases ?? [];
  assert.deepEqual(shop?.given, {
    bucket: 'b',
    cache: { rev_cache: { size: 10 }, channel_cache: { max_length: 600, max_wait_pending: 100 } },
    guest: { disabled: false },
  });
  assert.deepEqual(shop.users, { ann: { password: 'pw-7' } });
  assert.deepEqual(shop.roles, { staff: { admin_channels: ['s'] } });
  assert.deepEqual([other?.bucket, other?.given], ['other', { revs_limit: '${V}' }]);
  assert.match(config.warnings.join('\n'), /only Couchbase Server could use this: username/u);
});

test('all mistakes of all databases are told, each with its path', () => {
  const { problems } = read({
    databases: {
      Bad: {},
      one: { server: 'walrus:', revs_limit: 'x', rev_cache_size: 'y', users: [] },
      two: { server: 'http://u:secret@h:8091', bucket: 'one' },
      three: 3,
    },
  });
  const told = problems.join('\n');
  assert.match(told, /^databases\.Bad: a database name begins with a small letter/mu);
  assert.match(told, /^databases\.one\.revs_limit: must be/mu);
  assert.match(told, /^databases\.one\.rev_cache_size \(now cache\.rev_cache\.size\): must be/mu);
  assert.match(told, /^databases\.one\.users: must be an object/mu);
  assert.match(told, /^databases\.one\.server: must be sqlite:DIR .* is walrus:; .*--data-dir/mu);
  assert.match(told, /^databases\.two\.server: must be sqlite:DIR/mu);
  assert.match(told, /^databases\.two: the collection _default\._default .* databases\.one/mu);
  assert.match(told, /^databases\.three: must be an object/mu);
  assert.doesNotMatch(told, /secret/u);
});

test('--data-dir stands above the servers of a file, so that an old one is read as it is', () => {
  const databases = { db: { server: 'http://127.0.0.1:8091' } };
  const { config, problems } = read({ databases }, { dataDir: 'd' });
  assert.deepEqual(problems, []);
  assert.equal(config.bootstrap.server, 'sqlite:d');
  assert.match(config.warnings.join('\n'), /stands above databases\.db\.server/u);
});

test('a gateway has one server, and one place for its databases', () => {
  const two = { a: { server: 'sqlite:x' }, b: { server: 'sqlite:y' } };
  assert.match(
    read({ databases: two }).problems.join(),
    /databases\.b\.server: .* a gateway has one/u,
  );
  const contrary = { disable_persistent_config: false, databases: {} };
  assert.match(read(contrary).problems.join(), /databases: live on this node only/u);
  assert.deepEqual(read({}, { disablePersistentConfig: true }).config.databases, []);
});

test('what stands in the place of a function is told from a function', () => {
  for (const url of ['http://h/x.js', 'https://h:1/?a=(b)']) assert.ok(isUrl(url), url);
  for (const path of ['sync.js', './f/sync.js', '/etc/sync', 'f\\sync.js', ' a/b.js '])
    assert.ok(isFilePath(path), path);
  for (const source of ['function(doc){}', '(doc) => 1', 'x', '', 'a/b\n', 'doc => doc/2'])
    assert.equal(isFilePath(source) && !source.includes('\n'), false, source);
});

test('functions are put where their places stood, and each that cannot be read is told', async () => {
  const given = {
    sync: 'a.js',
    import_filter: 'function(){}',
    scopes: { s: { collections: { c: { sync: 'b.js' }, d: {} } } },
  };
  const texts = (place: string) => Promise.resolve(`text of ${place}`);
  assert.deepEqual((await inlineFunctions(given, texts, isFilePath)).given, {
    sync: 'text of a.js',
    import_filter: 'function(){}',
    scopes: { s: { collections: { c: { sync: 'text of b.js' }, d: {} } } },
  });
});
