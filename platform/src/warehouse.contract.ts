import { CodedError } from '@tributary/schema';
import { z } from 'zod';
import { engineCodeOf, isRowRefusal } from './warehouse/clickhouse-errors.ts';
import { defineQuery, type Warehouse } from './warehouse.ts';

export interface WarehouseUnderTest {
  /** On a database in which the suite may make and drop the table `contract_rows`. */
  readonly warehouse: Warehouse;
  /** Opens another client of a store that isn't there. */
  openUnreachable(): Warehouse;
  dispose(): Promise<void>;
}

const tenantFree = 'contract suite';
const anything = z.record(z.string(), z.unknown());

const ask = (sql: string, extra: { timeoutMs?: number; maxMemoryBytes?: number; name?: string } = {}) =>
  defineQuery({ name: 'contract', sql, tenantFree, params: anything, row: anything, ...extra });

const byTenant = defineQuery({
  name: 'contract_by_tenant',
  sql: 'SELECT id, text FROM contract_rows WHERE tenant_id = {tenantId:String} ORDER BY id',
  params: z.object({ tenantId: z.string() }),
  row: z.object({ id: z.string(), text: z.string() }),
});

const aboutEver = 'SELECT count() FROM numbers_mt(1000000000000) WHERE sipHash64(number) = 1';

const fault = (code: string) => expect.objectContaining({ code });

/** What every adapter of the warehouse port must do. The functions below are lists of facts, hence their length. */
export function describeWarehouseContract(name: string, open: () => Promise<WarehouseUnderTest>): void {
  describe(`warehouse contract: ${name}`, () => {
    let under: WarehouseUnderTest;
    let warehouse: Warehouse;
    beforeAll(async () => {
      under = await open();
      warehouse = under.warehouse;
    }, 60_000);
    afterAll(() => under?.dispose());
    beforeEach(async () => {
      await warehouse.execute({ name: 'contract_drop', sql: 'DROP TABLE IF EXISTS contract_rows' });
      await warehouse.execute({
        name: 'contract_create',
        sql: `CREATE TABLE contract_rows (tenant_id String, id UInt64, text String DEFAULT 'none', amount Decimal(38, 6),
          at DateTime64(3, 'UTC'), tags Array(String)) ENGINE = MergeTree ORDER BY id`,
      });
    });
    describe('inserts', () => insertFacts(() => warehouse));
    describe('queries', () => queryFacts(() => warehouse));
    describe('limits and ends', () => limitFacts(() => warehouse));
    describe('faults', () => faultFacts(() => under));
  });
}

