import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../util/errors.ts';
import { parseDatabaseConfig } from './database-config.ts';
import { parseStartup } from './startup-config.ts';

const variables = { REVS: '30', ON: 'true', EMPTY: '', NAME: 'shop', SECRET: 'hush$', N1: '12345' };
const parse = (given: unknown) => parseDatabaseConfig(given, { name: 'db', variables });

function problemsOf(work: () => unknown): readonly string[] {
  try {
    work();
  } catch (cause) {
    assert.ok(cause instanceof GatewayError);
    return cause.details['problems'] as readonly string[];
  }
  return [];
}

test('a variable stands for text, a number or a truth value, and only its name is kept', () => {
  const given = {
    bucket: 'b-${NAME}',
    revs_limit: '${REVS}',
    allow_empty_password: '${ON}',
    guest: { admin_channels: ['${NAME}', 'a-${NOT:-x}-${EMPTY:y}', '${N1}'] },
  };
  const parsed = parse(given);
  assert.deepEqual(parsed.given, given);
  const { bucket, revs_limit: revs, allow_empty_password: empty, guest } = parsed.config;
  assert.deepEqual([bucket, revs, empty], ['b-shop', 30, true]);
  assert.deepEqual(guest.admin_channels, ['shop', 'a-x-y', '12345']);
});

test('two dollars are one, a bare name is text, and a value is not expanded again', () => {
  const guest = { admin_channels: ['$${NAME}', 'pa$$$$', '$NAME', '${SECRET}${NAME:-}'] };
  const { config } = parse({ guest });
  assert.deepEqual(config.guest.admin_channels, ['${NAME}', 'pa$$', '$NAME', 'hush$shop']);
});

test('functions are left alone: there ${} is JavaScript’s own', () => {
  const sync = 'function (doc) { channel(`c-${doc.a}`, "$$", `${NOT_SET}`); }';
  const scopes = { s: { collections: { c: { sync } } } };
  assert.equal(parse({ sync }).config.sync, sync);
  assert.equal(parse({ scopes }).config.scopes['s']?.collections['c']?.sync, sync);
});

test('what is missing or malformed is told once, with its property, and never with the value', () => {
  const given = {
    revs_limit: '${NOT_SET}',
    session_cookie_name: '${A B}',
    bucket: 'a${',
    old_rev_expiry_seconds: '${SECRET}',
  };
  const problems = problemsOf(() => parse(given));
  assert.equal(problems.length, 4, problems.join('\n'));
  assert.match(problems.join('\n'), /^revs_limit: the environment variable NOT_SET is not set/mu);
  assert.match(problems.join('\n'), /^session_cookie_name: after `\$\{` stands NAME/mu);
  assert.match(problems.join('\n'), /^bucket: after `\$\{` stands NAME/mu);
  assert.match(problems.join('\n'), /^old_rev_expiry_seconds: must be a whole number/mu);
  assert.doesNotMatch(problems.join('\n'), /hush/u);
});

test('where variables are not allowed in databases, their names are text', () => {
  const { config } = parseDatabaseConfig({ bucket: '${NAME}' }, { name: 'db' });
  assert.equal(config.bucket, '${NAME}');
  const off = { unsupported: { allow_dbconfig_env_vars: false } };
  assert.equal(parseStartup(JSON.stringify(off), {}, variables).variables, undefined);
});

test('the start-up file may have them, also without quotes; flags are taken as they are', () => {
  const text =
    '{"api": {"max_connections": ${REVS}, "pretty": ${ON}}, "auth": {"bcrypt_cost": ${C:-11}}}';
  const config = parseStartup(text, { dataDir: '/a/${NAME}' }, variables);
  assert.equal(config.api.max_connections, 30);
  assert.equal(config.api.pretty, true);
  assert.equal(config.auth.bcrypt_cost, 11);
  assert.equal(config.bootstrap.server, 'sqlite:/a/${NAME}');
  assert.throws(() => parseStartup('{"api": $REVS}', {}, variables), /after \$ stands \{NAME\}/u);
});
