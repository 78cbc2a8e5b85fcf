import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGatewayError } from '../util/errors.ts';
import { startupConfigAnswer } from './config-answer.ts';
import { readEnvironment } from './environment.ts';
import { parseRuntimeChange } from './runtime-change.ts';
import { parseStartup } from './startup-config.ts';

function problems(act: () => unknown): readonly string[] {
  try {
    act();
  } catch (error) {
    assert(isGatewayError(error, 'badRequest'));
    return error.details['problems'] as readonly string[];
  }
  return [];
}

test('without a file there are defaults on loopback, and a sample database', () => {
  const config = parseStartup(undefined);
  assert.deepEqual(config.api.public_interface, { host: '127.0.0.1', port: 4984 });
  assert.deepEqual(config.api.admin_interface, { host: '127.0.0.1', port: 4985 });
  assert.deepEqual(config.api.metrics_interface, { host: '127.0.0.1', port: 4986 });
  assert.deepEqual(config.api.read_header_timeout, { ms: 5000 });
  assert.equal(config.bootstrap.server, 'sqlite:data');
  assert.equal(config.auth.bcrypt_cost, 10);
  assert.equal(config.sample?.name, 'demo');
  assert.deepEqual(config.warnings, []);
});

test('a file is read, and then there is no sample', () => {
  const config = parseStartup(`{
    // a comment
    "bootstrap": {"server": "sqlite:/var/lib/tidegate", "group_id": "default"},
    "api": {"public_interface": ":4984", "idle_timeout": "2m", "pretty": true},
    "auth": {"bcrypt_cost": 12},
  }`);
  assert.equal(config.sample, undefined);
  assert.equal(config.bootstrap.server, 'sqlite:/var/lib/tidegate');
  assert.deepEqual(config.api.public_interface, { host: '', port: 4984 });
  assert.deepEqual(config.api.idle_timeout, { ms: 120_000 });
  assert.equal(config.auth.bcrypt_cost, 12);
});

test('flags stand above the file, and environment variables say what flags say', () => {
  const file = '{"api": {"admin_interface": "127.0.0.1:1"}, "bootstrap": {"server": "x:"}}';
  const config = parseStartup(file, {
    adminInterface: 'localhost:2',
    dataDir: '/d',
    logLevel: 'debug',
  });
  assert.deepEqual(config.api.admin_interface, { host: 'localhost', port: 2 });
  assert.equal(config.bootstrap.server, 'sqlite:/d');
  assert.equal(config.logging.console.log_level, 'debug');
  assert.deepEqual(
    readEnvironment({ TIDEGATE_ADMIN_INTERFACE: 'localhost:2', TIDEGATE_CONFIG: '', HOME: '/' }),
    { adminInterface: 'localhost:2' },
  );
});

test('every mistake is told at once, with what would be right', () => {
  const text = JSON.stringify({
    api: { public_interfaces: ':1', idle_timeout: 90, admin_interface: '0.0.0.0:4985' },
    auth: { bcrypt_cost: 9 },
    adminInterface: ':4985',
    logging: { console: { log_level: 'warning' }, info: { enabled: true } },
    replicator: [],
  });
  assert.deepEqual(
    problems(() => parseStartup(text)),
    [
      'adminInterface: is the older name of api.admin_interface, which is given too',
      'api.public_interfaces: is no known property; did you mean api.public_interface?',
      'api.idle_timeout: must be a duration such as "500ms", "5s" or "1m30s", of at most a year, is 90',
      'auth.bcrypt_cost: must be a whole number from 10 to 31, is 9',
      'replicator: must be an object, is a list',
      'logging.console.log_level: must be one of "none", "error", "warn", "info", "debug", "trace", ' +
        'is "warning"',
      'logging.info: is not supported by this version yet; leave it out',
      'api.admin_interface (--admin-interface): has no authentication yet, so it must be a loopback ' +
        'address (127.0.0.0/8, [::1] or localhost)',
    ],
  );
});

test('what is no object is refused', () => {
  for (const text of ['[]', '1', '"x"', 'null']) {
    assert.equal(problems(() => parseStartup(text)).length, 1, text);
    assert.equal(problems(() => parseStartup(text, { logLevel: 'info' })).length, 1, text);
  }
  assert.equal(
    problems(() => parseStartup('{"api": 1}', { adminInterface: '127.0.0.1:1' })).length,
    1,
  );
});

test('two interfaces cannot have one address, unless the system chooses the port', () => {
  const same = { publicInterface: '127.0.0.1:5000', adminInterface: '127.0.0.1:5000' };
  assert.match(problems(() => parseStartup(undefined, same)).join(), /is the address of/);
  const free = { publicInterface: '127.0.0.1:0', adminInterface: '127.0.0.1:0' };
  assert.deepEqual(
    problems(() => parseStartup(undefined, free)),
    [],
  );
});

test('what only Couchbase Server could use is accepted with one warning, without its values', () => {
  const text = '{"bootstrap": {"server": "sqlite:x", "username": "u1", "password": "geheim"}}';
  const config = parseStartup(text);
  assert.equal(config.warnings.length, 1);
  assert.match(config.warnings[0] ?? '', /bootstrap\.username, bootstrap\.password/);
  assert.doesNotMatch(config.warnings.join(), /geheim/);
});

test('a wrong secret is not repeated in the message', () => {
  const text = '{"bootstrap": {"password": 123456, "server": {"x": "geheim"}}}';
  const told = problems(() => parseStartup(text)).join();
  assert.match(told, /bootstrap\.password: must be a string/);
  assert.doesNotMatch(told, /123456|geheim/);
});

test('GET /_config shows what was given, and hides secrets', () => {
  const text = '{"bootstrap": {"server": "postgres://ann:geheim@host/x", "password": "p"}}';
  const config = parseStartup(text);
  const answer = startupConfigAnswer(config);
  assert.doesNotMatch(JSON.stringify(answer), /geheim|ann/);
  assert.deepEqual(answer, {
    bootstrap: { server: 'postgres://xxxxx:xxxxx@host/x', username: '', password: 'xxxxx' },
    api: {
      public_interface: '127.0.0.1:4984',
      admin_interface: '127.0.0.1:4985',
      metrics_interface: '127.0.0.1:4986',
    },
    auth: {},
    logging: {},
    replicator: {},
    unsupported: {},
  });
  const complete = startupConfigAnswer(config, { includeRuntime: true });
  assert.deepEqual(complete['auth'], { bcrypt_cost: 10 });
});

test('at run time only the log can be changed', () => {
  const level = { logging: { console: { log_level: 'warn' } } };
  assert.deepEqual(parseRuntimeChange(level), { logLevel: 'warn' });
  assert.deepEqual(parseRuntimeChange({ logging: { console: { log_keys: ['HTTP'] } } }), {
    logKeys: ['HTTP'],
  });
  assert.deepEqual(parseRuntimeChange({}), {});
  assert.deepEqual(parseRuntimeChange({ max_concurrent_replications: 7 }), {});
  const refused = [
    { nosuch: true },
    { bootstrap: { server: 'x' } },
    { replicator: {} },
    { logging: { console: { file_output: 'x' } } },
    { max_concurrent_replications: -1 },
    [],
    null,
  ];
  for (const value of refused) assert.equal(problems(() => parseRuntimeChange(value)).length, 1);
});