function insertFacts(warehouse: () => Warehouse): void {
  const count = async () =>
    (await warehouse().query(ask('SELECT count() AS n, sum(id) AS s FROM contract_rows'), {}))[0];
  const insert = (body: Uint8Array | readonly Uint8Array[], table = 'contract_rows') =>
    warehouse().insertBytes({ name: 'contract_insert', table, format: 'JSONEachRow', body });

  it('stores every row of one buffer and says how many', async () => {
    const lines = Array.from({ length: 20_000 }, (_, id) => `{"tenant_id":"t","id":${id}}\n`).join('');
    await expect(insert(Buffer.from(lines))).resolves.toEqual({ writtenRows: 20_000 });
    await expect(count()).resolves.toEqual({ n: '20000', s: '199990000' });
  });

  it('inserts at once, without tokens of deduplication', async () => {
    const settings = ['async_insert', 'insert_deduplicate'];
    const columns = settings.map((name) => `${name} UInt8 DEFAULT toUInt8(getSetting('${name}'))`).join(', ');
    await warehouse().execute({
      name: 'contract_settings',
      sql: `CREATE TABLE contract_settings (id UInt8, ${columns}) ENGINE = Memory`,
    });
    try {
      await insert(Buffer.from('{"id":1}\n'), 'contract_settings');
      const rows = await warehouse().query(ask(`SELECT ${settings.join(', ')} FROM contract_settings`), {});
      expect(rows).toEqual([{ async_insert: 0, insert_deduplicate: 0 }]);
    } finally {
      await warehouse().execute({ name: 'contract_settings', sql: 'DROP TABLE contract_settings' });
    }
  });

  it('joins chunks that end within a row', async () => {
    const bytes = Buffer.from(Array.from({ length: 999 }, (_, id) => `{"tenant_id":"t","id":${id}}\n`).join(''));
    const chunks = Array.from({ length: Math.ceil(bytes.length / 100) }, (_, at) =>
      bytes.subarray(at * 100, at * 100 + 100),
    );
    await expect(insert(chunks)).resolves.toEqual({ writtenRows: 999 });
    await expect(count()).resolves.toEqual({ n: '999', s: '498501' });
  });

  it('takes no bytes for no rows', async () => {
    await expect(insert(new Uint8Array())).resolves.toEqual({ writtenRows: 0 });
    await expect(insert([])).resolves.toEqual({ writtenRows: 0 });
    await expect(count()).resolves.toEqual({ n: '0', s: '0' });
  });

  it('reads times as epoch milliseconds, skips unknown fields, fills absent and null ones with defaults', async () => {
    await insert(
      Buffer.from(
        '{"tenant_id":"t","id":1,"at":1760000000123,"amount":"12.345678","later_field":{"a":[1]},"text":null}\n',
      ),
    );
    const rows = await warehouse().query(
      ask('SELECT toUnixTimestamp64Milli(at) AS at, amount, text, tags FROM contract_rows'),
      {},
    );
    expect(rows).toEqual([{ at: '1760000000123', amount: '12.345678', text: 'none', tags: [] }]);
  });

  it('fills only the named columns', async () => {
    await insert(Buffer.from('{"id":5,"text":"x"}\n'), 'contract_rows (id, text)');
    await expect(warehouse().query(ask('SELECT tenant_id, id, text FROM contract_rows'), {})).resolves.toEqual([
      { tenant_id: '', id: '5', text: 'x' },
    ]);
  });

  it('inserts typed rows, whatever their texts hold', async () => {
    const text = 'quote \' " backslash \\ newline \n tab \t 🙂 \u0000 end';
    await warehouse().insertRows({ name: 'rows', table: 'contract_rows', rows: [{ tenant_id: 't', id: 1, text }] });
    await expect(warehouse().query(byTenant, { tenantId: 't' })).resolves.toEqual([{ id: '1', text }]);
  });

  it.each([
    ['a text where a number belongs', '{"tenant_id":"t","id":"seven"}'],
    ['a negative unsigned number', '{"tenant_id":"t","id":-1}'],
    ['an unreadable time', '{"tenant_id":"t","id":1,"at":"yesterday"}'],
    ['an unreadable amount', '{"tenant_id":"t","id":1,"amount":"much"}'],
    ['a text where a list belongs', '{"tenant_id":"t","id":1,"tags":"x"}'],
    ['half a row', '{"tenant_id":"t","id":1'],
    ['no object', '[1]'],
  ])('refuses the whole batch for %s, and says that it is the rows', async (_what, line) => {
    const error = await insert(Buffer.from(`{"tenant_id":"t","id":1}\n${line}\n`)).catch((thrown) => thrown);
    expect(error).toEqual(fault('ROW_REFUSED'));
    expect(isRowRefusal(error)).toBe(true);
    expect(engineCodeOf(error)).toBeGreaterThan(0);
    await expect(count()).resolves.toEqual({ n: '0', s: '0' });
  });
}

