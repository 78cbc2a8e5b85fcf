import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Passwords } from './passwords.ts';

/** bcrypt's lowest cost: these tests are not about its strength. */
const COST = 4;

test('a password verifies against its own hash, however often, and against no other', async () => {
  const passwords = new Passwords({ cost: COST });
  const hash = await passwords.hash('sesame');
  assert.match(hash, /^\$2[aby]\$04\$/);
  assert.equal(await passwords.verify('sesame', hash), true);
  assert.equal(await passwords.verify('sesame', hash), true);
  assert.equal(await passwords.verify('Sesame', hash), false);
  assert.equal(await passwords.verify('sesame', await passwords.hash('other')), false);
});

test('without a hash nothing verifies', async () => {
  const passwords = new Passwords({ cost: COST });
  assert.equal(await passwords.verify('sesame', undefined), false);
  assert.equal(await passwords.verify('', undefined), false);
});

test('a remembered password costs no second bcrypt; a wrong one and an unknown user always do', async () => {
  const passwords = new Passwords({ cost: 10 });
  const hash = await passwords.hash('sesame');
  await passwords.verify('sesame', hash);
  const ms = async (password: string, stored: string | undefined) => {
    const start = performance.now();
    await passwords.verify(password, stored);
    return performance.now() - start;
  };
  const tries = [0, 1, 2].map(() => ms('sesame', hash));
  const remembered = Math.min(...(await Promise.all(tries)));
  const wrong = await ms('wrong', hash);
  const nobody = [await ms('sesame', undefined), await ms('sesame', undefined)];
  // NOTE: bcrypt at cost 10 takes tens of ms of CPU on any machine; a busy one only adds to it.
  assert.ok(remembered < 10, `${remembered} ms`);
  for (const real of [wrong, ...nobody]) assert.ok(real > 10, `${real} ms`);
});

test('too short and too long passwords are refused by name, not cut', async () => {
  const passwords = new Passwords({ cost: COST });
  await assert.rejects(passwords.hash('ab'), { tag: 'badRequest', message: /at least 3/ });
  await assert.rejects(passwords.hash('x'.repeat(73)), { tag: 'badRequest', message: /72 bytes/ });
  await assert.rejects(passwords.hash('é'.repeat(37)), { tag: 'badRequest', message: /72 bytes/ });
  const hash = await passwords.hash('x'.repeat(72));
  assert.equal(await passwords.verify('x'.repeat(72), hash), true);
  assert.equal(await passwords.verify('x'.repeat(73), hash), false);
});

test('past the limit of waiting verifications one is refused, and the others are served', async () => {
  const passwords = new Passwords({ cost: COST, runningMax: 1, waitingMax: 2 });
  const hash = await passwords.hash('sesame');
  const tries = ['a', 'b', 'c', 'd'].map((password) => passwords.verify(password, hash));
  const outcomes = await Promise.allSettled(tries);
  assert.deepEqual(
    outcomes.map((o) => (o.status === 'fulfilled' ? o.value : o.reason.tag)),
    [false, false, false, 'unavailable'],
  );
  assert.equal(await passwords.verify('sesame', hash), true);
});

test('equal verifications at the same time share one run', async () => {
  const passwords = new Passwords({ cost: COST, runningMax: 1, waitingMax: 0 });
  const hash = await passwords.hash('sesame');
  const all = await Promise.all(Array.from({ length: 20 }, () => passwords.verify('sesame', hash)));
  assert.deepEqual(new Set(all), new Set([true]));
});

test('who aborts stops waiting; the run that others share goes on', async () => {
  const passwords = new Passwords({ cost: COST });
  const hash = await passwords.hash('sesame');
  const abort = new AbortController();
  const first = passwords.verify('sesame', hash, abort.signal);
  const second = passwords.verify('sesame', hash);
  abort.abort(new Error('gone'));
  await assert.rejects(first, /gone/);
  assert.equal(await second, true);
});
