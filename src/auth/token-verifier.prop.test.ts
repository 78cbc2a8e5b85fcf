import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inSecs, newIssuer } from '../../test/helpers/tokens.ts';
import { bearerToken } from './bearer-token.ts';
import { openTestTokens } from './test-tokens.ts';

// Whatever is changed in a token, and whatever is sent instead of one: it is refused as wrong, and
// nothing else happens.

const issuers = [newIssuer('k1'), newIssuer('k2', 'ES256')];
const PROVIDER = {
  issuer: 'i',
  client_id: 'app',
  algorithms: ['RS256', 'ES256'],
  keys: issuers.map(({ jwk }) => jwk),
};
const claims = { iss: 'i', aud: 'app', sub: 'ann', exp: inSecs(3600), roles: ['r'] };
const tokens = issuers.map((issuer) => issuer.token(claims));
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.'.split('');

const altered = fc
  .record({
    token: fc.constantFrom(...tokens),
    at: fc.nat(),
    instead: fc.string({ unit: fc.constantFrom(...ALPHABET), maxLength: 3 }),
    removed: fc.nat({ max: 3 }),
  })
  .map(({ token, at, instead, removed }) => {
    const from = at % token.length;
    return token.slice(0, from) + instead + token.slice(from + removed);
  })
  .filter((token) => !tokens.some((each) => isSame(each, token)));

const header = fc.oneof(
  altered.map((token) => `Bearer ${token}`),
  fc.string().map((text) => `Bearer ${text}`),
  fc
    .array(fc.json({ maxDepth: 2 }), { minLength: 3, maxLength: 3 })
    .map((parts) => parts.map((part) => Buffer.from(part).toString('base64url')).join('.'))
    .map((token) => `Bearer ${token}`),
);

test('no altered token is let in, and none breaks anything', async () => {
  using t = openTestTokens({ p: PROVIDER });
  for (const token of tokens) assert.equal((await t.tokens.verify(token)).user.name, 'i_ann');
  await fc.assert(
    fc.asyncProperty(header, async (text) => {
      const token = bearerToken(text);
      if (token === undefined) return;
      await assert.rejects(t.tokens.verify(token), { tag: 'unauthorized' });
    }),
    { verbose: 1, numRuns: 500 },
  );
});

/** The last character of a part may have bits that are no part of its bytes. */
function isSame(token: string, other: string): boolean {
  const [parts, others] = [token.split('.'), other.split('.')];
  const isHead = parts[0] === others[0] && parts[1] === others[1];
  const [one = '', two = ''] = [parts[2], others[2]];
  const bytesOf = (text: string) => Buffer.from(text, 'base64url');
  return isHead && others.length === 3 && bytesOf(one).equals(bytesOf(two));
}
