import fc from 'fast-check';
import { maskSql, parameterNames, parseInsertHead, splitStatements, sqlString, statementKind } from './chdb-sql.ts';

describe('statementKind', () => {
  it.each([
    ['SELECT 1', 'read'],
    ['  -- grain: event\n /* order key */ with x AS (SELECT 1) SELECT * FROM x', 'read'],
    ['(SELECT 1) UNION ALL (SELECT 2)', 'read'],
    ['explain select 1', 'read'],
    ['SHOW TABLES', 'read'],
    ['INSERT INTO t SELECT 1', 'write'],
    ['-- SELECT\nALTER TABLE t DELETE WHERE 1', 'write'],
    ['CREATE TABLE t (a UInt8) ENGINE = Memory', 'write'],
    ['KILL QUERY WHERE query_id = 1', 'kill'],
    ['set max_threads = 1', 'session'],
    ['USE other', 'session'],
    ['', 'write'],
  ])('takes %j for a %s', (sql, kind) => {
    expect(statementKind(sql)).toBe(kind);
  });
});

describe('parameterNames', () => {
  it('finds the parameters of a statement and none in strings, comments and quoted names', () => {
    const sql =
      'SELECT {a:String}, { b : Array(UInt8) }, \'{c:String}\', `{d:String}`, "{e:X}" -- {f:String}\n /* {g:Y} */ + {h:Int8}';
    expect([...parameterNames(sql)]).toEqual(['a', 'b', 'h']);
  });

  it('is not led astray by quotes within quotes', () => {
    expect([...parameterNames("SELECT 'it''s {a:X}', 'back\\'slash {b:X}', {c:X}")]).toEqual(['c']);
  });
});

describe('parseInsertHead', () => {
  it.each([
    ['INSERT INTO events FORMAT JSONEachRow', { table: 'events', columns: undefined, format: 'JSONEachRow' }],
    ['insert into table db.events\nformat CSV;', { table: 'db.events', columns: undefined, format: 'CSV' }],
    [
      'INSERT INTO `db`.`events` (a, `b`) FORMAT JSONEachRow\n',
      { table: 'db.events', columns: ['a', 'b'], format: 'JSONEachRow' },
    ],
    ['INSERT INTO t /* x */ FORMAT TSV', { table: 't', columns: undefined, format: 'TSV' }],
  ])('parses %j', (sql, head) => {
    expect(parseInsertHead(sql)).toEqual(head);
  });

  it.each([
    'INSERT INTO t SELECT 1 FORMAT JSONEachRow',
    'INSERT INTO t FORMAT JSONEachRow {"a":1}',
    'INSERT INTO t SETTINGS async_insert = 0 FORMAT JSONEachRow',
    'INSERT INTO t VALUES (1)',
    'SELECT 1 FORMAT JSONEachRow',
    '',
  ])('leaves %j to the engine', (sql) => {
    expect(parseInsertHead(sql)).toBeNull();
  });
});

describe('splitStatements', () => {
  it('splits at semicolons outside of strings and comments, and drops what is empty', () => {
    const sql = '-- first; not here\nSELECT \';\', "a;b";\n\n/* ; */\n;SELECT `x;y` -- ;\n;\n-- the end\n';
    expect(splitStatements(sql)).toEqual(['-- first; not here\nSELECT \';\', "a;b"', 'SELECT `x;y` -- ;']);
  });

  it('joined and split again gives the same statements', () => {
    const statement = fc.string({ minLength: 1 }).map((text) => `SELECT ${sqlString(text)}`);
    fc.assert(
      fc.property(fc.array(statement), (statements) => {
        expect(splitStatements(statements.join(';\n'))).toEqual(statements);
      }),
    );
  });
});

describe('maskSql and sqlString', () => {
  it('keep every position, and no literal shows through', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const sql = `a${sqlString(text)}b`;
        expect(maskSql(sql)).toBe(`a${' '.repeat(sql.length - 2)}b`);
      }),
    );
  });
});
