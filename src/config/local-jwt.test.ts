import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { readDatabaseConfig } from './database-config.ts';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const rsa = publicKey.export({ format: 'jwk' });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
const good = { issuer: 'i', client_id: 'app', algorithms: ['RS256'], keys: [rsa] };
const url = 'https://keys.example.com/jwks';

function read(local_jwt: unknown) {
  const { parsed, problems } = readDatabaseConfig({ local_jwt }, { name: 'db' });
  return { problems, warnings: parsed.warnings, config: parsed.config.local_jwt };
}

test('a provider with keys, or with the place of its keys, is complete with its defaults', () => {
  const { problems, config, warnings } = read({ p: good });
  assert.deepEqual([problems, warnings], [[], []]);
  assert.equal(config['p']?.register, false);
  assert.equal(config['p']?.username_claim, '');
  const { keys: _, ...without } = good;
  assert.deepEqual(read({ p: { ...without, jwks_uri: url, client_id: '' } }).problems, []);
  const two = [
    { ...rsa, kid: 'a' },
    { ...ec, kid: 'b', use: 'sig', alg: 'ES256' },
  ];
  assert.deepEqual(
    read({ p: { ...good, algorithms: ['PS512', 'ES256'], keys: two } }).problems,
    [],
  );
  assert.deepEqual(read({}).problems, []);
});

test('each mistake is named by its place, and no key is in the message', () => {
  const { keys: _, ...without } = good;
  const secret = privateKey.export({ format: 'jwk' });
  const cases: readonly [provider: object, problem: RegExp][] = [
    [{ ...good, issuer: null }, /^local_jwt\.p\.issuer: must be given/],
    [{ ...good, issuer: '' }, /^local_jwt\.p\.issuer: must be a string of 1 to/],
    [{ ...good, client_id: null }, /^local_jwt\.p\.client_id: must be given/],
    [{ ...good, algorithms: [] }, /^local_jwt\.p\.algorithms: must name at least one/],
    [
      { ...good, algorithms: ['HS256'] },
      /^local_jwt\.p\.algorithms: must be a list, each of it one of/,
    ],
    [{ ...good, algorithms: ['none'] }, /^local_jwt\.p\.algorithms: must be a list/],
    [without, /^local_jwt\.p\.keys: must be given, or else jwks_uri/],
    [{ ...good, keys: [] }, /^local_jwt\.p\.keys: must be given, or else jwks_uri/],
    [{ ...good, keys: 'x' }, /^local_jwt\.p\.keys: must be a list/],
    [{ ...good, jwks_uri: url }, /^local_jwt\.p\.jwks_uri: is given beside keys/],
    [{ ...without, jwks_uri: 'ftp://x/' }, /^local_jwt\.p\.jwks_uri: must be an absolute URL/],
    [
      { ...without, jwks_uri: 'http://169.254.1.1/' },
      /^local_jwt\.p\.jwks_uri: names 169\.254\.1\.1/,
    ],
    [{ ...good, nosuch: 1 }, /^local_jwt\.p\.nosuch: is no known property/],
    [{ ...good, keys: [{}] }, /^local_jwt\.p\.keys\[0\]: kty must be given/],
    [{ ...good, keys: [{ kty: 'oct', k: 'geheim' }] }, /keys\[0\]: is a shared secret/],
    [{ ...good, keys: [{ kty: 'X' }] }, /keys\[0\]: kty must be "RSA", "EC" or "OKP"/],
    [{ ...good, keys: [secret] }, /keys\[0\]: has a private part \(d\)/],
    [{ ...good, keys: [{ ...rsa, n: 1 }] }, /keys\[0\]: is no key/],
    [{ ...good, keys: [{ ...rsa, use: 'enc' }] }, /keys\[0\]: use must be "sig"/],
    [{ ...good, keys: [{ ...rsa, key_ops: ['sign'] }] }, /keys\[0\]: key_ops must be/],
    [{ ...good, keys: [{ ...rsa, kid: 7 }] }, /keys\[0\]: kid must be a string/],
    [
      { ...good, keys: [{ ...rsa, alg: 'RS512' }] },
      /keys\[0\]: is for none of the algorithms RS256/,
    ],
    [{ ...good, keys: [ec] }, /keys\[0\]: is for none of the algorithms RS256/],
  ];
  for (const [provider, problem] of cases) {
    const { problems } = read({ p: provider });
    assert.equal(problems.length, 1, `${String(problem)}: ${problems.join('; ')}`);
    assert.match(problems[0] ?? '', problem);
    assert.ok(!problems.join().includes(String(secret.d)) && !problems.join().includes('geheim'));
  }
});

test('several keys have names of their own, and two providers tokens of their own', () => {
  const same = [
    { ...rsa, kid: 'a' },
    { ...rsa, kid: 'a' },
  ];
  assert.deepEqual(read({ p: { ...good, keys: same } }).problems, [
    'local_jwt.p.keys[1]: has the kid of keys[0]',
  ]);
  assert.deepEqual(read({ p: { ...good, keys: [{ ...rsa, kid: 'a' }, rsa] } }).problems, [
    'local_jwt.p.keys[1]: kid must be given where there are several keys',
  ]);
  assert.deepEqual(read({ p: good, q: { ...good } }).problems, [
    'local_jwt.q: has the issuer and client_id of local_jwt.p',
  ]);
  assert.deepEqual(read({ p: good, q: { ...good, client_id: '' } }).problems, []);
  assert.equal(read({ 'a b': good }).problems.length, 1);
});

test('what is weak is taken with a warning', () => {
  const keys = [short.export({ format: 'jwk' })];
  const { keys: _, ...without } = good;
  const { problems, warnings } = read({
    p: { ...good, keys, skip_expiry_check: true },
    q: { ...without, client_id: 'q', jwks_uri: 'http://keys.example.com/' },
    r: { ...without, client_id: 'r', jwks_uri: 'http://127.0.0.1/' },
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(
    warnings.map((warning) => /local_jwt\.\S+/.exec(warning)?.[0]),
    ['local_jwt.p.keys[0]:', 'local_jwt.p:', 'local_jwt.q.jwks_uri:'],
  );
});
