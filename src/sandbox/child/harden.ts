/**
 * Freezes the built-ins of a realm, so that no call can change what the next one sees. Whole graph:
 * what `roots` reach by properties, accessors and prototypes, and the intrinsics without a name.
 *
 * A frozen prototype would also refuse `error.name = …` or `Foo.prototype.toString = …` on objects
 * that inherit from it (an assignment is refused where an inherited property is read-only). So the
 * properties that programs override become accessors whose setter defines the property on the
 * receiver.
 *
 * NOTE: the text of these functions is run in the child (`program-text.ts`).
 */
export function harden(roots: readonly unknown[]): void {
  const prototypeOf = Object.getPrototypeOf as (value: unknown) => unknown;
  const iterators = [
    [][Symbol.iterator](),
    ''[Symbol.iterator](),
    new Map()[Symbol.iterator](),
    new Set()[Symbol.iterator](),
    ''.matchAll(/x/g),
    [].values().map((value) => value),
    Iterator.from({ next: () => ({ done: true, value: undefined }) }),
  ];
  const unnamed: unknown[] = [
    prototypeOf(Uint8Array),
    function* () {},
    async () => await Promise.resolve(),
    async function* () {},
    ...iterators,
  ].map(prototypeOf);
  const seen = new Set<object>();
  const waiting: unknown[] = [...roots, ...unnamed];
  for (let value = waiting.pop(); waiting.length > 0 || value; value = waiting.pop()) {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) continue;
    if (seen.has(value)) continue;
    seen.add(value);
    allowOverrides(value);
    waiting.push(prototypeOf(value));
    for (const key of Reflect.ownKeys(value)) {
      const property = Reflect.getOwnPropertyDescriptor(value, key);
      waiting.push(property?.value, property?.get, property?.set);
    }
  }
  for (const value of seen) Object.freeze(value);
}

/** Makes the overridable properties of a prototype accessors (see `harden`). */
export function allowOverrides(owner: object): void {
  const usual = ['toString', 'toLocaleString', 'valueOf', 'name', 'message', 'next'];
  // NOTE: on the prototypes of arrays, promises and expressions an accessor `constructor` switches
  // the engine's fast paths off, so it is made one only on objects, functions and errors.
  const withConstructor =
    owner === Object.prototype || owner === Function.prototype || owner === Error.prototype;
  const isError = Error.prototype.isPrototypeOf(owner);
  const all = owner === Object.prototype ? Object.getOwnPropertyNames(owner) : usual;
  const keys = withConstructor || isError ? [...all, 'constructor'] : all;
  if (typeof owner === 'function' && owner !== Function.prototype) return;
  for (const key of keys) {
    const property = Object.getOwnPropertyDescriptor(owner, key);
    if (property?.configurable !== true || !('value' in property)) continue;
    const value: unknown = property.value;
    Object.defineProperty(owner, key, {
      get: () => value,
      set(this: unknown, next: unknown) {
        if (Object(this) !== this || this === owner) return;
        Object.defineProperty(this, key, {
          value: next,
          writable: true,
          enumerable: true,
          configurable: true,
        });
      },
      enumerable: false,
      configurable: false,
    });
  }
}
