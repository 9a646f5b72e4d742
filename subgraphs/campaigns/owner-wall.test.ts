import type { Reach } from './catalogue-reader.ts';
import { type OwnedRow, withOwnerWall } from './owner-wall.ts';

const reach: Reach = { tenantId: 'ten_a', appIds: null, partnerId: null };
const own: OwnedRow & { id: string } = { id: 'own', tenantId: 'ten_a', appId: 'app_1', partnerId: 'par_1' };

/** A store that forgot every condition: it gives all its rows to whoever asks. */
function readerOf(rows: readonly OwnedRow[]) {
  const asked: unknown[][] = [];
  const reader = {
    readAll: async (...args: [Reach, ...unknown[]]) => {
      asked.push(args);
      return rows;
    },
    readCount: async () => rows.length,
  };
  const walled = withOwnerWall(reader, {
    unowned: ['readCount'],
    partnerOf: (_read, row) => row.partnerId,
  });
  return { walled, asked };
}

describe('the wall of owners', () => {
  const cases: readonly [title: string, row: OwnedRow, reach: Partial<Reach>, shown: boolean][] = [
    ['a row of the tenant', own, {}, true],
    ['a row of another tenant', { ...own, tenantId: 'ten_b' }, {}, false],
    ['a row that names no tenant', { id: 'own', appId: 'app_1' }, {}, false],
    ['a row whose tenant is null', { ...own, tenantId: null }, {}, false],
    ['a row of an app of the key', own, { appIds: ['app_1', 'app_2'] }, true],
    ['a row of an app that the key is not for', own, { appIds: ['app_2'] }, false],
    ['a row of any app, for a key of no app', own, { appIds: [] }, false],
    ['a row of no app, for a key of some apps', { id: 'own', tenantId: 'ten_a' }, { appIds: ['app_2'] }, true],
    ['a row of the partner', own, { partnerId: 'par_1' }, true],
    ['a row of another partner', own, { partnerId: 'par_2' }, false],
    ['a row of no partner, for a partner', { ...own, partnerId: null }, { partnerId: 'par_1' }, false],
    ['a row that all partners may see', { id: 'own', tenantId: 'ten_a' }, { partnerId: 'par_1' }, true],
    ['a row of the partner in another tenant', { ...own, tenantId: 'ten_b' }, { partnerId: 'par_1' }, false],
    ['a row of a partner, for the organisation', own, { partnerId: null }, true],
  ];
  it.each(cases)('%s: shown or not as it should be', async (_title, row, given, shown) => {
    const { walled } = readerOf([row]);
    expect(await walled.readAll({ ...reach, ...given })).toEqual(shown ? [row] : []);
  });

  it('keeps the order of what it lets through', async () => {
    const rows = [
      { ...own, id: '3' },
      { ...own, id: '2', tenantId: 'ten_b' },
      { ...own, id: '1' },
    ];
    expect((await readerOf(rows).walled.readAll(reach)).map(({ id }) => id)).toEqual(['3', '1']);
  });

  it('passes the reach and every further argument on', async () => {
    const { walled, asked } = readerOf([]);
    await walled.readAll(reach, ['id'], 7);
    expect(asked).toEqual([[reach, ['id'], 7]]);
  });

  it('leaves alone what gives no rows', async () => {
    expect(await readerOf([own, own]).walled.readCount()).toBe(2);
  });

  it('passes on what the store threw', async () => {
    const reader = {
      readAll: async (_reach: Reach): Promise<readonly OwnedRow[]> => Promise.reject(new Error('away')),
    };
    const walled = withOwnerWall(reader, { unowned: [], partnerOf: () => undefined });
    await expect(walled.readAll(reach)).rejects.toThrow('away');
  });
});