function queryFacts(warehouse: () => Warehouse): void {
  it('gives 64-bit integers and decimals as texts, smaller numbers as numbers', async () => {
    const sql = "SELECT 9007199254740993 AS big, toDecimal128('1.5', 6) AS money, toUInt32(7) AS small, [1.5] AS list";
    await expect(warehouse().query(ask(sql), {})).resolves.toEqual([
      { big: '9007199254740993', money: '1.5', small: 7, list: [1.5] },
    ]);
  });

  it.each([
    "' OR 1 = 1 --",
    "'; DROP TABLE contract_rows; --",
    "\\' OR 1 = 1 --",
    '{tenantId:String}',
    'line\nbreak\ttab\\n',
    '"`🙂',
    '',
  ])('keeps the parameter %j a literal', async (value) => {
    await warehouse().insertRows({
      name: 'rows',
      table: 'contract_rows',
      rows: [
        { tenant_id: value, id: 1, text: 'mine' },
        { tenant_id: 'other', id: 2, text: 'theirs' },
      ],
    });
    await expect(warehouse().query(byTenant, { tenantId: value })).resolves.toEqual([{ id: '1', text: 'mine' }]);
    await expect(warehouse().query(ask('SELECT {value:String} AS v'), { value })).resolves.toEqual([{ v: value }]);
  });

  it('takes lists, also long ones, and null', async () => {
    const ids = Array.from({ length: 5_000 }, (_, at) => `id-'${at}`);
    const sql = 'SELECT length({ids:Array(String)}) AS n, {ids:Array(String)}[2] AS second, {x:Nullable(String)} AS x';
    await expect(warehouse().query(ask(sql), { ids, x: null })).resolves.toEqual([
      { n: '5000', second: "id-'1", x: null },
    ]);
  });

  it('does not carry parameters or settings from one statement to the next', async () => {
    const other = ask('SELECT {leaked:String} AS v');
    await Promise.all(
      Array.from({ length: 8 }, () => warehouse().query(other, { leaked: 'secret' }, { timeoutMs: 4_321 })),
    );
    for (let at = 0; at < 8; at += 1) {
      await expect(warehouse().query(other, {})).rejects.toEqual(fault('INTERNAL'));
      const [row] = await warehouse().query(ask("SELECT toFloat64(getSetting('max_execution_time')) AS s"), {});
      expect(row).toEqual({ s: 15 });
    }
  });

  it('gives each of many statements at once its own parameters', async () => {
    const definition = ask('SELECT {v:String} AS v, {n:UInt32} AS n');
    const asked = Array.from({ length: 100 }, (_, n) => ({ v: `value ${n}`, n }));
    await expect(Promise.all(asked.map((params) => warehouse().query(definition, params)))).resolves.toEqual(
      asked.map((row) => [row]),
    );
  });

  it('refuses SQL that is not bound to a tenant and does not say why', async () => {
    const definition = defineQuery({
      name: 'all',
      sql: 'SELECT 1 -- {tenantId:String}',
      params: anything,
      row: anything,
    });
    await expect(warehouse().query(definition, {})).rejects.toEqual(fault('INTERNAL'));
  });

  it('refuses parameters that do not fit before it asks the store', async () => {
    await expect(warehouse().query(byTenant, { tenantId: 7 } as never)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { statement: 'contract_by_tenant', fields: ['tenantId'] },
    });
  });

  it('refuses a parameter that does not parse as its type', async () => {
    await expect(warehouse().query(ask('SELECT {n:UInt32} AS n'), { n: 'many' })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { engineCode: 457 },
    });
  });

  it('reports a row of another form as a fault of ours', async () => {
    const definition = defineQuery({
      name: 'odd_row',
      sql: 'SELECT number AS n FROM numbers(3)',
      tenantFree,
      params: anything,
      row: z.object({ n: z.number() }),
    });
    await expect(warehouse().query(definition, {})).rejects.toMatchObject({
      code: 'INTERNAL',
      details: { statement: 'odd_row', row: 0, fields: ['n'] },
    });
  });

  it('executes statements with parameters and settings', async () => {
    await warehouse().execute({
      name: 'copy',
      sql: 'INSERT INTO contract_rows (tenant_id, id) SELECT {tenant:String}, number FROM numbers({n:UInt64})',
      params: { tenant: "o'neil", n: 12 },
      settings: { max_threads: 1 },
    });
    await expect(warehouse().query(byTenant, { tenantId: "o'neil" })).resolves.toHaveLength(12);
  });
}

