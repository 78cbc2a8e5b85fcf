import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clearedSessionCookie, cookieValue, sessionCookie } from './cookies.ts';

const OPTIONS = {
  name: 'SyncGatewaySession',
  database: 'db',
  secure: false,
  httpOnly: true,
  sameSite: 'Lax',
} as const;

test('sessionCookie is bound to the database, until it expires', () => {
  assert.equal(
    sessionCookie({ id: 'abc', expires: 1_800_000_000 }, OPTIONS),
    'SyncGatewaySession=abc; Path=/db; Expires=Fri, 15 Jan 2027 08:00:00 GMT; HttpOnly; SameSite=Lax',
  );
});

test('sessionCookie says what the options say', () => {
  const session = { id: 'abc', expires: 0 };
  const open = { ...OPTIONS, httpOnly: false, sameSite: 'Default', secure: true } as const;
  assert.match(sessionCookie(session, open), /GMT; Secure$/);
  assert.match(sessionCookie(session, { ...OPTIONS, sameSite: 'None' }), /SameSite=None; Secure$/);
  assert.doesNotMatch(sessionCookie({ id: 'a', expires: 1e13 }, OPTIONS), /Invalid/);
});

test('clearedSessionCookie is empty and long past', () => {
  assert.match(
    clearedSessionCookie(OPTIONS),
    /^SyncGatewaySession=; Path=\/db; Expires=Thu, 01 Jan 1970 00:00:00 GMT/,
  );
});

test('cookieValue finds the cookie among others, however odd', () => {
  assert.equal(cookieValue('a=b; S=x=y ;c="d e"; ===', 'S'), 'x=y');
  assert.equal(cookieValue('S="quoted"', 'S'), 'quoted');
  for (const header of ['', 'S', 'S=', 'XS=1; s=2', '; ;']) {
    assert.equal(cookieValue(header, 'S'), undefined, header);
  }
});
