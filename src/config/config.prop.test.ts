import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isGatewayError } from '../util/errors.ts';
import { parseConfigText } from './config-text.ts';
import { parseDatabaseConfig } from './database-config.ts';
import { DATABASE_OPTIONS } from './database-options.ts';
import { claimedCollections, collectionsOf } from './scopes.ts';
import { parseStartup } from './startup-config.ts';
import { STARTUP_OPTIONS } from './startup-options.ts';

// NOTE: a failure prints its seed and path.
const check = (property: fc.IProperty<[unknown]>) => fc.assert(property, { numRuns: 300 });

const names = [...Object.keys(DATABASE_OPTIONS), ...Object.keys(STARTUP_OPTIONS), 'x', '__proto__'];
const likeConfig = fc.dictionary(
  fc.constantFrom(...names),
  fc.oneof(fc.jsonValue(), fc.boolean(), fc.nat(), fc.constant({ enabled: false })),
  { maxKeys: 6 },
);

test('every JSON text means what JSON means', () => {
  check(
    fc.property(fc.json(), (text) => {
      if (text.includes('__proto__')) return;
      assert.deepEqual(parseConfigText(text), JSON.parse(text));
    }),
  );
});

test('any text is read, or refused as badRequest', () => {
  check(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      isReadOrRefused(() => parseConfigText(text));
    }),
  );
});

test('any value is a configuration, or refused as badRequest; what is kept is accepted again', () => {
  check(
    fc.property(fc.oneof(likeConfig, fc.jsonValue()), (value) => {
      isReadOrRefused(() => {
        const { config, given } = parseDatabaseConfig(value, { name: 'db' });
        const again = parseDatabaseConfig(JSON.parse(JSON.stringify(given)), { name: 'db' });
        assert.deepEqual(again.config, config);
        assert.deepEqual(again.given, given);
      });
    }),
  );
});

const name = fc.constantFrom('_default', 's', 'a-b%', '_x', 's.t', '', '__proto__', 'constructor');
const collection = fc.oneof(fc.constant({}), fc.constant({ sync: 'f' }), fc.jsonValue());
const collections = fc.dictionary(name, collection, { maxKeys: 4 });
const likeScopes = fc.dictionary(name, fc.oneof(fc.record({ collections }), fc.jsonValue()), {
  maxKeys: 2,
});

test('any scopes are a configuration, or refused; what is kept is accepted again', () => {
  check(
    fc.property(likeScopes, (scopes) => {
      isReadOrRefused(() => {
        const { config, given } = parseDatabaseConfig({ scopes }, { name: 'db' });
        const again = parseDatabaseConfig(JSON.parse(JSON.stringify(given)), { name: 'db' });
        assert.deepEqual(again.config, config);
        const served = collectionsOf(config).map(({ fullName }) => fullName);
        assert.deepEqual(claimedCollections(given), served);
        assert.equal(Object.keys(config.scopes).length <= 1, true);
      });
    }),
  );
});

test('any file starts the gateway, or is refused as badRequest', () => {
  check(
    fc.property(likeConfig, (value) => {
      isReadOrRefused(() => parseStartup(JSON.stringify(value)));
    }),
  );
});

function isReadOrRefused(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    if (!isGatewayError(error, 'badRequest')) throw error;
    assert.ok(error.message.length < 20_000);
  }
}