function limitFacts(warehouse: () => Warehouse): void {
  const running = async (mark: string) => {
    const sql =
      'SELECT count() AS n FROM system.processes WHERE position(query, {mark:String}) > 0 AND query NOT LIKE {self:String}';
    return Number((await warehouse().query(ask(sql), { mark, self: '%system.processes%' }))[0]?.['n']);
  };
  const until = async (mark: string, wanted: number) => {
    const giveUpAt = Date.now() + 10_000;
    while ((await running(mark)) !== wanted) if (Date.now() > giveUpAt) throw new Error(`${mark} is not ${wanted}`);
  };

  it('ends a query at its time limit', async () => {
    const startedAt = performance.now();
    await expect(warehouse().query(ask(`${aboutEver} + 10`, { timeoutMs: 300 }), {})).rejects.toMatchObject({
      code: 'QUERY_TIMEOUT',
      details: { statement: 'contract', engineCode: 159 },
    });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await until('= 1 + 10', 0);
  });

  it('ends a query at its memory limit', async () => {
    const sql = 'SELECT length(groupArray(number)) AS n FROM numbers(50000000)';
    await expect(warehouse().query(ask(sql, { maxMemoryBytes: 20_000_000 }), {})).rejects.toMatchObject({
      code: 'QUERY_TOO_LARGE',
      details: { engineCode: 241 },
    });
  });

  it('ends the statement in the store when the caller aborts, and rejects with the reason', async () => {
    const abort = new AbortController();
    const reason = new Error('the caller left');
    const rejected = expect(warehouse().query(ask(`${aboutEver} + 20`), {}, { signal: abort.signal })).rejects.toBe(
      reason,
    );
    await until('= 1 + 20', 1);
    abort.abort(reason);
    await rejected;
    await until('= 1 + 20', 0);
  });

  it('asks nothing for a signal that is aborted already', async () => {
    const reason = new Error('too late');
    const asked = warehouse().query(ask('SELECT 1 AS n'), {}, { signal: AbortSignal.abort(reason) });
    await expect(asked).rejects.toBe(reason);
  });

  it('ends what runs under a prefix and holds a match, an insert too, and nothing else', async () => {
    const slow = (name: string, plus: number) =>
      warehouse()
        .execute({
          name,
          sql: `INSERT INTO contract_rows (id) SELECT count() FROM numbers_mt(1000000000000) WHERE sipHash64(number) = 1 + ${plus}`,
        })
        .catch((error) => error);
    const doomed = slow('doomed', 30);
    const spared = warehouse()
      .query(ask(`${aboutEver} + 40`), {}, { timeoutMs: 60_000 })
      .catch((error) => error);
    await until('= 1 + 30', 1);
    await until('= 1 + 40', 1);
    await warehouse().killQueries('doomed-', 'no such id');
    await expect(running('= 1 + 30')).resolves.toBe(1);
    await warehouse().killQueries('doomed-', '-[0-9a-f]+-(x|[0-9a-f]{4})-');
    await expect(running('= 1 + 30')).resolves.toBe(0);
    await expect(running('= 1 + 40')).resolves.toBe(1);
    expect(engineCodeOf(await doomed)).toBe(394);
    await warehouse().killQueries('contract-');
    expect(engineCodeOf(await spared)).toBe(394);
  });

  it('resolves at once when nothing runs under the prefix, and refuses an empty one', async () => {
    await warehouse().killQueries('nobody-');
    await expect(warehouse().killQueries('')).rejects.toThrow(TypeError);
  });
}

function faultFacts(under: () => WarehouseUnderTest): void {
  it.each([
    ['an unknown column', 'SELECT nothing FROM contract_rows', 47],
    ['an unknown table', 'SELECT 1 FROM contract_nothing', 60],
    ['no SQL', 'SELEC 1', 62],
  ])('reports %s as a fault of ours with the code of the engine', async (_what, sql, engineCode) => {
    await expect(under().warehouse.query(ask(sql), {})).rejects.toMatchObject({
      code: 'INTERNAL',
      details: { engineCode },
    });
  });

  it('reports a store that is not there as unavailable, without a code of the engine', async () => {
    const unreachable = under().openUnreachable();
    const insert = { name: 'i', table: 'events', format: 'JSONEachRow', body: Buffer.from('{}\n') } as const;
    for (const attempt of [
      unreachable.ping(),
      unreachable.query(ask('SELECT 1'), {}),
      unreachable.insertBytes(insert),
    ]) {
      const error = await attempt.catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(CodedError);
      expect(error).toEqual(fault('WAREHOUSE_UNAVAILABLE'));
      expect(engineCodeOf(error)).toBeUndefined();
    }
    await unreachable.dispose();
  });

  it('answers a ping', async () => {
    await under().warehouse.ping();
  });
}
