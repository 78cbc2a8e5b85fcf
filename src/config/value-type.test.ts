import assert from 'node:assert/strict';
import { test } from 'node:test';
import { address, duration, integer, isLoopback, zeroOr } from './value-type.ts';

test('durations are those of Go', () => {
  const ms = (text: unknown) => {
    const parsed = duration.schema.safeParse(text);
    return parsed.success ? parsed.data.ms : undefined;
  };
  assert.equal(ms('5s'), 5000);
  assert.equal(ms('1m30s'), 90_000);
  assert.equal(ms('1.5h'), 5_400_000);
  assert.equal(ms('250ms'), 250);
  assert.equal(ms('2us'), 0.002);
  assert.equal(ms('0'), 0);
  for (const wrong of [
    '',
    '5',
    's',
    '-5s',
    '5 s',
    '5d',
    '1m 30s',
    5,
    null,
    '999999h',
    '9'.repeat(99),
  ]) {
    assert.equal(ms(wrong), undefined, String(wrong));
  }
});

test('addresses are HOST:PORT, with brackets around IPv6', () => {
  const parse = (text: unknown) => {
    const parsed = address.schema.safeParse(text);
    return parsed.success ? parsed.data : undefined;
  };
  assert.deepEqual(parse('127.0.0.1:4984'), { host: '127.0.0.1', port: 4984 });
  assert.deepEqual(parse(':4984'), { host: '', port: 4984 });
  assert.deepEqual(parse('[::1]:0'), { host: '::1', port: 0 });
  assert.deepEqual(parse('gate.example.com:80'), { host: 'gate.example.com', port: 80 });
  for (const wrong of [
    '4984',
    'x',
    'x:',
    '::1:80',
    '[x]:80',
    'x:65536',
    'http://x:1',
    'a b:1',
    80,
  ]) {
    assert.equal(parse(wrong), undefined, String(wrong));
  }
});

test('loopback is 127.0.0.0/8, ::1 and localhost, and nothing that looks like it', () => {
  for (const host of ['127.0.0.1', '127.255.0.9', '::1', 'localhost', 'LocalHost']) {
    assert.equal(isLoopback(host), true, host);
  }
  const others = ['', '0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.com', '127.1', '127.0.0.256'];
  for (const host of [...others, 'localhost.example.com', '::ffff:127.0.0.1']) {
    assert.equal(isLoopback(host), false, host);
  }
});

test('numbers keep to their range, and strings are no numbers', () => {
  assert.equal(integer(1, 9).schema.safeParse(9).success, true);
  for (const wrong of [0, 10, 1.5, '1', true, Number.NaN, Infinity]) {
    assert.equal(integer(1, 9).schema.safeParse(wrong).success, false, String(wrong));
  }
  assert.equal(zeroOr(0.04, 60).schema.safeParse(0.01).success, false);
  assert.equal(zeroOr(0.04, 60).schema.safeParse(0).success, true);
});
