import { jest } from '@jest/globals';
import type { Operation } from './isolation-operations.testing.ts';
import type { Outcome } from './isolation-trial.testing.ts';
import { trial, type Walls } from './isolation-walls.testing.ts';
import type { IsolationWorld } from './isolation-world.testing.ts';

// What is a wall itself is replaced before anything of the product is loaded, which nothing but a test can do.
const access = await import('../../subgraphs/src/kit-access.ts');
jest.unstable_mockModule('../../subgraphs/src/kit-access.ts', () => ({
  ...access,
  refusePartner(...args: Parameters<typeof access.refusePartner>) {
    if (trial.walls.subgraph) access.refusePartner(...args);
  },
  requirePersonal(...args: Parameters<typeof access.requirePersonal>) {
    if (trial.walls.subgraph) access.requirePersonal(...args);
    else access.requireScope(args[0], 'read:personal');
  },
  isOwn: (...args: Parameters<typeof access.isOwn>) => !trial.walls.subgraph || access.isOwn(...args),
}));
const { withOwnerWall } = await import('../../subgraphs/campaigns/owner-wall.ts');
jest.unstable_mockModule('../../subgraphs/campaigns/owner-wall.ts', () => ({
  withOwnerWall(reader: object, wall: never) {
    const walled = withOwnerWall(reader, wall);
    return new Proxy(reader, { get: (_, name) => Reflect.get(trial.walls.subgraph ? walled : reader, name) });
  },
}));
const { responseKey } = await import('../../gateway/src/pipeline/response-key.ts');
let uniqueKeys = 0;
jest.unstable_mockModule('../../gateway/src/pipeline/response-key.ts', () => ({
  responseKey(parts: Parameters<typeof responseKey>[0]) {
    const ofSetting = { ...parts, freshness: `${trial.setting} ${parts.freshness}` };
    if (trial.walls.gateway) return responseKey(ofSetting);
    // Where the SQL stands alone, nothing that was kept may answer in its place.
    if (trial.walls.sql) return responseKey({ ...ofSetting, freshness: String(uniqueKeys++) });
    return responseKey({ ...ofSetting, tenantId: 'anybody', rights: '' });
  },
}));
const { openIsolationWorld } = await import('./isolation-world.testing.ts');
const { categories } = await import('./isolation-operations.testing.ts');
const { askAll, operationsIn } = await import('./isolation-trial.testing.ts');

jest.setTimeout(600_000);

describe('two tenants, and two partners in one, with mirrored data', () => {
  let world: IsolationWorld;
  let operations: readonly Operation[];
  const ask = (setting: string, walls: Walls, which = operations): Promise<Outcome> =>
    askAll(world, which, setting, walls);

  beforeAll(async () => {
    world = await openIsolationWorld();
    operations = await operationsIn(world);
  });
  afterAll(async () => world?.dispose());

  it('ask more than 200 operations, of every kind, for what is not theirs', () => {
    const foreign = operations.filter((operation) => operation.foreign);
    expect(foreign.length).toBeGreaterThan(200);
    expect(new Set(operations.map(({ category }) => category))).toEqual(new Set(categories));
    expect(new Set(operations.map(({ name }) => name)).size).toBe(operations.length);
  });

  it('see nothing of each other', async () => {
    const { leaks, warmed } = await ask('all walls', { gateway: true, subgraph: true, sql: true });
    expect(leaks).toEqual([]);
    // Owners who get no answers themselves would prove nothing.
    expect(warmed.answered / warmed.asked).toBeGreaterThan(0.7);
  });

  it('see nothing of each other by the SQL alone', async () => {
    const { leaks } = await ask('the SQL alone', { gateway: false, subgraph: false, sql: true });
    expect(leaks).toEqual([]);
  });

  it('get nothing by a foreign id, key or cursor where only the SQL stands open', async () => {
    const foreign = operations.filter((operation) => operation.foreign);
    const { leaks, opened } = await ask('all but the SQL', { gateway: true, subgraph: true, sql: false }, foreign);
    expect(leaks).toEqual([]);
    expect(opened.warehouse).toBeGreaterThan(50);
    expect(opened.relational).toBeGreaterThan(50);
  });

  it('see each other, by every kind of operation, where no wall stands', async () => {
    const { leaks } = await ask('no wall', { gateway: false, subgraph: false, sql: false });
    expect(new Set(leaks.map(({ category }) => category))).toEqual(new Set(categories));
    expect(leaks.length / operations.length).toBeGreaterThan(0.5);
  });
});
