import fc from 'fast-check';
import { parseCaller, signCaller } from './caller.ts';
import { hash64, hex64 } from './hash.ts';
import { installIdOf, newId, parseInstallId, parsePersonId, personIdOf, uuidV7 } from './ids.ts';
import { trimDecimal } from './money.ts';

describe('ids', () => {
  it('makes ids that say their kind and differ', () => {
    const ids = new Set(Array.from({ length: 1000 }, () => newId('campaign')));
    expect(ids.size).toBe(1000);
    expect([...ids].every((id) => /^cmp_[0-9a-z]{16}$/.test(id))).toBe(true);
  });

  it('makes UUIDs of version 7 that order by time', () => {
    expect(uuidV7(1_000)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    fc.assert(
      fc.property(fc.nat(2 ** 31), fc.integer({ min: 1, max: 1e6 }), (at, later) => uuidV7(at) < uuidV7(at + later)),
    );
  });

  it('takes an install id apart as it was put together, colons in the event id included', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9_]{1,20}$/), fc.string({ minLength: 1 }), (appId, eventId) => {
        expect(parseInstallId(installIdOf(appId, 'native', eventId))).toEqual({
          appId,
          sourceFormat: 'native',
          eventId,
        });
        expect(parsePersonId(personIdOf(appId, eventId))).toEqual({ appId, deviceKey: eventId });
      }),
    );
    expect([parseInstallId('a'), parseInstallId('a:b'), parseInstallId('a:b:'), parseInstallId('::x')]).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });
});

describe('hash64', () => {
  it('is xxHash64 with seed 0', () => {
    // Known answers of the algorithm's reference implementation.
    expect(hex64(hash64(''))).toBe('ef46db3751d8e999');
    expect(hex64(hash64('a'))).toBe('d24ec4f1a98c6e5b');
  });
});

describe('signCaller', () => {
  const caller = {
    tenantId: 'ten_1',
    appIds: null,
    scopes: ['read:reports' as const],
    keyId: 'key_1',
    requestId: 'r',
    expiresAt: 2_000,
  };
  it('gives the caller back, and nothing for a forged, foreign or expired token', () => {
    const token = signCaller(caller, 's'.repeat(32));
    expect(parseCaller(token, 's'.repeat(32), 1_000)).toEqual(caller);
    expect(parseCaller(token, 't'.repeat(32), 1_000)).toBeNull();
    expect(parseCaller(token, 's'.repeat(32), 2_000)).toBeNull();
    const forged = `${Buffer.from(JSON.stringify({ ...caller, tenantId: 'ten_2' })).toString('base64url')}.${token.split('.')[1]}`;
    expect([parseCaller(forged, 's'.repeat(32), 1_000), parseCaller(null, 's', 0), parseCaller('x', 's', 0)]).toEqual([
      null,
      null,
      null,
    ]);
  });
});

describe('trimDecimal', () => {
  it.each([
    ['4.990000', '4.99'],
    ['5.000000', '5'],
    ['-0', '0'],
    ['0.000000', '0'],
    ['100', '100'],
    ['-0.50', '-0.5'],
  ])('%s → %s', (given, wanted) => expect(trimDecimal(given)).toBe(wanted));
});
